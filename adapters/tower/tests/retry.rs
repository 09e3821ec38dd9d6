//! Layers between the session's layer and the handler that answer a request more than once.

use std::convert::Infallible;
use std::future::{Future as _, Ready, ready};

use cloakroom_memory::MemoryStore;
use cloakroom_store::Enumerate as _;
use cloakroom_tower::{Error, Session, SessionLayer, grpc_failed, session};
use http::header::SET_COOKIE;
use http::{Request, Response, StatusCode};
use tower::retry::{Policy, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Change = fn(&Session) -> Result<(), Error>;
type Answer = Result<Response<String>, Infallible>;

/// Repeats a request whose response is 503. The handler sees the number of the attempt in its body.
#[derive(Clone)]
struct Unavailable;

impl Policy<Request<u32>, Response<String>, Infallible> for Unavailable {
    type Future = Ready<()>;

    fn retry(&mut self, request: &mut Request<u32>, answer: &mut Answer) -> Option<Ready<()>> {
        let Ok(response) = answer else { return None };
        *request.body_mut() += 1;
        (response.status() == 503).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<u32>) -> Option<Request<u32>> {
        Some(request.clone())
    }
}

/// Fails once, after this change. The second attempt is the answer.
async fn fails_once(
    request: Request<u32>,
    change: impl Fn(&Session) -> Result<(), Error>,
    wants_session: bool,
) -> Result<Response<String>, Error> {
    let mut response = Response::new(String::new());
    if *request.body() == 0 {
        change(&session(&request).await?)?;
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    } else if wants_session {
        let session: Session = session(&request).await?;
        *response.body_mut() = format!("{:?} {:?}", session.subject()?, session.keys()?);
    }
    Ok(response)
}

async fn send(change: Change, wants_session: bool) -> Response<String> {
    let handler = service_fn(move |request| async move {
        let answer = fails_once(request, change, wants_session).await;
        Ok::<_, Infallible>(answer.unwrap_or_else(Response::from))
    });
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(MemoryStore::new()))
        .layer(RetryLayer::new(Unavailable))
        .service(handler);
    let Ok(response) = service.oneshot(Request::new(0)).await;
    response
}

// I10
#[tokio::test]
async fn a_repeated_request_drops_the_changes_of_its_failed_attempt() {
    let changes: [Change; 3] = [
        |session| session.sign_in("eve"),
        |session| session.insert("half", "done"),
        |session| session.csrf_token().map(drop),
    ];
    for change in changes {
        for wants_session in [true, false] {
            let response = send(change, wants_session).await;
            assert!(response.status().is_server_error(), "{response:?}");
            assert_eq!(response.headers().get(SET_COOKIE), None);
            let text = response.body();
            assert!(
                cfg!(not(debug_assertions)) || text.contains("copied this request"),
                "{text}"
            );
        }
    }
}

// I10
#[tokio::test]
async fn a_request_whose_failed_attempt_only_read_is_repeated() {
    let response = send(|session| session.subject().map(drop), true).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), "None []");
}

// I10
#[tokio::test]
async fn outside_of_the_sessions_layer_each_attempt_has_a_session_of_its_own() {
    let handler = service_fn(|request| async {
        let answer = fails_once(request, |session| session.sign_in("eve"), true).await;
        Ok::<_, Infallible>(answer.unwrap_or_else(Response::from))
    });
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(Unavailable))
        .layer(SessionLayer::new(MemoryStore::new()))
        .service(handler);
    let Ok(response) = service.oneshot(Request::new(0)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), "None []");
}

// I10, for gRPC, whose errors have the status 200
#[tokio::test]
async fn a_response_that_the_application_calls_a_failure_changes_nothing() {
    for (status, saved) in [("0", true), ("13", false)] {
        let handler = service_fn(move |request: Request<()>| async move {
            let session: Session = session(&request).await?;
            session.insert("n", 1)?;
            let mut response = Response::new(String::new());
            let status = http::HeaderValue::from_static(status);
            response.headers_mut().insert("grpc-status", status);
            Ok::<_, Error>(response)
        });
        let layer = SessionLayer::new(MemoryStore::new()).failed_if(grpc_failed);
        let mut service = layer.layer(handler);
        let response = service
            .ready()
            .await
            .unwrap()
            .call(Request::new(()))
            .await
            .unwrap();
        assert_eq!(
            response.headers().contains_key(SET_COOKIE),
            saved,
            "grpc-status {status}"
        );
    }
}

/// Sends a request twice at once, and answers with what the second attempt answers. The first one
/// ends before or after it, or is dropped.
async fn hedged(end: First, change: Change) -> (Response<String>, MemoryStore) {
    let store = MemoryStore::new();
    let handler = service_fn(move |request: Request<u32>| async move {
        let attempt = async {
            let session: Session = session(&request).await?;
            // Both have their session before either changes it.
            tokio::task::yield_now().await;
            if *request.body() == 0 {
                change(&session)?;
            }
            tokio::task::yield_now().await;
            session.insert("second", *request.body())?;
            Ok::<_, Error>(Response::new("done".to_owned()))
        };
        Ok::<_, Infallible>(attempt.await.unwrap_or_else(Response::from))
    });
    let hedge = tower::layer::layer_fn(move |handler| {
        service_fn(move |request: Request<u32>| async move {
            let mut copy = request.clone();
            *copy.body_mut() = 1;
            let call = |request| ServiceExt::oneshot(handler, request);
            let (first, second) = (call(request), call(copy));
            match end {
                First::Loses => {
                    let mut second = std::pin::pin!(second);
                    let mut first = std::pin::pin!(first);
                    let mut is_over = false;
                    std::future::poll_fn(|context| {
                        // Both make progress, in turns.
                        is_over = is_over || first.as_mut().poll(context).is_ready();
                        second.as_mut().poll(context)
                    })
                    .await
                }
                First::Ends => tokio::join!(first, second).1,
                First::Wins => tokio::join!(second, first).0,
            }
        })
    });
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(store.clone()))
        .layer(hedge)
        .service(handler);
    let Ok(response) = service.oneshot(Request::new(0)).await;
    (response, store)
}

/// The end of the first of two attempts at once.
#[derive(Clone, Copy, Debug)]
enum First {
    Loses,
    Ends,
    Wins,
}

// I10
#[tokio::test]
async fn of_two_attempts_at_once_neither_keeps_the_changes_of_the_other() {
    let changes: [Change; 3] = [
        |session| session.sign_in("eve"),
        |session| session.insert("half", "done"),
        |session| session.csrf_token().map(drop),
    ];
    for change in changes {
        for end in [First::Loses, First::Ends, First::Wins] {
            let (response, store) = hedged(end, change).await;
            assert!(response.status().is_server_error(), "{end:?}: {response:?}");
            assert_eq!(response.headers().get(SET_COOKIE), None, "{end:?}");
            let page = store.enumerate(None, 16).await.unwrap();
            assert!(page.records.is_empty(), "{end:?}");
        }
    }
}
