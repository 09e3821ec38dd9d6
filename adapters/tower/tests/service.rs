//! What becomes of a session whose request has no answer, or whose changes could not be saved, or that two layers share.

use std::future::{pending, ready};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_memory::MemoryStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use cloakroom_tower::{Error, Session, SessionLayer};
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// What a handler gave to a task that outlives it.
type Kept = Arc<Mutex<Option<Session>>>;

async fn keep(kept: Kept, request: Request<()>) {
    let session: &Session = request.extensions().get().expect("the layer is there");
    session.load().await.expect("the store is there");
    session.insert("n", 1).expect("the session is open");
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
}

fn is_closed(kept: &Kept) -> bool {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = kept.as_ref().expect("the handler ran").insert("n", 2);
    matches!(answer.map_err(Error::from), Err(error) if error.to_string().contains("closed"))
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

/// A store that is away.
struct Away;

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::transient("example", "the cable is cut"))
}

impl Store for Away {
    async fn load(&self, _: &Key) -> Result<Option<Stored>, StoreError> {
        away()
    }

    async fn create(&self, _: &Key, _: &Write) -> Result<Created, StoreError> {
        away()
    }

    async fn replace(&self, _: &Key, _: &Stored, _: &Write) -> Result<Replaced, StoreError> {
        away()
    }

    async fn touch(&self, _: &Key, _: UnixTime) -> Result<Touched, StoreError> {
        away()
    }

    async fn delete(&self, _: &Key, _: &Stored) -> Result<Deleted, StoreError> {
        away()
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn held(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// R54
#[tokio::test]
async fn changes_that_could_not_be_saved_are_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let handler = |request| async move {
        keep(Kept::default(), request).await;
        Ok::<_, io::Error>(Response::new(String::new()))
    };
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(Away))
        .service(service_fn(handler));
    let answer = service.oneshot(Request::new(())).await.expect("an answer");
    assert_eq!(answer.status(), 503);
    let log = String::from_utf8_lossy(&log.held()).into_owned();
    assert!(log.contains("the cable is cut"), "{log}");
}

// Between two layers of the same cookie, and within both, there is one session.
#[tokio::test]
async fn two_layers_of_one_cookie_have_one_session() {
    let layer = SessionLayer::new(MemoryStore::new());
    let count = async |request: &Request<()>, name: &str| {
        let session: &Session = request.extensions().get().expect("the layer is there");
        session.load().await.expect("the store is there");
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
