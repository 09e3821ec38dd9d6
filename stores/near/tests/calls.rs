//! The calls that a cache makes to the store behind it, through every wrapper of the contract.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::{Directive, Sessions};
use cloakroom_conformance::instrumented::{Control, Instrumented, Operation};
use cloakroom_memory::MemoryStore;
use cloakroom_near::Near;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, SharedDirectory, SharedStore, Store, StoreError, Stored,
    Touched, UnixTime, Write,
};

/// A cache whose clock stands still, over a store that counts.
fn near() -> (Near<Instrumented<MemoryStore>>, Control) {
    let (store, control) = counted();
    (cached(store), control)
}

fn counted() -> (Instrumented<MemoryStore>, Control) {
    let store = Instrumented::new(MemoryStore::new());
    let control = store.control();
    (store, control)
}

fn cached<S: Store>(store: S) -> Near<S> {
    Near::builder(store)
        .clocks(|| Duration::ZERO, SystemTime::now)
        .build()
}

fn key() -> Key {
    Key::new("session:1").expect("a key")
}

fn write(bytes: &'static str) -> Write {
    Write::new(bytes, UnixTime::MAX, None)
}

fn log(control: &Control) -> Vec<String> {
    control.log().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn ten_reads_cost_one_load_and_ten_increments_ten_replaces() {
    let (store, control) = near();
    let sessions = Sessions::new(store.clone());
    let ((), created) = sessions
        .with(None, |session| session.insert("count", 0))
        .await
        .expect("no fault");
    let Directive::Issue(issued) = created.directive else {
        panic!("a new session");
    };
    let token = issued.token.expose();
    store.clear();
    control.reset();
    for _ in 0..10 {
        let read = sessions.with(Some(token), |session| session.get::<u64>("count"));
        assert_eq!(read.await.expect("no fault").0, Some(0));
    }
    assert_eq!(log(&control), ["load 0: found"]);
    control.reset();
    for _ in 0..10 {
        let added = sessions.with(Some(token), |session| {
            session.update("count", |count: Option<u64>| count.unwrap_or(0) + 1)
        });
        added.await.expect("no fault");
    }
    assert_eq!(control.count(Operation::Load), 0);
    assert_eq!(control.count(Operation::Replace), 10);
}

#[tokio::test]
async fn a_small_cache_keeps_a_record_that_is_nearly_as_large() {
    let (store, control) = counted();
    let near = Near::builder(store)
        .max_bytes(128 << 10)
        .clocks(|| Duration::ZERO, SystemTime::now)
        .build();
    let large = Write::new(vec![7; 100 << 10], UnixTime::MAX, None);
    near.create(&key(), &large).await.expect("no fault");
    for _ in 0..3 {
        let record = near.load(&key()).await.expect("no fault");
        assert_eq!(record.expect("there").bytes.len(), 100 << 10);
    }
    assert_eq!(control.count(Operation::Load), 0);
}

/// Each wrapper passes on what the cache needs.
async fn through(store: impl Store, control: &Control) {
    let key = key();
    store.create(&key, &write("one")).await.expect("no fault");
    let one = store.load(&key).await.expect("no fault").expect("there");
    let two = write("two");
    let answer = store.replace(&key, &one, &two).await.expect("no fault");
    assert_eq!(answer, Replaced::Stored);
    let two = store.load(&key).await.expect("no fault").expect("there");
    // The version that memory has for it is the store's.
    let fresh = store.load_fresh(&key).await.expect("no fault");
    assert_eq!(Some(&two), fresh.as_ref());
    let answer = store.delete(&key, &two).await.expect("no fault");
    assert_eq!(answer, Deleted::Deleted);
    assert_eq!(
        log(control),
        [
            "create 0: Stored",
            "replace 0: Stored",
            "load 0: found",
            "delete 0: Deleted"
        ]
    );
}

#[tokio::test]
async fn wrappers_around_the_cache_pass_reloads_on() {
    let (store, control) = near();
    through(store, &control).await;
    let (store, control) = near();
    through(Arc::new(store), &control).await;
    let (store, control) = near();
    through(SharedStore::new(store), &control).await;
    let (store, control) = near();
    through(SharedDirectory::new(store), &control).await;
    let (store, control) = near();
    through(Instrumented::new(store), &control).await;
}

#[tokio::test]
async fn wrappers_behind_the_cache_pass_versions_on() {
    let (store, control) = counted();
    through(cached(Arc::new(store)), &control).await;
    let (store, control) = counted();
    through(cached(SharedStore::new(store)), &control).await;
    let (store, control) = counted();
    through(cached(SharedDirectory::new(store)), &control).await;
    let (store, control) = counted();
    through(cached(cached(store)), &control).await;
}

/// A store that returns no versions, as one that others wrote.
struct Plain(Instrumented<MemoryStore>);

impl Store for Plain {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.0.load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.0.create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.0.replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.0.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.0.delete(key, old).await
    }
}

#[tokio::test]
async fn without_versions_a_load_after_a_write_asks_the_store() {
    let (store, control) = counted();
    let (near, key) = (cached(Plain(store)), key());
    near.create(&key, &write("one")).await.expect("no fault");
    let one = near.load(&key).await.expect("no fault").expect("there");
    let two = write("two");
    near.replace(&key, &one, &two).await.expect("no fault");
    for _ in 0..2 {
        let found = near.load(&key).await.expect("no fault").expect("there");
        assert_eq!(found.bytes, two.bytes);
    }
    assert_eq!(
        log(&control),
        [
            "create 0: Stored",
            "load 0: found",
            "replace 0: Stored",
            "load 0: found"
        ]
    );
}
