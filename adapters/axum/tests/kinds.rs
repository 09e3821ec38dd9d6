//! R77: two kinds of session with one cookie name.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use cloakroom_axum::{Config, Error, Session, SessionLayer};
use cloakroom_memory::MemoryStore;
use tower::ServiceExt as _;

struct Admin;

async fn never(_: Session, _: Session<Admin>) -> String {
    unreachable!("no handler is called")
}

// R77
#[tokio::test]
async fn two_kinds_of_session_with_one_cookie_name_are_refused_before_the_first_answer() {
    let name = Config::builder().cookie_name("__Host-session").build();
    let same = name.expect("good");
    let shared = MemoryStore::new();
    for [outer, inner] in [
        [shared.clone(), shared],
        [MemoryStore::new(), MemoryStore::new()],
    ] {
        let forgotten = SessionLayer::new(inner.clone()).named::<Admin>();
        let same = SessionLayer::new(inner).with_config(same.clone());
        for inner in [forgotten, same.named::<Admin>()] {
            let routes = Router::new().route("/", get(never)).layer(inner);
            let nested = Router::new().nest("/admin", routes.clone());
            for (app, path) in [(routes, "/"), (nested, "/admin")] {
                let app = app.layer(SessionLayer::new(outer.clone()));
                let request = Request::get(path).body(Body::empty()).expect("good");
                let response = app.oneshot(request).await.expect("a response");
                assert_eq!(response.status(), 500);
                assert!(response.headers().get("set-cookie").is_none());
            }
        }
    }
}

// R77
#[tokio::test]
async fn layers_on_separate_routes_with_one_cookie_name_are_refused() {
    async fn sign_in(session: Session) -> Result<(), Error> {
        session.sign_in("a shopper")
    }
    async fn subject(session: Session<Admin>) -> Result<String, Error> {
        Ok(session.subject()?.unwrap_or_default())
    }
    let name = Config::builder().cookie_name("__Host-separate").build();
    let name = name.expect("good");
    let shared = MemoryStore::new();
    for [shop, admin] in [
        [shared.clone(), shared],
        [MemoryStore::new(), MemoryStore::new()],
    ] {
        let shop = SessionLayer::new(shop).with_config(name.clone());
        let admin = SessionLayer::new(admin).with_config(name.clone());
        let shop = Router::new().route("/", get(sign_in)).layer(shop);
        let admin = Router::new()
            .route("/admin", get(subject))
            .layer(admin.named::<Admin>());
        let app = shop.merge(admin);
        let ask = |path, cookie: &str| {
            let request = Request::get(path).header("cookie", cookie);
            app.clone()
                .oneshot(request.body(Body::empty()).expect("good"))
        };
        let response = ask("/", "").await.expect("a response");
        let line = response.headers()["set-cookie"].to_str().expect("text");
        let response = ask("/admin", line).await.expect("a response");
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 1_000).await;
        let body = String::from_utf8(body.expect("a body").to_vec()).expect("text");
        assert_eq!(
            body.contains("ConfigBuilder::cookie_name"),
            cfg!(debug_assertions),
            "{body}"
        );
    }
}
