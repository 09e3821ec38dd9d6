//! One client's view of a node's store. It records the client's operations, so that a failure can
//! be traced.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, SharedStore, Store, StoreError, Stored, Touched, UnixTime,
    Write,
};

#[derive(Clone)]
pub(super) struct Traced {
    store: SharedStore,
    steps: Arc<Mutex<Vec<Step>>>,
}

/// A store operation and its answer.
#[derive(Clone, Debug)]
pub(super) struct Step {
    operation: &'static str,
    /// The end of the key: enough to tell one record of a history from another.
    key: String,
    /// `None`: an error, so that whether it happened is unknown.
    answer: Option<String>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            key,
            answer,
        } = self;
        let answer = answer.as_deref().unwrap_or("✗");
        write!(f, "{operation} …{key}: {answer}")
    }
}

impl Traced {
    pub(super) fn new(store: SharedStore) -> Self {
        Self {
            store,
            steps: Arc::default(),
        }
    }

    /// Returns the operations since the last call.
    pub(super) fn take(&self) -> Vec<Step> {
        std::mem::take(&mut self.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note<T: fmt::Debug>(
        &self,
        operation: &'static str,
        key: &Key,
        answer: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.note_as(operation, key, answer, |answer| format!("{answer:?}"))
    }

    fn note_as<T>(
        &self,
        operation: &'static str,
        key: &Key,
        answer: Result<T, StoreError>,
        tell: impl Fn(&T) -> String,
    ) -> Result<T, StoreError> {
        let key = key.as_str();
        let step = Step {
            operation,
            key: key[key.len().saturating_sub(4)..].to_owned(),
            answer: answer.as_ref().ok().map(tell),
        };
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.push(step);
        answer
    }
}

impl Store for Traced {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let tell = |found: &Option<Stored>| match found {
            Some(stored) => format!("{} bytes", stored.bytes.len()),
            None => "nothing".to_owned(),
        };
        self.note_as("load", key, self.store.load(key).await, tell)
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.note("create", key, self.store.create(key, write).await)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.note("replace", key, self.store.replace(key, old, write).await)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.note("touch", key, self.store.touch(key, expires_at).await)
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.note("delete", key, self.store.delete(key, old).await)
    }
}
