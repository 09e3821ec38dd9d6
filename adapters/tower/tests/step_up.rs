//! The guard for a step-up. Its clock is the test's.

use cloakroom::{Authentication, Carrier, Config, ManualClock, Session, Sessions};
use cloakroom_memory::MemoryStore;
use cloakroom_tower::{RequireSubject, SessionLayer};
use http::{Request, Response};
use std::convert::Infallible;
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

struct Site {
    sessions: Sessions<MemoryStore>,
    clock: ManualClock,
    guard: RequireSubject,
}

impl Site {
    fn new(guard: RequireSubject, carrier: Carrier) -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.reader()).build();
        let config = Config::builder().carrier(carrier).build().unwrap();
        let sessions = Sessions::new(store)
            .with_config(config)
            .with_clock(clock.reader());
        Self {
            sessions,
            clock,
            guard,
        }
    }

    async fn sign_in(&self, level: u8) -> String {
        let how = Authentication::new(level);
        let signed_in = self
            .sessions
            .with(None, |session| session.sign_in_with("ada", &how));
        let cloakroom::Directive::Issue(issued) = signed_in.await.unwrap().1.directive else {
            panic!("a sign-in issues a token");
        };
        issued.token.expose().to_owned()
    }

    /// The status, and one header or the text.
    async fn get(&self, token: &str, header: &str) -> (u16, String) {
        let page = service_fn(async |request: Request<String>| {
            let session: Session = cloakroom_tower::session(&request).await.unwrap();
            let subject = session.subject().unwrap().unwrap();
            Ok::<_, Infallible>(Response::new(subject))
        });
        let service = ServiceBuilder::new()
            .layer(SessionLayer::from(self.sessions.clone()))
            .layer(self.guard)
            .service(page);
        let request = Request::get("/transfer?to=bob")
            .header("cookie", format!("__Host-session={token}"))
            .header("authorization", format!("Bearer {token}"));
        let response = service
            .oneshot(request.body(String::new()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let header = response.headers().get(header);
        let text = header.map(|value| value.to_str().unwrap().to_owned());
        (status, text.unwrap_or_else(|| response.into_body()))
    }
}

// R84
#[tokio::test]
async fn a_subject_is_recent_for_less_than_its_age() {
    let guard = RequireSubject::unauthorized().within(Duration::from_secs(300));
    let site = Site::new(guard, Carrier::Cookie);
    let token = site.sign_in(1).await;
    assert_eq!(site.get(&token, "x").await, (200, "ada".to_owned()));
    for (later, wanted) in [(299, 200), (1, 403), (1, 403)] {
        site.clock.advance(Duration::from_secs(later));
        let (status, text) = site.get(&token, "x").await;
        assert_eq!(status, wanted);
        assert_eq!(status == 403, text.contains("sign in again"), "{text}");
    }
    // Nobody is signed in: that is another answer.
    assert_eq!(site.get("none", "x").await, (401, String::new()));
}

// R84
#[tokio::test]
async fn a_level_is_asked_for_at_its_own_page() {
    let guard = RequireSubject::redirect_to("/sign-in").level(2);
    for (guard, page) in [
        (guard, "/sign-in"),
        (guard.confirm_at("/second"), "/second"),
    ] {
        let site = Site::new(guard, Carrier::Cookie);
        let (weak, strong) = (site.sign_in(1).await, site.sign_in(2).await);
        assert_eq!(site.get(&strong, "location").await, (200, "ada".to_owned()));
        let wanted = format!("{page}?next=%2Ftransfer%3Fto%3Dbob");
        assert_eq!(site.get(&weak, "location").await, (303, wanted));
        let (status, location) = site.get("none", "location").await;
        assert!(
            status == 303 && location.starts_with("/sign-in?"),
            "{location}"
        );
    }
}

// R84; RFC 9470, section 3
#[tokio::test]
async fn with_a_bearer_token_the_answer_is_a_challenge() {
    let guard = RequireSubject::unauthorized()
        .within(Duration::from_secs(60))
        .level(2);
    let site = Site::new(guard, Carrier::Header("authorization"));
    let token = site.sign_in(1).await;
    let challenge =
        r#"Bearer error="insufficient_user_authentication", max_age="60", acr_values="2""#;
    let answer = site.get(&token, "www-authenticate").await;
    assert_eq!(answer, (401, challenge.to_owned()));
    assert_eq!(
        site.get("none", "www-authenticate").await,
        (401, "Bearer".to_owned())
    );
}
