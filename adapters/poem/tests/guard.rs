//! The guard for signed-in visitors, without a server.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Authentication, ManualClock};
use cloakroom_conformance::Instrumented;
use cloakroom_memory::MemoryStore;
use cloakroom_poem::{
    Carrier, Config, Error, RequireSubject, Session, SessionMiddleware, Sessions, local_path,
};
use poem::http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use poem::http::uri::Scheme;
use poem::http::{Method, StatusCode};
use poem::web::{Path, Query, Redirect};
use poem::{
    Body, Endpoint, EndpointExt as _, IntoResponse as _, Request, RequestParts, Response, Route,
    handler,
};

#[handler]
async fn orders(session: Session) -> Result<String, Error> {
    Ok(format!("orders of {:?}", session.subject()?))
}

#[handler]
async fn never() -> String {
    unreachable!("no handler is called")
}

#[derive(serde::Deserialize)]
struct Next {
    next: Option<String>,
}

#[handler]
async fn sign_in(session: Session, Query(page): Query<Next>) -> Result<Redirect, Error> {
    session.sign_in("ada")?;
    let next = page.next.as_deref().and_then(local_path);
    Ok(Redirect::see_other(next.unwrap_or("/")))
}

fn sessions() -> SessionMiddleware<MemoryStore> {
    SessionMiddleware::new(MemoryStore::new())
}

/// A request as poem's server makes it.
fn request(method: Method, path: &str, cookie: &str) -> Request {
    let request = poem::http::Request::builder().method(method).uri(path);
    let request = request.header(COOKIE, cookie).body(());
    let (head, ()) = request.expect("a request").into_parts();
    let (local, remote) = Default::default();
    let head = RequestParts::from((head, local, remote, Scheme::HTTP));
    Request::from_parts(head, Body::empty())
}

async fn get(app: &impl Endpoint, path: &str, cookie: &str) -> Response {
    app.get_response(request(Method::GET, path, cookie)).await
}

fn location(response: &Response) -> &str {
    response.header(LOCATION).expect("a redirect")
}

/// The cookie of a response, as a request's header.
fn cookie(response: &Response) -> String {
    let line = response.header(SET_COOKIE).expect("a cookie");
    line.split(';').next().unwrap_or_default().to_owned()
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.expect("a text")
}

// R85
#[tokio::test]
async fn a_stranger_signs_in_and_returns_to_the_page() {
    let guard = RequireSubject::redirect_to("/sign-in");
    let app = Route::new()
        .at("/orders", orders.with(guard))
        .at("/sign-in", sign_in)
        .with(sessions());
    let response = get(&app, "/orders?page=2", "").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&response), "/sign-in?next=%2Forders%3Fpage%3D2");
    assert!(!response.headers().contains_key(SET_COOKIE));

    let response = get(&app, location(&response), "").await;
    assert_eq!(location(&response), "/orders?page=2");
    let response = get(&app, location(&response), &cookie(&response)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, r#"orders of Some("ada")"#);
}

// R85
#[tokio::test]
async fn only_get_and_head_requests_are_returned_to() {
    let guard = RequireSubject::redirect_to("/sign-in?lang=en");
    let app = never.with(guard).with(sessions());
    for (method, wanted) in [
        (Method::GET, "/sign-in?lang=en&next=%2Forders"),
        (Method::HEAD, "/sign-in?lang=en&next=%2Forders"),
        (Method::POST, "/sign-in?lang=en"),
        (Method::DELETE, "/sign-in?lang=en"),
    ] {
        let response = app.get_response(request(method.clone(), "/orders", ""));
        let response = response.await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{method}");
        assert_eq!(location(&response), wanted, "{method}");
    }
}

// R85; CWE-601
#[tokio::test]
async fn no_request_makes_next_another_site() {
    let guard = RequireSubject::redirect_to("/sign-in");
    let app = Route::new()
        .at("/sign-in", sign_in)
        .nest("/", never.with(guard))
        .with(sessions());
    for path in ["//evil.example", "//evil.example/a?b", "///evil.example"] {
        let response = get(&app, path, "").await;
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
        let response = get(&app, &format!("/sign-in?next={next}"), "").await;
        assert_eq!(location(&response), "/", "{next}");
    }
}

// R85
#[tokio::test]
async fn in_nested_routes_next_is_the_path_of_the_request() {
    let guard = RequireSubject::redirect_to("/sign-in");
    let inner = Route::new().at("/orders", never).with(guard);
    for outer in [
        Route::new().nest("/shop", inner),
        Route::new().nest_no_strip("/shop", never.with(guard)),
    ] {
        let app = outer.with(sessions());
        let response = get(&app, "/shop/orders?page=2", "").await;
        let wanted = "/sign-in?next=%2Fshop%2Forders%3Fpage%3D2";
        assert_eq!(location(&response), wanted);
    }
    // At the root, the path is empty inside.
    let app = Route::new().nest("/shop", never.with(guard));
    let response = get(&app.with(sessions()), "/shop", "").await;
    assert_eq!(location(&response), "/sign-in?next=%2Fshop");
    // A request that a test makes has no original URI.
    let request = Request::builder().uri_str("/orders?page=2").finish();
    let app = never.with(guard).with(sessions());
    let response = app.get_response(request).await;
    assert_eq!(location(&response), "/sign-in?next=%2Forders%3Fpage%3D2");
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
        let guard = RequireSubject::unauthorized();
        let app = never.with(guard);
        let app = app.with(sessions().with_config(config(carrier)));
        let mut request = request(Method::GET, "/orders", "");
        let unknown = "Bearer AAAAAAAAAAAAAAAAAAAAAA".parse().expect("a value");
        request.headers_mut().insert(AUTHORIZATION, unknown);
        let response = app.get_response(request).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.header(WWW_AUTHENTICATE), challenge);
        assert!(!response.headers().contains_key(LOCATION));
        assert_eq!(text(response).await, "");
    }
}

// R84
#[tokio::test]
async fn a_subject_is_recent_for_less_than_its_age_and_needs_its_level() {
    #[handler]
    async fn sign_in(session: Session, Path(level): Path<u8>) -> Result<(), Error> {
        session.sign_in_with("ada", &Authentication::new(level).method("pwd"))
    }
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.reader()).build();
    let sessions = Sessions::new(store).with_clock(clock.reader());
    let recent = RequireSubject::unauthorized().within(Duration::from_secs(300));
    let strong = RequireSubject::redirect_to("/sign-in").level(2);
    let app = Route::new()
        .at("/sign-in/:level", sign_in)
        .at("/recent", orders.with(recent))
        .at("/strong", orders.with(strong))
        .at("/second", orders.with(strong.confirm_at("/second-factor")))
        .with(SessionMiddleware::from(sessions));
    let weak = cookie(&get(&app, "/sign-in/1", "").await);
    let both = cookie(&get(&app, "/sign-in/2", "").await);
    for path in ["/recent", "/strong", "/second"] {
        assert_eq!(get(&app, path, &both).await.status(), StatusCode::OK);
    }
    for (path, wanted) in [
        ("/strong", "/sign-in?next=%2Fstrong"),
        ("/second", "/second-factor?next=%2Fsecond"),
    ] {
        let response = get(&app, path, &weak).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&response), wanted);
    }
    assert_eq!(get(&app, "/recent", "").await.status(), 401);
    for (later, wanted) in [(299, 200), (1, 403), (1, 403)] {
        clock.advance(Duration::from_secs(later));
        let response = get(&app, "/recent", &weak).await;
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
    let app = Route::new()
        .at("/sign-in", sign_in)
        .at("/shop", orders.with(guard))
        .at("/admin", orders.with(guard.named::<Admin>()))
        .with(admin.named::<Admin>())
        .with(sessions());
    let cookie = cookie(&get(&app, "/sign-in", "").await);
    assert_eq!(get(&app, "/admin", &cookie).await.status(), StatusCode::OK);
    let response = get(&app, "/shop", &cookie).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

// R85: an outage never looks like a sign-out.
#[tokio::test]
async fn a_session_that_cannot_be_loaded_is_an_error_for_the_catcher() {
    let store = Arc::new(Instrumented::new(MemoryStore::new()));
    let control = store.control();
    let guard = RequireSubject::redirect_to("/sign-in");
    let page = async |error: Error| "Back in a minute.".with_status(error.status());
    let app = Route::new()
        .at("/orders", orders.with(guard))
        .at("/sign-in", sign_in)
        .catch_error(page)
        .with(SessionMiddleware::new(store));
    let cookie = cookie(&get(&app, "/sign-in", "").await);
    // The handler shares what the guard has loaded.
    let before = control.log().len();
    assert_eq!(get(&app, "/orders", &cookie).await.status(), StatusCode::OK);
    let log = control.log();
    assert_eq!(log.len(), before + 1, "{log:?}");

    control.outage(true);
    let response = get(&app, "/orders", &cookie).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!response.headers().contains_key(LOCATION));
    assert_eq!(text(response).await, "Back in a minute.");
}

#[tokio::test]
async fn a_missing_middleware_is_an_error_with_the_remedy() {
    let guard = RequireSubject::unauthorized();
    let outside = never.with(sessions()).with(guard).boxed();
    for app in [never.with(guard).boxed(), outside] {
        let response = get(&app, "/", "").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = text(response).await;
        let named = text.contains("after `.with(RequireSubject");
        assert_eq!(named, cfg!(debug_assertions), "{text}");
    }
}
