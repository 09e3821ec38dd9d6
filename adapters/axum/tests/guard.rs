//! The guard for signed-in visitors around nested routers.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use cloakroom_axum::{RequireSubject, SessionLayer};
use cloakroom_memory::MemoryStore;
use tower::ServiceExt as _;

async fn never() -> String {
    unreachable!("no handler is called")
}

// R85: axum takes the prefix off before a layer of the nested router sees the request.
#[tokio::test]
async fn a_guard_around_a_nested_router_returns_to_the_whole_path() {
    let guard = RequireSubject::redirect_to("/sign-in");
    let orders = || Router::new().route("/orders", get(never));
    let around = Router::new().nest("/shop", orders()).route_layer(guard);
    let inside = Router::new().nest("/shop", orders().route_layer(guard));
    for (app, next) in [(around, "%2Fshop%2Forders"), (inside, "%2Forders")] {
        let app = app.layer(SessionLayer::new(MemoryStore::new()));
        let request = Request::get("/shop/orders?page=2").body(Body::empty());
        let response = app.oneshot(request.expect("good")).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 303);
        let wanted = format!("/sign-in?next={next}%3Fpage%3D2");
        assert_eq!(response.headers()["location"], *wanted);
    }
}
