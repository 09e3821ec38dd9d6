//! A failed save is in the log. `tracing` caches for the whole process whether somebody listens, so
//! this test has a process of its own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use cloakroom_tower::{Session, SessionLayer, session};
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt, service_fn};

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
    let handler = |request: Request<()>| async move {
        let session: Session = session(&request)
            .await
            .expect("a new session needs no store");
        session.insert("n", 1).expect("the session is open");
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
