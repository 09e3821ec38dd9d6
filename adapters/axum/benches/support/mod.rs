//! The requests that the benchmarks send, in process, to an axum application with and without sessions.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cloakroom::{Directive, Sessions};
use cloakroom_axum::{Error, Session, SessionLayer};
use cloakroom_memory::MemoryStore;
use http::{HeaderValue, Request, header};
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt};

/// One kind of request, and the goal for what it may cost above the bare handler.
pub struct Scenario {
    pub name: &'static str,
    pub allocations: Option<i64>,
    pub instructions: Option<i64>,
    pub store_calls: &'static str,
    pub path: &'static str,
    pub cookies: Cookies,
    pub application: Application,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Application {
    Bare,
    Nothing,
    Sessions,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Cookies {
    None,
    Foreign,
    Session,
    Unknown,
}

const fn scenario(
    name: &'static str,
    goals: (i64, i64),
    store_calls: &'static str,
    path: &'static str,
    cookies: Cookies,
) -> Scenario {
    let (allocations, instructions) = (Some(goals.0), Some(goals.1));
    Scenario {
        name,
        allocations,
        instructions,
        store_calls,
        path,
        cookies,
        application: Application::Sessions,
    }
}

const fn beside(name: &'static str, cookies: Cookies, application: Application) -> Scenario {
    Scenario {
        name,
        allocations: None,
        instructions: None,
        store_calls: "0",
        path: "/untouched",
        cookies,
        application,
    }
}

/// The bare handler first: it is what the others are measured against.
pub const SCENARIOS: [Scenario; 9] = [
    beside("bare handler", Cookies::Session, Application::Bare),
    beside(
        "a layer that does nothing",
        Cookies::Session,
        Application::Nothing,
    ),
    scenario("untouched", (4, 3_000), "0", "/untouched", Cookies::Session),
    scenario(
        "untouched, 8 foreign cookies",
        (4, 3_000),
        "0",
        "/untouched",
        Cookies::Foreign,
    ),
    scenario("read", (8, 6_000), "1", "/read", Cookies::Session),
    scenario("counter", (14, 11_000), "2", "/counter", Cookies::Session),
    scenario("create", (12, 8_000), "1", "/counter", Cookies::None),
    scenario("unknown token", (6, 6_000), "1", "/read", Cookies::Unknown),
    scenario(
        "rotate",
        (i64::MAX, i64::MAX),
        "3",
        "/rotate",
        Cookies::Session,
    ),
];

async fn untouched() -> &'static str {
    "a response of some length"
}

async fn read(session: Session) -> Result<&'static str, Error> {
    let found: Option<u64> = session.get("visits")?;
    std::hint::black_box(found);
    Ok("a response of some length")
}

async fn counter(session: Session) -> Result<&'static str, Error> {
    session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)?;
    Ok("a response of some length")
}

async fn rotate(session: Session) -> Result<&'static str, Error> {
    session.rotate()?;
    Ok("a response of some length")
}

#[derive(Clone)]
struct Nothing;

#[derive(Clone)]
struct NothingService<S>(S);

impl<S> Layer<S> for Nothing {
    type Service = NothingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NothingService(inner)
    }
}

impl<S: Service<R>, R> Service<R> for NothingService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0.call(request)
    }
}

/// Ten values, about a kilobyte.
pub async fn fill(sessions: &Sessions<MemoryStore>) -> String {
    let filled = sessions.with(None, |session| {
        session.insert("visits", 41_u64)?;
        for n in 0..9 {
            session.insert(&format!("value-{n}"), "x".repeat(96))?;
        }
        Ok(())
    });
    match filled.await {
        Ok(((), outcome)) => match outcome.directive {
            Directive::Issue(issued) => issued.token.expose().to_owned(),
            other => panic!("no token issued: {other:?}"),
        },
        Err(error) => panic!("{error}"),
    }
}

pub struct Subject {
    app: Router,
    path: &'static str,
    cookie: Option<HeaderValue>,
    cookie_is_consumed: bool,
    sessions: Sessions<MemoryStore>,
}

impl Subject {
    pub async fn new(scenario: &Scenario) -> Self {
        let sessions = Sessions::new(MemoryStore::new());
        let token = fill(&sessions).await;
        let routes = Router::new()
            .route("/untouched", get(untouched))
            .route("/read", get(read))
            .route("/counter", get(counter))
            .route("/rotate", get(rotate));
        let app = match scenario.application {
            Application::Bare => routes,
            Application::Nothing => routes.layer(Nothing),
            Application::Sessions => routes.layer(SessionLayer::from(sessions.clone())),
        };
        // As `axum::serve` does: everything is turned into routes once, not for each request.
        let app = app.with_state(());
        let foreign: String = (0..8)
            .map(|n| format!("_tracker_{n}=GA1.2.1234567890.170000000{n}; "))
            .collect();
        let cookie = match scenario.cookies {
            Cookies::None => None,
            Cookies::Session => Some(format!("__Host-session={token}")),
            Cookies::Foreign => Some(format!("{foreign}__Host-session={token}")),
            Cookies::Unknown => {
                Some("__Host-session=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned())
            }
        };
        let cookie = cookie.map(|cookie| cookie.try_into().expect("a cookie is a header value"));
        Self {
            app,
            path: scenario.path,
            cookie,
            cookie_is_consumed: scenario.name == "rotate",
            sessions,
        }
    }

    pub async fn request(&self) -> Request<Body> {
        let mut request = Request::get(self.path)
            .header(header::HOST, "localhost")
            .body(Body::empty())
            .expect("valid");
        let cookie = if self.cookie_is_consumed {
            Some(
                format!("__Host-session={}", fill(&self.sessions).await)
                    .try_into()
                    .expect("valid"),
            )
        } else {
            self.cookie.clone()
        };
        if let Some(cookie) = cookie {
            request.headers_mut().insert(header::COOKIE, cookie);
        }
        request
    }

    pub async fn send(&self, request: Request<Body>) {
        let response = self.app.clone().oneshot(request).await.expect("infallible");
        assert!(response.status().is_success(), "{}", response.status());
        std::hint::black_box(&response);
    }
}
