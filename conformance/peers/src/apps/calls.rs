//! Counts the libraries' store calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom_memory::MemoryStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use poem::session::{MemoryStorage, SessionStorage};
use serde_json::Value;
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionStore, session_store};

static CALLS: AtomicU64 = AtomicU64::new(0);

pub fn so_far() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

pub fn one() {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

#[derive(Clone, Debug, Default)]
pub struct Counted<S>(pub S);

impl<S> Counted<S> {
    fn inner(&self) -> &S {
        one();
        &self.0
    }
}

impl Store for Counted<MemoryStore> {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner().load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.inner().create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.inner().replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.inner().touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.inner().delete(key, old).await
    }
}

#[async_trait::async_trait]
impl SessionStore for Counted<tower_sessions::MemoryStore> {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.inner().create(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.inner().save(record).await
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        self.inner().load(id).await
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.inner().delete(id).await
    }
}

impl SessionStorage for Counted<MemoryStorage> {
    async fn load_session(&self, id: &str) -> poem::Result<Option<BTreeMap<String, Value>>> {
        self.inner().load_session(id).await
    }

    async fn update_session(
        &self,
        id: &str,
        entries: &BTreeMap<String, Value>,
        expires: Option<Duration>,
    ) -> poem::Result<()> {
        self.inner().update_session(id, entries, expires).await
    }

    async fn remove_session(&self, id: &str) -> poem::Result<()> {
        self.inner().remove_session(id).await
    }
}
