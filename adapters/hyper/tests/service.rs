//! hyper's own behaviour. The conformance suite has the rest.

use std::convert::Infallible;

use cloakroom_hyper::{Config, Error, Session, SessionLayer, SessionService, session};
use cloakroom_memory::MemoryStore;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};

async fn count(request: Request<String>) -> Result<Response<String>, Infallible> {
    let answer = async {
        let session: Session = session(&request).await?;
        let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
        Ok::<_, Error>(Response::new(visits.to_string()))
    };
    Ok(answer.await.unwrap_or_else(Response::from))
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
    let text = response.into_body();
    assert!(text.starts_with("Something went wrong with your session."));
    assert_eq!(text.contains("SessionService"), cfg!(debug_assertions));
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

// R77
#[tokio::test]
async fn two_kinds_of_session_with_one_cookie_name_are_refused_before_the_first_answer() {
    struct Admin;
    let name = Config::builder().cookie_name("__Host-session").build();
    let same = name.unwrap();
    let shared = MemoryStore::new();
    for [outer, inner] in [
        [shared.clone(), shared],
        [MemoryStore::new(), MemoryStore::new()],
    ] {
        let forgotten = SessionLayer::new(inner.clone()).named::<Admin>();
        let same = SessionLayer::new(inner).with_config(same.clone());
        for inner in [forgotten, same.named::<Admin>()] {
            let never = async |_: Request<String>| -> Result<Response<String>, Infallible> {
                unreachable!("no handler is called")
            };
            let service = SessionService::new(service_fn(never), inner);
            let service = SessionService::new(service, SessionLayer::new(outer.clone()));
            let response = service.call(Request::new(String::new())).await.unwrap();
            assert_eq!(response.status(), 500);
            let text = response.into_body();
            assert_eq!(
                text.contains("ConfigBuilder::cookie_name"),
                cfg!(debug_assertions),
                "{text}"
            );
        }
    }
}
