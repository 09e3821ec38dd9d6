//! `Sessions::with_feed`: a store announces what other processes end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::{
    Ended, Ending, Feed, Session, Sessions, SharedDirectory, SharedStore, Store, StoreError,
};
use cloakroom_conformance::Tally;
use cloakroom_memory::MemoryStore;
use cloakroom_redis::RedisStore;
use cloakroom_servers::redis::{Redis, execute};
use cloakroom_servers::say;
use cloakroom_store::{
    Created, Deleted, Hint, Hints as _, Key, Replaced, SharedHints, Stored, Touched, UnixTime,
    Write,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const LEASE: Duration = Duration::from_secs(30);

/// The first session is looked at again after 14 s, by its number.
const FAR_BELOW: Duration = Duration::from_secs(10);

async fn signed_in<S: Store>(sessions: &Sessions<S>) -> String {
    let done = sessions.with(None, |session| session.sign_in("ada")).await;
    match done.unwrap().1.directive {
        cloakroom::Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn watched<S: Store>(sessions: &Sessions<S>, token: &str) -> JoinHandle<Ended> {
    let session: Session = sessions.session([token.as_bytes()]);
    session.load().await.unwrap();
    let ending: Ending = session.ended();
    tokio::spawn(async move { ending.await.unwrap() })
}

async fn sign_out<S: Store>(sessions: &Sessions<S>, token: &str) {
    let done = sessions.with(Some(token), |session| {
        session.sign_out();
        Ok(())
    });
    done.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn memory_announces_at_once() {
    let store = MemoryStore::new();
    let here = Sessions::new(store.clone()).with_feed().with_lease(LEASE);
    let there = Sessions::new(store);
    let token = signed_in(&here).await;
    let ended = watched(&here, &token).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let before = Instant::now();
    sign_out(&there, &token).await;
    assert_eq!(ended.await.unwrap(), Ended::Gone);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_its_type_announces_as_it_did() {
    let store = MemoryStore::new();
    let here = SharedDirectory::with_feed(store.clone());
    let here = Sessions::new(here).with_feed().with_lease(LEASE);
    let there = Sessions::new(SharedStore::with_feed(store));
    let token = signed_in(&here).await;
    let ended = watched(&here, &token).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let before = Instant::now();
    sign_out(&there, &token).await;
    assert_eq!(ended.await.unwrap(), Ended::Gone);
    assert_eq!(before.elapsed(), Duration::ZERO);
    let silent = SharedStore::new(MemoryStore::new()).listen().await;
    assert!(!silent.unwrap_err().is_transient());
}

/// A store that refuses to announce.
struct Refusing {
    store: MemoryStore,
    is_transient: bool,
    refused: Arc<AtomicUsize>,
}

impl Store for Refusing {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.store.load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.store.create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.store.replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.store.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.store.delete(key, old).await
    }
}

impl Feed for Refusing {
    type Hints = SharedHints;

    async fn listen(&self) -> Result<SharedHints, StoreError> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(match self.is_transient {
            true => StoreError::transient("refusing", "not now"),
            false => StoreError::permanent("refusing", "never"),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_for_good_is_asked_once_a_minute() {
    for (is_transient, times) in [(false, 6..7), (true, 2_300..2_420)] {
        let refused = Arc::new(AtomicUsize::new(0));
        let store = Refusing {
            store: MemoryStore::new(),
            is_transient,
            refused: Arc::clone(&refused),
        };
        let here = Sessions::new(store).with_feed();
        let token = signed_in(&here).await;
        let ended = watched(&here, &token).await;
        tokio::time::sleep(Duration::from_secs(301)).await;
        let asked = refused.load(Ordering::Relaxed);
        assert!(times.contains(&asked), "{asked}");
        assert!(!ended.is_finished());
    }
}

#[tokio::test]
async fn a_slow_listener_to_memory_hears_that_it_lost_something() {
    let store = MemoryStore::new();
    let mut hints = store.listen().await.unwrap();
    let key = |number| Key::new(&format!("session:{number}")).unwrap();
    for number in 0..5_000 {
        let write = Write::new("a coat", UnixTime::MAX, None);
        store.create(&key(number), &write).await.unwrap();
        let there = store.load(&key(number)).await.unwrap().unwrap();
        store.delete(&key(number), &there).await.unwrap();
    }
    assert_eq!(hints.next().await, Some(Hint::Lost));
    assert_eq!(hints.next().await, Some(Hint::Removed(key(4_097))));
}

/// A server, or `None` where there is none to start.
fn redis() -> Option<Redis> {
    match Redis::start() {
        Ok(server) => Some(server),
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
            assert!(!Tally::all_required(), "{error}");
            say(format_args!("skipped feed[redis]: {error}"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn store(server: &Redis, prefix: &str) -> RedisStore {
    let url = server.admin();
    let builder = RedisStore::builder(&url).prefix(prefix);
    builder.announce_ends().connect().await.unwrap()
}

#[tokio::test]
async fn redis_announces_to_another_process_also_after_its_connections_broke() {
    let Some(server) = redis() else { return };
    let here = Sessions::new(store(&server, "a:").await)
        .with_feed()
        .with_lease(LEASE);
    let there = Sessions::new(store(&server, "a:").await);
    // Another application on the server.
    let mut others = store(&server, "b:").await.listen().await.unwrap();
    let mut own = there.store().listen().await.unwrap();
    for broken in [false, true] {
        let token = signed_in(&here).await;
        let ended = watched(&here, &token).await;
        if broken {
            execute(&server.admin(), "CLIENT KILL TYPE pubsub").unwrap_or_default();
            assert_eq!(own.next().await, None);
        }
        sign_out(&there, &token).await;
        let ended = timeout(FAR_BELOW, ended).await.expect("an announcement");
        assert_eq!(ended.unwrap(), Ended::Gone);
        if !broken {
            assert!(matches!(own.next().await, Some(Hint::Removed(_))));
        }
    }
    assert_eq!(
        others.next().await,
        None,
        "nothing but the end of its connection"
    );
}

#[tokio::test]
async fn the_permissions_to_announce_are_tried_at_the_start_and_are_enough() {
    let Some(server) = redis() else { return };
    let url = server.store_url(server.server());
    let prefix = server.prefix("feed");
    let connect = || {
        let builder = RedisStore::builder(&url).prefix(&prefix);
        builder.announce_ends().connect()
    };
    let error = connect().await.unwrap_err();
    let text = error.to_string();
    assert!(!error.is_transient() && text.contains("publish"), "{text}");

    let allow = format!("ACL SETUSER sessions &{prefix}ended +publish +subscribe");
    execute(&server.admin(), &allow).unwrap();
    let here = Sessions::new(connect().await.unwrap())
        .with_feed()
        .with_lease(LEASE);
    let there = Sessions::new(connect().await.unwrap());
    let token = signed_in(&here).await;
    let mut hints = here.store().listen().await.unwrap();
    let ended = watched(&here, &token).await;
    sign_out(&there, &token).await;
    assert!(matches!(hints.next().await, Some(Hint::Removed(_))));
    let ended = timeout(FAR_BELOW, ended).await.expect("an announcement");
    assert_eq!(ended.unwrap(), Ended::Gone);
}

#[tokio::test]
async fn a_store_that_does_not_announce_is_an_error() {
    let Some(server) = redis() else { return };
    let url = server.admin();
    let store = RedisStore::connect(&url).await.unwrap();
    let error = store.listen().await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("announce_ends"));

    // The looks go on.
    let here = Sessions::new(store)
        .with_feed()
        .with_lease(Duration::from_millis(100));
    let there = Sessions::new(RedisStore::connect(&url).await.unwrap());
    let token = signed_in(&here).await;
    let ended = watched(&here, &token).await;
    sign_out(&there, &token).await;
    assert_eq!(ended.await.unwrap(), Ended::Gone);
}
