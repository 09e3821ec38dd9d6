//! The guard for signed-in visitors, without a server.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Authentication, ManualClock};
use cloakroom_conformance::Instrumented;
use cloakroom_memory::MemoryStore;
use cloakroom_salvo::{
    Carrier, Config, Error, RequireSubject, Session, SessionMiddleware, Sessions, local_path,
};
use http::header::{LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use salvo::catcher::Catcher;
use salvo::extract::PathParam;
use salvo::http::ResBody;
use salvo::prelude::{Redirect, handler};
use salvo::test::{RequestBuilder, TestClient};
use salvo::{FlowCtrl, Request, Router, Service, Writer as _};

#[handler]
async fn orders(session: Session) -> Result<String, Error> {
    Ok(format!("orders of {:?}", session.subject()?))
}

#[handler]
async fn never() {
    unreachable!("no handler is called")
}

#[handler]
async fn sign_in(
    session: Session,
    req: &mut Request,
    res: &mut salvo::Response,
) -> Result<(), Error> {
    session.sign_in("ada")?;
    let next: Option<String> = req.query("next");
    let next = next.as_deref().and_then(local_path);
    res.render(Redirect::other(next.unwrap_or("/")));
    Ok(())
}

fn sessions() -> SessionMiddleware<MemoryStore> {
    SessionMiddleware::new(MemoryStore::new())
}

async fn send(service: &Service, method: Method, path: &str, cookie: &str) -> Response<ResBody> {
    let request = RequestBuilder::new(format!("http://localhost{path}"), method);
    let request = request.add_header("cookie", cookie, true);
    service.handle(request.build()).await.into_hyper()
}

async fn get(service: &Service, path: &str, cookie: &str) -> Response<ResBody> {
    send(service, Method::GET, path, cookie).await
}

fn header(response: &Response<ResBody>, name: http::HeaderName) -> Option<&str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().expect("text"))
}

fn location(response: &Response<ResBody>) -> &str {
    header(response, LOCATION).expect("a redirect")
}

/// The cookie of a response, as a request's header.
fn cookie(response: &Response<ResBody>) -> String {
    let line = header(response, SET_COOKIE).expect("a cookie");
    line.split(';').next().unwrap_or_default().to_owned()
}

async fn text(response: Response<ResBody>) -> String {
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

// R85
#[tokio::test]
async fn a_stranger_signs_in_and_returns_to_the_page() {
    let guard = RequireSubject::redirect_to("/sign-in");
    let router = Router::new()
        .hoop(sessions())
        .push(Router::with_path("orders").hoop(guard).get(orders))
        .push(Router::with_path("sign-in").get(sign_in));
    let service = Service::new(router);
    let response = get(&service, "/orders?page=2", "").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&response), "/sign-in?next=%2Forders%3Fpage%3D2");
    assert!(!response.headers().contains_key(SET_COOKIE));

    let response = get(&service, location(&response), "").await;
    assert_eq!(location(&response), "/orders?page=2");
    let response = get(&service, location(&response), &cookie(&response)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, r#"orders of Some("ada")"#);
}

// R85
#[tokio::test]
async fn only_get_and_head_requests_are_returned_to() {
    let guard = RequireSubject::redirect_to("/sign-in?lang=en");
    let router = Router::new().hoop(sessions()).hoop(guard);
    let service = Service::new(router.push(Router::with_path("shop/orders").goal(never)));
    for (method, wanted) in [
        (Method::GET, "/sign-in?lang=en&next=%2Fshop%2Forders"),
        (Method::HEAD, "/sign-in?lang=en&next=%2Fshop%2Forders"),
        (Method::POST, "/sign-in?lang=en"),
        (Method::DELETE, "/sign-in?lang=en"),
    ] {
        let response = send(&service, method.clone(), "/shop/orders", "").await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{method}");
        assert_eq!(location(&response), wanted, "{method}");
    }
}

// R85; CWE-601
#[tokio::test]
async fn no_request_makes_next_another_site() {
    let guard = RequireSubject::redirect_to("/sign-in");
    let router = Router::new()
        .hoop(sessions())
        .push(Router::with_path("sign-in").get(sign_in))
        .push(Router::with_path("{**rest}").hoop(guard).goal(never));
    let service = Service::new(router);
    for path in ["//evil.example", "//evil.example/a?b", "///evil.example"] {
        let response = get(&service, path, "").await;
        assert_eq!(location(&response), "/sign-in", "{path}");
    }
    for next in [
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2F%09%2Fevil.example",
        "https%3A%2F%2Fevil.example",
        "javascript%3Aalert(1)",
        "%2Fa%0D%0Aset-cookie%3A+a%3Db",
        "",
    ] {
        let response = get(&service, &format!("/sign-in?next={next}"), "").await;
        assert_eq!(location(&response), "/", "{next}");
    }
}

// R85
#[tokio::test]
async fn an_api_answers_with_401_and_names_the_scheme_of_its_header() {
    let config = |carrier| {
        let config = Config::builder().carrier(carrier).build();
        config.expect("a configuration")
    };
    for (carrier, challenge) in [
        (Carrier::Cookie, None),
        (Carrier::Header("x-session"), None),
        (Carrier::Header("authorization"), Some("Bearer")),
    ] {
        let router = Router::new()
            .hoop(sessions().with_config(config(carrier)))
            .hoop(RequireSubject::unauthorized());
        let service = Service::new(router.get(never));
        let unknown = "Bearer AAAAAAAAAAAAAAAAAAAAAA";
        let request = TestClient::get("http://localhost/");
        let request = request.add_header("authorization", unknown, true);
        let response = service.handle(request.build()).await.into_hyper();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(header(&response, WWW_AUTHENTICATE), challenge);
        assert!(!response.headers().contains_key(LOCATION));
    }
}

// R85
#[tokio::test]
async fn the_catcher_writes_the_page_of_a_401() {
    #[handler]
    async fn page(res: &mut salvo::Response, ctrl: &mut FlowCtrl) {
        res.render(format!("our page for {:?}", res.status_code));
        ctrl.skip_rest();
    }
    let guard = RequireSubject::unauthorized();
    let router = Router::new().hoop(sessions()).hoop(guard).get(never);
    let service = Service::new(router).catcher(Catcher::default().hoop(page));
    let response = get(&service, "/", "").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(text(response).await, "our page for Some(401)");
}

// R84
#[tokio::test]
async fn a_subject_is_recent_for_less_than_its_age_and_needs_its_level() {
    #[handler]
    async fn sign_in(session: Session, level: PathParam<u8>) -> Result<(), Error> {
        let level = level.into_inner();
        session.sign_in_with("ada", &Authentication::new(level).method("pwd"))
    }
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.reader()).build();
    let sessions = Sessions::new(store).with_clock(clock.reader());
    let recent = RequireSubject::unauthorized().within(Duration::from_secs(300));
    let strong = RequireSubject::redirect_to("/sign-in").level(2);
    let page = |path: &str, guard| Router::with_path(path).hoop(guard).get(orders);
    let router = Router::new()
        .hoop(SessionMiddleware::from(sessions))
        .push(Router::with_path("sign-in/{level}").get(sign_in))
        .push(page("recent", recent))
        .push(page("strong", strong))
        .push(page("second", strong.confirm_at("/second-factor")));
    let service = Service::new(router);
    let weak = cookie(&get(&service, "/sign-in/1", "").await);
    let both = cookie(&get(&service, "/sign-in/2", "").await);
    for path in ["/recent", "/strong", "/second"] {
        assert_eq!(get(&service, path, &both).await.status(), 200);
    }
    for (path, wanted) in [
        ("/strong", "/sign-in?next=%2Fstrong"),
        ("/second", "/second-factor?next=%2Fsecond"),
    ] {
        let response = get(&service, path, &weak).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&response), wanted);
    }
    assert_eq!(get(&service, "/recent", "").await.status(), 401);
    for (later, wanted) in [(299, 200), (1, 403), (1, 403)] {
        clock.advance(Duration::from_secs(later));
        let response = get(&service, "/recent", &weak).await;
        assert_eq!(response.status(), wanted);
        let text = text(response).await;
        assert_eq!(wanted == 403, text.contains("sign in again"), "{text}");
    }
}

// R85
#[tokio::test]
async fn each_kind_of_session_has_a_guard() {
    struct Admin;
    #[handler]
    async fn sign_in(session: Session<Admin>) -> Result<(), Error> {
        session.sign_in("root")
    }
    let config = Config::builder().cookie_name("__Host-admin").build();
    let admin = sessions().with_config(config.expect("a configuration"));
    let guard = RequireSubject::unauthorized();
    let guarded = Router::with_path("admin").hoop(guard.named::<Admin>());
    let router = Router::new()
        .hoop(sessions())
        .hoop(admin.named::<Admin>())
        .push(Router::with_path("sign-in").get(sign_in))
        .push(Router::with_path("shop").hoop(guard).get(orders))
        .push(guarded.get(orders));
    let service = Service::new(router);
    let cookie = cookie(&get(&service, "/sign-in", "").await);
    assert_eq!(get(&service, "/admin", &cookie).await.status(), 200);
    assert_eq!(get(&service, "/shop", &cookie).await.status(), 401);
}

// R85: an outage never looks like a sign-out.
#[tokio::test]
async fn a_session_that_cannot_be_loaded_is_an_error_for_the_catcher() {
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
    let store = Arc::new(Instrumented::new(MemoryStore::new()));
    let control = store.control();
    let guard = RequireSubject::redirect_to("/sign-in");
    let router = Router::new()
        .hoop(SessionMiddleware::new(store))
        .push(Router::with_path("orders").hoop(guard).get(orders))
        .push(Router::with_path("sign-in").get(sign_in));
    let service = Service::new(router).catcher(Catcher::default().hoop(page));
    let cookie = cookie(&get(&service, "/sign-in", "").await);
    // The handler shares what the guard has loaded.
    let before = control.log().len();
    assert_eq!(get(&service, "/orders", &cookie).await.status(), 200);
    let log = control.log();
    assert_eq!(log.len(), before + 1, "{log:?}");

    control.outage(true);
    let response = get(&service, "/orders", &cookie).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!response.headers().contains_key(LOCATION));
    let text = text(response).await;
    assert!(text.starts_with("our page: "), "{text}");
}

#[tokio::test]
async fn a_missing_middleware_is_an_error_with_the_remedy() {
    let guard = RequireSubject::unauthorized();
    let routers = [
        Router::new().hoop(guard),
        Router::new().hoop(guard).hoop(sessions()),
    ];
    for router in routers {
        let service = Service::new(router.get(never));
        let response = get(&service, "/", "").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = text(response).await;
        let named = text.contains("before `.hoop(RequireSubject");
        assert_eq!(named, cfg!(debug_assertions), "{text}");
    }
}
