//! Handlers, without a server.

use std::sync::{Arc, Mutex};

use cloakroom_memory::MemoryStore;
use cloakroom_salvo::{
    Config, Error, NoStore, Session, SessionMiddleware, Sessions, Typed, session,
};
use http::header::{LOCATION, SET_COOKIE, VARY};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use salvo::catcher::Catcher;
use salvo::http::ResBody;
use salvo::http::cookie::Cookie;
use salvo::prelude::{CatchPanic, ConnCtrl, Redirect, StatusError, handler};
use salvo::test::TestClient;
use salvo::{Depot, FlowCtrl, Request, Router, Service, Writer as _};

#[handler]
async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

#[handler]
async fn never() {
    unreachable!("no handler is called")
}

fn sessions() -> SessionMiddleware<MemoryStore> {
    SessionMiddleware::new(MemoryStore::new())
}

fn named(name: &str) -> Config {
    Config::builder().cookie_name(name).build().unwrap()
}

/// The response to a GET.
async fn get(service: &Service, path: &str, cookie: Option<&str>) -> Response<ResBody> {
    let mut request = TestClient::get(format!("http://localhost{path}"));
    if let Some(cookie) = cookie {
        request = request.add_header("cookie", cookie, true);
    }
    service.handle(request.build()).await.into_hyper()
}

/// The cookie of a response, as a request's header.
fn cookie(response: &Response<ResBody>) -> String {
    let line = response.headers().get(SET_COOKIE).expect("a cookie");
    let line = line.to_str().expect("text");
    line.split(';').next().unwrap_or_default().to_owned()
}

fn cookies(response: &Response<ResBody>) -> usize {
    response.headers().get_all(SET_COOKIE).iter().count()
}

async fn text(response: Response<ResBody>) -> String {
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

#[tokio::test]
async fn a_handler_has_the_session_of_the_cookie() {
    let service = Service::new(Router::new().hoop(sessions()).get(count));
    let first = get(&service, "/", None).await;
    let cookie = cookie(&first);
    assert_eq!(text(first).await, "1");
    let second = get(&service, "/", Some(&cookie)).await;
    assert_eq!(cookies(&second), 0);
    assert_eq!(text(second).await, "2");
}

#[tokio::test]
async fn a_service_and_a_handler_can_have_the_middleware() {
    use salvo::Handler as _;
    let of_service = Service::new(Router::new().get(count)).hoop(sessions());
    let of_handler = Service::new(Router::new().get(count.hoop(sessions())));
    for service in [of_service, of_handler] {
        let cookie = cookie(&get(&service, "/", None).await);
        assert_eq!(text(get(&service, "/", Some(&cookie)).await).await, "2");
        // No route matches, so no handler uses the session.
        let nowhere = get(&service, "/nowhere", Some(&cookie)).await;
        assert_eq!(nowhere.status(), 404);
        assert_eq!(cookies(&nowhere), 0);
        assert!(!nowhere.headers().contains_key(VARY));
    }
}

#[tokio::test]
async fn a_handler_without_a_session_adds_no_header() {
    #[handler]
    async fn hello() -> &'static str {
        "Hello"
    }
    let service = Service::new(Router::new().hoop(sessions()).get(hello));
    let response = get(&service, "/", None).await;
    assert_eq!(cookies(&response), 0);
    assert!(!response.headers().contains_key(VARY));
}

#[tokio::test]
async fn a_handler_of_several_sessions_has_each() {
    struct Admin;
    #[handler]
    async fn both(shop: Session, admin: Session<Admin>) -> Result<String, Error> {
        shop.insert("n", 1)?;
        admin.sign_in("root")?;
        Ok(format!("{:?} {:?}", shop.subject()?, admin.subject()?))
    }
    let store = MemoryStore::new();
    let admin = SessionMiddleware::new(store.clone())
        .with_config(named("__Host-admin"))
        .named::<Admin>();
    let router = Router::new()
        .hoop(SessionMiddleware::new(store))
        .hoop(admin);
    let service = Service::new(router.get(both));
    let response = get(&service, "/", None).await;
    assert_eq!(cookies(&response), 2);
    assert_eq!(text(response).await, r#"None Some("root")"#);
}

#[tokio::test]
async fn two_kinds_of_session_with_one_cookie_name_are_refused_before_the_first_answer() {
    struct Admin;
    struct Shop;
    let shared = MemoryStore::new();
    for [outer, inner] in [
        [shared.clone(), shared],
        [MemoryStore::new(), MemoryStore::new()],
    ] {
        let outer = SessionMiddleware::new(outer);
        let inner = SessionMiddleware::new(inner).named::<Admin>();
        let name = || named("__Host-session");
        let routers = [
            // The name was forgotten.
            Router::new().hoop(inner.clone()),
            // Both have the same.
            Router::new()
                .hoop(outer.clone())
                .hoop(inner.clone().with_config(name())),
            Router::new()
                .hoop(outer.with_config(named("__Host-s")).named::<Shop>())
                .hoop(inner.with_config(named("__Host-s"))),
        ];
        for router in routers {
            let service = Service::new(router.get(never));
            for _ in 0..2 {
                let response = get(&service, "/", None).await;
                assert_eq!(response.status(), 500);
                assert_eq!(cookies(&response), 0);
                let text = text(response).await;
                assert_eq!(
                    text.contains("ConfigBuilder::cookie_name"),
                    cfg!(debug_assertions),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn routers_with_one_cookie_name_are_refused() {
    struct Admin;
    #[handler]
    async fn sign_in(session: Session) -> Result<(), Error> {
        session.sign_in("a shopper")
    }
    #[handler]
    async fn subject(session: Session<Admin>) -> Result<String, Error> {
        Ok(session.subject()?.unwrap_or_default())
    }
    let config = named("__Host-routers");
    let store = MemoryStore::new();
    let shop = SessionMiddleware::new(store.clone()).with_config(config.clone());
    let admin = SessionMiddleware::new(store)
        .with_config(config)
        .named::<Admin>();
    let router = Router::new()
        .push(Router::with_path("shop").hoop(shop).get(sign_in))
        .push(Router::with_path("admin").hoop(admin).get(subject));
    let service = Service::new(router);
    let cookie = cookie(&get(&service, "/shop", None).await);
    let response = get(&service, "/admin", Some(&cookie)).await;
    assert_eq!(response.status(), 500);
    assert!(!text(response).await.contains("a shopper"));
}

#[tokio::test]
async fn no_store_and_no_envelope_are_refused() {
    let service = Service::new(
        Router::new()
            .hoop(SessionMiddleware::new(NoStore))
            .get(never),
    );
    assert_eq!(get(&service, "/", None).await.status(), 500);
}

#[tokio::test]
async fn between_two_middlewares_of_one_cookie_there_is_one_session() {
    #[handler]
    async fn counted(depot: &mut Depot) -> Result<(), Error> {
        let session: Session = session(depot).await?;
        session.insert("visits", 1)
    }
    let sessions = sessions();
    let inner = Router::with_path("inner").hoop(sessions.clone()).get(count);
    let router = Router::new()
        .hoop(sessions.clone())
        .hoop(counted)
        .hoop(sessions)
        .get(count);
    let service = Service::new(router.push(inner));
    for path in ["/", "/inner"] {
        let response = get(&service, path, None).await;
        assert_eq!(cookies(&response), 1);
        assert_eq!(text(response).await, "2");
    }
}

#[tokio::test]
async fn a_commit_that_fails_is_answered_by_the_applications_page() {
    #[handler]
    async fn claims(session: Session, res: &mut salvo::Response) -> Result<&'static str, Error> {
        session.insert("saved", true)?;
        res.add_header("claim", "saved", true).expect("a header");
        res.add_cookie(Cookie::new("claim", "saved"));
        Ok("saved")
    }
    let failing = || {
        let failing = |_: &mut [u8]| Err(Error::entropy("none left"));
        SessionMiddleware::from(Sessions::new(MemoryStore::new()).with_entropy(failing))
    };
    let page = |error: &Error, res: &mut salvo::Response| {
        assert!(res.body.is_none() && res.status_code.is_none());
        res.render_with_status(StatusCode::IM_A_TEAPOT, error.sentence());
    };
    // The catcher writes the page.
    let catcher = |error: &Error, res: &mut salvo::Response| {
        res.status_code(error.status());
    };
    let cases = [
        (failing(), 500, Error::entropy("").sentence()),
        (
            failing().on_commit_error(page),
            418,
            Error::entropy("").sentence(),
        ),
        (
            failing().on_commit_error(catcher),
            500,
            "Internal Server Error",
        ),
    ];
    for (sessions, status, words) in cases {
        let service = Service::new(Router::new().hoop(sessions).get(claims));
        let response = get(&service, "/", None).await;
        assert_eq!(response.status(), status);
        assert!(response.headers().contains_key(VARY));
        assert!(!response.headers().contains_key("claim"));
        assert_eq!(cookies(&response), 0);
        let text = text(response).await;
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn an_error_replaces_the_body_and_the_catcher_has_it() {
    #[handler]
    async fn fails(res: &mut salvo::Response) -> Result<(), Error> {
        res.render("half a page");
        Err(Error::TooManySessions)
    }
    #[handler]
    async fn page(res: &mut salvo::Response, ctrl: &mut FlowCtrl) {
        if let ResBody::Error(found) = &res.body
            && let Some(error) = found.downcast_origin::<Error>()
        {
            let text = format!("our page: {}", error.sentence());
            res.render(text);
            ctrl.skip_rest();
        }
    }
    let router = || Router::new().hoop(sessions()).get(fails);
    let service = Service::new(router());
    let response = get(&service, "/", None).await;
    assert_eq!(response.status(), 403);
    let html = text(response).await;
    assert!(html.contains("<h1>") && !html.contains("half"), "{html}");
    let service = Service::new(router()).catcher(Catcher::default().hoop(page));
    let text = text(get(&service, "/", None).await).await;
    assert!(text.starts_with("our page: "), "{text}");
}

#[tokio::test]
async fn the_applications_own_cookies_stay() {
    #[handler]
    async fn theme(session: Session, res: &mut salvo::Response) -> Result<(), Error> {
        session.insert("n", 1)?;
        res.add_cookie(Cookie::new("theme", "dark"));
        Ok(())
    }
    let service = Service::new(Router::new().hoop(sessions()).get(theme));
    assert_eq!(cookies(&get(&service, "/", None).await), 2);
}

#[tokio::test]
async fn a_missing_middleware_is_an_error_with_the_remedy() {
    let service = Service::new(Router::new().get(count));
    let response = get(&service, "/", None).await;
    assert_eq!(response.status(), 500);
    let text = text(response).await;
    assert_eq!(
        text.contains("SessionMiddleware"),
        cfg!(debug_assertions),
        "{text}"
    );
}

#[tokio::test]
async fn an_optional_session_is_none_if_it_cannot_be_loaded() {
    #[handler]
    async fn lenient(session: Option<Session>) -> &'static str {
        session.map_or("none", |_| "one")
    }
    let service = Service::new(Router::new().get(lenient));
    assert_eq!(text(get(&service, "/", None).await).await, "none");
    let service = Service::new(Router::new().hoop(sessions()).get(lenient));
    assert_eq!(text(get(&service, "/", None).await).await, "one");
}

#[tokio::test]
async fn a_session_is_no_data_of_the_request() {
    #[handler]
    async fn extract(req: &mut Request, depot: &mut Depot) -> String {
        let extracted = req.extract::<Session>(depot).await;
        extracted.expect_err("an error").to_string()
    }
    let service = Service::new(Router::new().hoop(sessions()).get(extract));
    let text = text(get(&service, "/", None).await).await;
    assert!(text.contains("argument of the handler"), "{text}");
}

#[tokio::test]
async fn a_hoop_shares_the_session_and_can_answer() {
    #[handler]
    async fn members_only(depot: &mut Depot, res: &mut salvo::Response) -> Result<(), Error> {
        let session: Session = session(depot).await?;
        session.insert("seen", true)?;
        if session.subject()?.is_none() {
            res.render(Redirect::other("/sign-in"));
        }
        Ok(())
    }
    #[handler]
    async fn sign_in(session: Session) -> Result<(), Error> {
        session.sign_in("ada")
    }
    #[handler]
    async fn seen(session: Session) -> Result<String, Error> {
        Ok(session.keys()?.join(","))
    }
    let router = Router::new()
        .hoop(sessions())
        .push(Router::with_path("sign-in").get(sign_in))
        .push(Router::with_path("members").hoop(members_only).get(seen));
    let service = Service::new(router);
    let stranger = get(&service, "/members", None).await;
    assert_eq!(stranger.status(), 303);
    assert_eq!(stranger.headers()[LOCATION], "/sign-in");
    let member = cookie(&get(&service, "/sign-in", Some(&cookie(&stranger))).await);
    assert_eq!(
        text(get(&service, "/members", Some(&member)).await).await,
        "seen"
    );
}

/// Changes the session, keeps it for the test, and ends in one of several ways.
#[derive(Clone)]
struct Ends {
    kept: Arc<Mutex<Option<Session>>>,
    with: fn(&mut ConnCtrl, &mut salvo::Response),
}

#[handler]
impl Ends {
    async fn handle(
        &self,
        session: Session,
        conn: &mut ConnCtrl,
        res: &mut salvo::Response,
    ) -> Result<(), Error> {
        session.sign_in("ada")?;
        *self.kept.lock().expect("no panic") = Some(session.clone());
        (self.with)(conn, res);
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_that_gives_no_good_answer_changes_nothing() {
    let ends = |with| Ends {
        kept: Arc::default(),
        with,
    };
    let panics = ends(|_, _| panic!("the handler panics"));
    let aborts = ends(|conn, _| conn.abort());
    let fails = ends(|_, res| res.render(StatusError::bad_gateway()));
    let store = MemoryStore::new();
    let sessions = || SessionMiddleware::new(store.clone());
    let outside = || Router::new().hoop(CatchPanic::new()).hoop(sessions());
    let inside = || Router::new().hoop(sessions()).hoop(CatchPanic::new());
    let cases = [
        (outside(), panics.clone(), 500),
        (inside(), panics, 500),
        (outside(), aborts, 200),
        (outside(), fails, 502),
    ];
    for (router, ends, status) in cases {
        let kept = Arc::clone(&ends.kept);
        let service = Service::new(router.get(ends));
        let response = get(&service, "/", None).await;
        assert_eq!(response.status(), status);
        assert_eq!(cookies(&response), 0);
        let session = kept.lock().expect("no panic").take().expect("a session");
        assert!(session.insert("late", 1).is_err(), "the session is closed");
        assert!(store.entries() == 0);
    }
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Shop {
    visits: u64,
    cart: Vec<String>,
}

#[tokio::test]
async fn a_typed_session_reads_and_writes_fields() {
    #[handler]
    async fn add(mut shop: Typed<Shop>) -> Result<String, Error> {
        shop.update(|shop| shop.cart.push("tea".into()))?;
        Ok(format!("{} {:?}", shop.visits, shop.cart))
    }
    let router = Router::new().hoop(sessions()).get(count);
    let service = Service::new(router.push(Router::with_path("cart").get(add)));
    let cookie = cookie(&get(&service, "/", None).await);
    let response = get(&service, "/cart", Some(&cookie)).await;
    assert_eq!(text(response).await, r#"1 ["tea"]"#);
}

// The guard is a module beside the adapter.
#[test]
fn the_source_has_at_most_200_lines_of_code() {
    let sources = concat!(
        include_str!("../src/lib.rs"),
        include_str!("../src/extract.rs"),
        include_str!("../src/middleware.rs"),
    );
    let code = sources.lines().map(str::trim_start);
    let code = code.filter(|line| !line.is_empty() && !line.starts_with("//"));
    let lines = code.count();
    assert!((100..=200).contains(&lines), "{lines}");
}
