//! What is hyper's own. All else is in the conformance suite.

use std::convert::Infallible;

use cloakroom_hyper::{Error, Session, SessionLayer, SessionService, session};
use cloakroom_memory::MemoryStore;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};

async fn count(request: Request<String>) -> Result<Response<String>, Infallible> {
    let answer = async {
        let session: Session = session(&request).await?;
        let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
        Ok::<_, Error>(Response::new(visits.to_string()))
    };
    Ok(answer.await.unwrap_or_else(Error::into_response))
}

#[tokio::test]
async fn a_clone_for_another_connection_has_the_same_sessions() {
    let one = SessionService::new(service_fn(count), SessionLayer::new(MemoryStore::new()));
    let other = one.clone();
    let response = one.call(Request::new(String::new())).await.unwrap();
    assert_eq!(response.body(), "1");
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let pair = cookie.split(';').next().unwrap();
    let request = Request::get("/").header("cookie", pair);
    let response = other.call(request.body(String::new()).unwrap()).await;
    assert_eq!(response.unwrap().body(), "2");
}

#[tokio::test]
async fn a_service_without_sessions_around_it_is_an_error_of_the_server() {
    let response = count(Request::new(String::new())).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.body(), "Something went wrong with your session.");
}

// By mistake, or because a part of an application brings its own.
#[tokio::test]
async fn of_two_services_of_the_same_cookie_the_outer_one_has_the_session() {
    let (inside, outside) = (MemoryStore::new(), MemoryStore::new());
    let inner = SessionService::new(service_fn(count), SessionLayer::new(inside.clone()));
    let both = SessionService::new(inner, SessionLayer::new(outside.clone()));
    let response = both.call(Request::new(String::new())).await.unwrap();
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 1);
    assert_eq!(response.headers().get_all("vary").iter().count(), 1);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let pair = cookie.split(';').next().unwrap();
    let request = Request::get("/").header("cookie", pair);
    let response = both.call(request.body(String::new()).unwrap()).await;
    assert_eq!(response.unwrap().body(), "2");
    assert_eq!((inside.entries(), outside.entries()), (0, 1));
}
