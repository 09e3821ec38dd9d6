//! warp's own behaviour: rejections, and serving. The conformance suite has the rest.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use cloakroom_memory::MemoryStore;
use cloakroom_warp::{
    Config, Error, Layer as _, RequireSubject, Session, SessionLayer, attempt, attempt_named,
    named, recover, require_subject, session,
};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tower::{Service, ServiceExt as _};
use warp::http::{Request, StatusCode};
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

async fn answer<S>(service: S, path: &str) -> Response
where
    S: Service<Request<String>, Response = Response, Error = Infallible>,
{
    let request = Request::get(path).body(String::new()).unwrap();
    service.oneshot(request).await.unwrap()
}

#[derive(Debug)]
struct Closed;

impl warp::reject::Reject for Closed {}

async fn change_and_reject(session: Session) -> Result<String, Rejection> {
    session.insert("seen", true)?;
    Err(warp::reject::custom(Closed))
}

async fn closed(rejection: Rejection) -> Result<impl Reply, Rejection> {
    match rejection.find::<Closed>() {
        Some(_) => Ok(warp::reply::with_status("closed", StatusCode::FORBIDDEN)),
        None => Err(rejection),
    }
}

#[tokio::test]
async fn a_recovered_rejection_carries_the_cookie() {
    let routes = session().and_then(change_and_reject).recover(closed);
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    let response = answer(service, "/").await;
    assert_eq!(response.status(), 403);
    assert!(response.headers().contains_key("set-cookie"));
    assert_eq!(response.headers()["vary"], "cookie");
}

/// Rejects without an error of the server.
async fn change_and_leave(session: Session) -> Result<String, Rejection> {
    session.insert("seen", true)?;
    Err(warp::reject())
}

fn no_page(_: Rejection) -> std::future::Ready<Result<&'static str, Rejection>> {
    std::future::ready(Ok("no such page"))
}

#[tokio::test]
async fn changes_of_an_attempt_that_rejects_are_dropped() {
    let rejects = || attempt(session().and_then(change_and_leave));
    let or = warp::service(rejects().or(warp::any().map(|| "another")));
    let or_session = warp::service(rejects().or(session().map(keys)));
    let recovered = warp::service(rejects().recover(no_page));
    let closed = warp::service(attempt(session().and_then(change_and_reject)).recover(closed));
    let by_warp = warp::service(rejects());
    let inside = warp::service(warp::any().and(rejects()).or(session().map(keys)));
    let layer = || SessionLayer::new(MemoryStore::new());
    for response in [
        answer(layer().layer(or), "/").await,
        answer(layer().layer(or_session), "/").await,
        answer(layer().layer(recovered), "/").await,
        answer(layer().layer(closed), "/").await,
        answer(layer().layer(by_warp), "/").await,
        answer(layer().layer(inside), "/").await,
    ] {
        assert!(!response.headers().contains_key("set-cookie"));
        assert_eq!(response.headers()["vary"], "cookie");
    }
}

fn keys(session: Session) -> String {
    let keys = session.keys().unwrap();
    assert_eq!(keys, Vec::<String>::new());
    "none".to_owned()
}

#[tokio::test]
async fn changes_of_an_attempt_that_answers_are_saved() {
    let routes = attempt(session().map(|session: Session| {
        session.insert("seen", true).unwrap();
        "seen"
    }));
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    let response = answer(service, "/").await;
    assert!(response.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn an_attempt_that_wants_no_session_touches_none() {
    let routes = attempt(warp::path("here").map(|| "here")).or(warp::any().map(|| "there"));
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    assert!(
        answer(service.clone(), "/here")
            .await
            .headers()
            .get("vary")
            .is_none()
    );
    assert!(
        answer(service, "/there")
            .await
            .headers()
            .get("vary")
            .is_none()
    );
}

#[tokio::test]
async fn an_attempt_is_one_of_its_own_session() {
    struct Admin;
    let change = |session: Session, admin: Session<Admin>| async move {
        session.insert("seen", true).unwrap();
        admin.insert("seen", true).unwrap();
        Err::<&str, _>(warp::reject())
    };
    let both = session().and(named::<Admin>()).and_then(change);
    let routes = attempt_named::<Admin, _, _>(both).or(warp::any().map(|| "another"));
    let config = Config::builder().cookie_name("__Host-admin").build();
    let admin = SessionLayer::new(MemoryStore::new()).with_config(config.unwrap());
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    let response = answer(admin.named::<Admin>().layer(service), "/").await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
}

#[tokio::test]
async fn an_unhandled_rejection_changes_nothing() {
    let routes = session().and_then(change_and_reject);
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    let response = answer(service, "/").await;
    assert_eq!(response.status(), 500);
    assert!(!response.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn a_route_that_rejects_before_the_session_touches_none() {
    let routes = warp::path("here").and(session()).map(|_| "here");
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    let response = answer(service, "/elsewhere").await;
    assert_eq!(response.status(), 404);
    assert!(response.headers().is_empty());
}

#[tokio::test]
async fn a_filter_without_its_layer_is_an_error_of_the_server() {
    let routes = session().map(|_| "never").recover(recover);
    let response = answer(warp::service(routes), "/").await;
    assert_eq!(response.status(), 500);
}

#[tokio::test]
async fn serving_ends_on_a_signal_after_the_last_response() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (arrived, handling) = oneshot::channel();
    let arrived = Arc::new(Mutex::new(Some(arrived)));
    let (stop, stopped) = oneshot::channel::<()>();
    let gate = Arc::new(Notify::new());
    let routes = warp::any().then({
        let gate = Arc::clone(&gate);
        move || {
            let (gate, arrived) = (Arc::clone(&gate), arrived.lock().unwrap().take());
            async move {
                let _ = arrived.map(|arrived| arrived.send(()));
                gate.notified().await;
                "the last answer"
            }
        }
    });
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    let server = tokio::spawn(cloakroom_warp::serve(listener, service, async {
        let _ = stopped.await;
    }));
    let client = tokio::spawn(reqwest::get(format!("http://{address}/")));
    handling.await.unwrap();
    stop.send(()).unwrap();
    gate.notify_one();
    let answer = client.await.unwrap().unwrap().text().await.unwrap();
    assert_eq!(answer, "the last answer");
    server.await.unwrap().unwrap();
}

// R11: warp shows the client the `Debug` form of unhandled rejections.
#[test]
fn the_debug_form_hides_the_internals() {
    let inside = cloakroom::StoreError::transient("redis", "10.0.0.7 refused the connection");
    let error = Error::from(inside);
    assert_eq!(error.status(), 503);
    assert!(error.to_string().contains("redis"), "{error}");
    let shown = format!("{:?}", warp::Rejection::from(error));
    assert!(
        !shown.contains("10.0.0.7") && !shown.contains("redis"),
        "{shown}"
    );
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
            let never = warp::any().map(|| -> &str { unreachable!("no route is called") });
            let service = inner.layer(warp::service(never));
            let response = answer(SessionLayer::new(outer.clone()).layer(service), "/").await;
            assert_eq!(response.status(), 500);
            assert!(!response.headers().contains_key("set-cookie"));
        }
    }
}

// R84
#[tokio::test]
async fn a_guard_asks_for_a_level() {
    async fn sign_in(session: Session) -> Result<&'static str, Error> {
        session.sign_in_with("ada", &cloakroom::Authentication::new(1))?;
        Ok("signed in")
    }
    let page = |level| {
        let guard = RequireSubject::unauthorized().level(level);
        warp::path("page")
            .and(require_subject(guard))
            .map(|| "a page")
    };
    for (level, wanted) in [(1, 200), (2, 403)] {
        let routes = warp::path("sign-in")
            .and(session())
            .then(sign_in)
            .or(page(level))
            .recover(recover);
        let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
        let signed_in = answer(service.clone(), "/sign-in").await;
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let request = Request::get("/page").header("cookie", cookie);
        let response = service
            .clone()
            .oneshot(request.body(String::new()).unwrap());
        assert_eq!(response.await.unwrap().status(), wanted);
        assert_eq!(answer(service, "/page").await.status(), 401);
    }
}
