//! Sessions without a response, or shared by two layers.

use std::future::{pending, ready};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_memory::MemoryStore;
use cloakroom_tower::{Config, Session, SessionLayer, session};
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// A handler's handle in a task that outlives it.
type Kept = Arc<Mutex<Option<Session>>>;

async fn keep(kept: Kept, request: Request<()>) {
    let session: Session = session(&request).await.expect("the store is there");
    session.insert("n", 1).expect("the session is open");
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
}

fn is_closed(kept: &Kept) -> bool {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = kept.as_ref().expect("the handler ran").insert("n", 2);
    matches!(answer, Err(error) if error.to_string().contains("closed"))
}

// R63 / R64
#[tokio::test]
async fn the_session_of_a_cancelled_request_is_closed() {
    let kept = Kept::default();
    let handler = |request| {
        let kept = kept.clone();
        async move {
            keep(kept, request).await;
            pending::<Result<Response<String>, io::Error>>().await
        }
    };
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(MemoryStore::new()))
        .service(service_fn(handler));
    tokio::select! {
        biased;
        _ = service.oneshot(Request::new(())) => panic!("the handler does not answer"),
        () = ready(()) => {}
    }
    assert!(is_closed(&kept), "nobody would save it");
}

// R63 / R64
#[tokio::test]
async fn the_session_of_a_service_that_failed_is_closed() {
    let kept = Kept::default();
    let handler = |request| {
        let kept = kept.clone();
        async move {
            keep(kept, request).await;
            Err::<Response<String>, _>(io::Error::other("broken"))
        }
    };
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(MemoryStore::new()))
        .service(service_fn(handler));
    assert!(service.oneshot(Request::new(())).await.is_err());
    assert!(is_closed(&kept), "nobody would save it");
}

// Between two layers of the same cookie, and within both, there is one session.
#[tokio::test]
async fn two_layers_of_one_cookie_have_one_session() {
    let layer = SessionLayer::new(MemoryStore::new());
    let count = async |request: &Request<()>, name: &str| {
        let session: Session = session(request).await.expect("the store is there");
        let counted = session.update(name, |n: Option<u32>| n.unwrap_or(0) + 1);
        counted.expect("the session is open")
    };
    let handler = service_fn(async |request: Request<()>| {
        let both = [count(&request, "n").await, count(&request, "inner").await];
        Ok::<_, io::Error>(Response::new(format!("{both:?}")))
    });
    let inner = ServiceBuilder::new().layer(layer.clone()).service(handler);
    let between = service_fn(|request: Request<()>| {
        let inner = inner.clone();
        async move {
            count(&request, "n").await;
            inner.oneshot(request).await
        }
    });
    let outer = ServiceBuilder::new().layer(layer).service(between);
    let mut cookie = String::new();
    for seen in ["[2, 1]", "[4, 2]"] {
        let request = Request::builder().header("cookie", &cookie).body(());
        let response = outer.clone().oneshot(request.expect("valid")).await;
        let response = response.expect("an answer");
        assert_eq!(response.body(), seen);
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies.len(), usize::from(cookie.is_empty()));
        if let Some(line) = cookies.first().and_then(|line| line.to_str().ok()) {
            cookie = line.split(';').next().unwrap_or_default().to_owned();
        }
    }
}

/// The answer of two layers around a handler that must not be called.
async fn refusal<K: 'static, L: 'static>(
    outer: SessionLayer<MemoryStore, K>,
    inner: SessionLayer<MemoryStore, L>,
) -> Response<String> {
    let never = service_fn(
        async |_: Request<()>| -> Result<Response<String>, io::Error> {
            unreachable!("no handler is called")
        },
    );
    let service = ServiceBuilder::new()
        .layer(outer)
        .layer(inner)
        .service(never);
    service.oneshot(Request::new(())).await.expect("a response")
}

fn check_refusal(response: &Response<String>) {
    assert_eq!(response.status(), 500);
    assert!(response.headers().get("set-cookie").is_none());
    let text = response.body();
    assert_eq!(
        text.contains("ConfigBuilder::cookie_name"),
        cfg!(debug_assertions),
        "{text}"
    );
}

// R77
#[tokio::test]
async fn two_kinds_of_session_with_one_cookie_name_are_refused_before_the_first_answer() {
    struct Admin;
    struct Shop;
    let named = |name: &str| Config::builder().cookie_name(name).build().expect("good");
    let shared = MemoryStore::new();
    for [outer, inner] in [
        [shared.clone(), shared],
        [MemoryStore::new(), MemoryStore::new()],
    ] {
        let outer = || SessionLayer::new(outer.clone());
        let inner = || SessionLayer::new(inner.clone());
        // The name was forgotten.
        check_refusal(&refusal(outer(), inner().named::<Admin>()).await);
        check_refusal(&refusal(outer().named::<Admin>(), inner()).await);
        // Also where no other kind is around it: on another route there may be one.
        let own = || named("__Host-own");
        check_refusal(&refusal(outer().with_config(own()), inner().named::<Admin>()).await);
        // Both have the same name.
        for name in ["__Host-session", "__Host-s"] {
            let outer = || outer().with_config(named(name));
            let inner = || inner().with_config(named(name));
            check_refusal(&refusal(outer(), inner().named::<Admin>()).await);
            check_refusal(&refusal(outer().named::<Admin>(), inner()).await);
            check_refusal(&refusal(outer().named::<Admin>(), inner().named::<Shop>()).await);
            // A layer of another name between them.
            let between = SessionLayer::new(MemoryStore::new()).with_config(named("__Host-b"));
            let layers = ServiceBuilder::new()
                .layer(outer().named::<Admin>())
                .layer(between.named::<Kept>())
                .layer(inner().named::<Shop>());
            let never = async |_: Request<()>| -> Result<Response<String>, io::Error> {
                unreachable!("no handler is called")
            };
            let response = layers.service(service_fn(never)).oneshot(Request::new(()));
            check_refusal(&response.await.expect("a response"));
        }
    }
}

#[tokio::test]
async fn kinds_with_names_of_their_own_are_independent() {
    struct Admin;
    let config = Config::builder().cookie_name("__Host-admin").build();
    let admin = SessionLayer::new(MemoryStore::new()).with_config(config.expect("good"));
    let handler = service_fn(async |request: Request<()>| {
        let shop: Session = session(&request).await.expect("the store is there");
        let admin: Session<Admin> = session(&request).await.expect("the store is there");
        shop.insert("n", 1).expect("open");
        admin.sign_in("root").expect("open");
        Ok::<_, io::Error>(Response::new(String::new()))
    });
    let service = ServiceBuilder::new()
        .layer(admin.named::<Admin>())
        .layer(SessionLayer::new(MemoryStore::new()))
        .service(handler);
    let response = service.oneshot(Request::new(())).await.expect("a response");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
}

// The store of sessions in the cookie, without their envelope.
#[tokio::test]
async fn no_store_and_no_envelope_are_refused_before_the_first_answer() {
    let never = service_fn(
        async |_: Request<()>| -> Result<Response<String>, io::Error> {
            unreachable!("no handler is called")
        },
    );
    let layer = SessionLayer::new(cloakroom::NoStore);
    let service = ServiceBuilder::new().layer(layer).service(never);
    let response = service.oneshot(Request::new(())).await.expect("a response");
    assert_eq!(response.status(), 500);
    let text = response.body();
    assert_eq!(
        text.contains("ConfigBuilder::envelope"),
        cfg!(debug_assertions),
        "{text}"
    );
}
