//! Handlers, without a server.

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{SET_COOKIE, VARY};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse, web};
use cloakroom_actix::{Config, Error, Session, SessionMiddleware, Sessions, Typed};
use cloakroom_memory::MemoryStore;

async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

/// The cookie of a response, as a request's header.
fn cookie<B>(response: &ServiceResponse<B>) -> String {
    let line = response.headers().get(SET_COOKIE).expect("a cookie");
    let line = line.to_str().expect("text");
    line.split(';').next().unwrap_or_default().to_owned()
}

/// The response to a GET.
macro_rules! get {
    ($app:expr, $path:expr, $cookie:expr) => {{
        let cookie: Option<&str> = $cookie;
        let mut request = TestRequest::get().uri($path);
        if let Some(cookie) = cookie {
            request = request.insert_header(("cookie", cookie));
        }
        call_service($app, request.to_request()).await
    }};
}

#[actix_web::test]
async fn a_handler_has_the_session_of_the_cookie() {
    let app = App::new()
        .wrap(SessionMiddleware::new(MemoryStore::new()))
        .route("/", web::get().to(count));
    let app = init_service(app).await;
    let first = get!(&app, "/", None);
    let cookie = cookie(&first);
    assert_eq!(read_body(first).await, "1");
    let second = get!(&app, "/", Some(&cookie));
    assert!(!second.headers().contains_key(SET_COOKIE));
    assert_eq!(read_body(second).await, "2");
}

#[actix_web::test]
async fn a_handler_without_a_session_adds_no_header() {
    let app = App::new()
        .wrap(SessionMiddleware::new(MemoryStore::new()))
        .route("/", web::get().to(async || "Hello"));
    let app = init_service(app).await;
    let response = get!(&app, "/", None);
    assert!(!response.headers().contains_key(SET_COOKIE));
    assert!(!response.headers().contains_key(VARY));
}

#[actix_web::test]
async fn a_handler_of_several_sessions_has_each() -> Result<(), Box<dyn std::error::Error>> {
    struct Admin;
    async fn both(shop: Session, admin: Session<Admin>) -> Result<String, Error> {
        shop.insert("n", 1)?;
        admin.sign_in("root")?;
        Ok(format!("{:?} {:?}", shop.subject()?, admin.subject()?))
    }
    let admin = Config::builder().cookie_name("__Host-admin").build()?;
    let store = MemoryStore::new();
    let app = App::new()
        .wrap(SessionMiddleware::new(store.clone()))
        .wrap(
            SessionMiddleware::new(store)
                .with_config(admin)
                .named::<Admin>(),
        )
        .route("/", web::get().to(both));
    let app = init_service(app).await;
    let response = get!(&app, "/", None);
    assert_eq!(response.headers().get_all(SET_COOKIE).count(), 2);
    assert_eq!(read_body(response).await, r#"None Some("root")"#);
    Ok(())
}

// R77
#[actix_web::test]
async fn two_kinds_of_session_with_one_cookie_name_are_refused_before_the_first_answer() {
    struct Admin;
    struct Shop;
    async fn never() -> String {
        unreachable!("no handler is called")
    }
    let named = |name: &str| Config::builder().cookie_name(name).build().unwrap();
    let shared = MemoryStore::new();
    for [outer, inner] in [
        [shared.clone(), shared],
        [MemoryStore::new(), MemoryStore::new()],
    ] {
        let sessions = |store: &MemoryStore| SessionMiddleware::new(store.clone());
        // The name was forgotten: the application does not start.
        let forgotten = sessions(&inner).named::<Admin>();
        let service = App::new()
            .wrap(forgotten)
            .wrap(sessions(&outer))
            .route("/", web::get().to(never));
        let starting = actix_web::rt::spawn(async { drop(init_service(service).await) });
        assert!(starting.await.is_err());
        // Both have the same.
        let name = named("__Host-session");
        let app = App::new()
            .wrap(sessions(&inner).with_config(name).named::<Admin>())
            .wrap(sessions(&outer))
            .route("/", web::get().to(never));
        let app = init_service(app).await;
        let response = get!(&app, "/", None);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key(SET_COOKIE));
        let body = read_body(response).await;
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("ConfigBuilder::cookie_name"), "{text}");
        let name = named("__Host-s");
        let app = App::new()
            .wrap(sessions(&inner).with_config(name.clone()).named::<Admin>())
            .wrap(sessions(&outer).with_config(name).named::<Shop>())
            .route("/", web::get().to(never));
        let app = init_service(app).await;
        let response = get!(&app, "/", None);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}

// R77
#[actix_web::test]
async fn scopes_with_one_cookie_name_are_refused() -> Result<(), Box<dyn std::error::Error>> {
    struct Admin;
    async fn sign_in(session: Session) -> Result<String, Error> {
        session.sign_in("a shopper")?;
        Ok(String::new())
    }
    async fn subject(session: Session<Admin>) -> Result<String, Error> {
        Ok(session.subject()?.unwrap_or_default())
    }
    let name = Config::builder().cookie_name("__Host-scopes").build()?;
    let shared = MemoryStore::new();
    for [shop, admin] in [
        [shared.clone(), shared],
        [MemoryStore::new(), MemoryStore::new()],
    ] {
        let shop = SessionMiddleware::new(shop).with_config(name.clone());
        let admin = SessionMiddleware::new(admin).with_config(name.clone());
        let shop = web::scope("/shop").wrap(shop);
        let admin = web::scope("/admin").wrap(admin.named::<Admin>());
        let app = App::new()
            .service(shop.route("", web::get().to(sign_in)))
            .service(admin.route("", web::get().to(subject)));
        let app = init_service(app).await;
        let response = get!(&app, "/shop", None);
        let cookie = response.headers().get(SET_COOKIE).expect("a cookie");
        let cookie = cookie.to_str()?.split(';').next();
        let response = get!(&app, "/admin", cookie);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok(())
}

#[actix_web::test]
async fn no_store_and_no_envelope_do_not_start() {
    let service = App::new().wrap(SessionMiddleware::new(cloakroom::NoStore));
    let starting = actix_web::rt::spawn(async { drop(init_service(service).await) });
    assert!(starting.await.is_err());
}

#[actix_web::test]
async fn between_two_middlewares_of_one_cookie_there_is_one_session() {
    let sessions = SessionMiddleware::new(MemoryStore::new());
    let app = App::new()
        .wrap(sessions.clone())
        .wrap(sessions)
        .route("/", web::get().to(count));
    let app = init_service(app).await;
    let response = get!(&app, "/", None);
    assert_eq!(response.headers().get_all(SET_COOKIE).count(), 1);
}

#[actix_web::test]
async fn a_commit_that_fails_is_answered_by_the_applications_page() {
    let sessions = || {
        let failing = |_: &mut [u8]| Err(Error::entropy("none left"));
        SessionMiddleware::from(Sessions::new(MemoryStore::new()).with_entropy(failing))
    };
    let app = App::new().wrap(sessions()).route("/", web::get().to(count));
    let app = init_service(app).await;
    let response = get!(&app, "/", None);
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key(VARY));
    assert!(!response.headers().contains_key(SET_COOKIE));

    let page = |error: &Error| HttpResponse::ImATeapot().body(error.sentence());
    let sessions = sessions().on_commit_error(page);
    let app = App::new().wrap(sessions).route("/", web::get().to(count));
    let app = init_service(app).await;
    let response = get!(&app, "/", None);
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
}

#[actix_web::test]
async fn a_missing_middleware_is_an_error_with_the_remedy() {
    let app = init_service(App::new().route("/", web::get().to(count))).await;
    let response = get!(&app, "/", None);
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = String::from_utf8_lossy(&read_body(response).await).into_owned();
    assert_eq!(
        text.contains("SessionMiddleware"),
        cfg!(debug_assertions),
        "{text}"
    );
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Shop {
    visits: u64,
    cart: Vec<String>,
}

#[actix_web::test]
async fn a_typed_session_reads_and_writes_fields() {
    async fn add(mut shop: Typed<Shop>) -> Result<String, Error> {
        shop.update(|shop| shop.cart.push("tea".into()))?;
        Ok(format!("{} {:?}", shop.visits, shop.cart))
    }
    let app = App::new()
        .wrap(SessionMiddleware::new(MemoryStore::new()))
        .route("/", web::get().to(count))
        .route("/cart", web::get().to(add));
    let app = init_service(app).await;
    let cookie = cookie(&get!(&app, "/", None));
    let response = get!(&app, "/cart", Some(&cookie));
    assert_eq!(read_body(response).await, r#"1 ["tea"]"#);
}
