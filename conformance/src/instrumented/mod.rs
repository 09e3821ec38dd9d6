//! A store that logs its operations, and fails, loses replies and waits on command.
//!
//! For tests of code that uses a store. A race that happens once in a million requests happens
//! every time, because the test decides when each operation continues. Nothing sleeps.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/map_store.rs"));
//! use cloakroom_conformance::instrumented::{Instrumented, Operation};
//! use cloakroom_store::{Key, Store, UnixTime, Write};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let store = Arc::new(Instrumented::new(MapStore::new(Default::default())));
//! let control = store.control();
//! let (key, write) = (
//!     Key::new("session:1").unwrap(),
//!     Write::new("value", UnixTime::MAX, None),
//! );
//!
//! // The record is written and the answer held back. Another request acts.
//! let gate = control.on(Operation::Create).pause_after();
//! let slow = tokio::spawn({
//!     let (store, key, write) = (Arc::clone(&store), key.clone(), write.clone());
//!     async move { store.create(&key, &write).await }
//! });
//! gate.reached().await;
//! assert!(store.load(&key).await.unwrap().is_some());
//! gate.open();
//! slow.await.unwrap().unwrap();
//!
//! // The next delete happens, and its answer is lost.
//! control.on(Operation::Delete).lose_reply();
//! let stored = store.load(&key).await.unwrap().unwrap();
//! assert!(
//!     store
//!         .delete(&key, &stored)
//!         .await
//!         .unwrap_err()
//!         .is_transient()
//! );
//!
//! let log: Vec<_> = control.log().iter().map(ToString::to_string).collect();
//! assert_eq!(
//!     log,
//!     [
//!         "create 0: Stored",
//!         "load 0: found",
//!         "load 0: found",
//!         "delete 0: Deleted, reply lost"
//!     ]
//! );
//! # }
//! ```

mod control;
mod gate;

use std::fmt;
use std::future::Future;

use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, StoreError, Stored, Sweep, Touched,
    UnixTime, Write,
};

pub use control::{Control, Event, Operation, Plan};
pub use gate::Gate;

/// Any store, with a [`Control`] over each of its operations. See the [module](self) for an
/// example.
///
/// ```
/// use cloakroom_conformance::Instrumented;
///
/// let store = Instrumented::new("any store");
/// store.control().outage(true);
/// ```
pub struct Instrumented<S> {
    inner: S,
    control: Control,
}

impl<S> Instrumented<S> {
    /// Returns a store that passes every call to `inner`, until its control intervenes.
    ///
    /// ```
    /// use cloakroom_conformance::Instrumented;
    ///
    /// let store = Instrumented::new("any store");
    /// ```
    pub fn new(inner: S) -> Self {
        let control = Control::default();
        Self { inner, control }
    }

    /// Returns the control over this store. Each call returns another handle on the same control.
    ///
    /// ```
    /// use cloakroom_conformance::Instrumented;
    ///
    /// let store = Instrumented::new("any store");
    /// assert!(store.control().log().is_empty());
    /// ```
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Returns the inner store, past all instruments.
    ///
    /// ```
    /// use cloakroom_conformance::Instrumented;
    ///
    /// assert_eq!(*Instrumented::new("any store").get_ref(), "any store");
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Takes the instruments off.
    ///
    /// ```
    /// use cloakroom_conformance::Instrumented;
    ///
    /// assert_eq!(Instrumented::new("any store").into_inner(), "any store");
    /// ```
    pub fn into_inner(self) -> S {
        self.inner
    }

    async fn play<T>(
        &self,
        operation: Operation,
        key: Option<&Key>,
        call: impl Future<Output = Result<T, StoreError>>,
        name: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, StoreError> {
        let mut played = self.control.begin(operation, key);
        played.before().await?;
        let outcome = call.await;
        played.after(outcome, name).await
    }
}

impl<S: Store> Store for Instrumented<S> {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let call = self.inner.load(key);
        self.play(Operation::Load, Some(key), call, loaded).await
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let call = self.inner.load_fresh(key);
        self.play(Operation::Load, Some(key), call, loaded).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let call = self.inner.create(key, write);
        self.play(Operation::Create, Some(key), call, created).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let call = self.inner.replace(key, old, write);
        self.play(Operation::Replace, Some(key), call, replaced)
            .await
    }

    async fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> Result<(Created, Option<u64>), StoreError> {
        let call = self.inner.create_versioned(key, write);
        let name = |(answer, _): &_| created(answer);
        self.play(Operation::Create, Some(key), call, name).await
    }

    async fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<(Replaced, Option<u64>), StoreError> {
        let call = self.inner.replace_versioned(key, old, write);
        let name = |(answer, _): &_| replaced(answer);
        self.play(Operation::Replace, Some(key), call, name).await
    }

    fn place(&self) -> Option<cloakroom_store::Place> {
        self.inner.place()
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let call = self.inner.touch(key, expires_at);
        self.play(Operation::Touch, Some(key), call, |answer| match answer {
            Touched::Extended => "Extended",
            Touched::Gone => "Gone",
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let call = self.inner.delete(key, old);
        self.play(Operation::Delete, Some(key), call, |answer| match answer {
            Deleted::Deleted => "Deleted",
            Deleted::Changed => "Changed",
            Deleted::Gone => "Gone",
        })
        .await
    }
}

fn loaded(answer: &Option<Stored>) -> &'static str {
    match answer {
        Some(_) => "found",
        None => "none",
    }
}

fn created(answer: &Created) -> &'static str {
    match answer {
        Created::Stored => "Stored",
        Created::Taken => "Taken",
    }
}

fn replaced(answer: &Replaced) -> &'static str {
    match answer {
        Replaced::Stored => "Stored",
        Replaced::Changed => "Changed",
        Replaced::Gone => "Gone",
    }
}

impl<S: Directory> Directory for Instrumented<S> {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let call = self.inner.list(subject);
        self.play(Operation::List, None, call, |_| "listed").await
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let call = self.inner.list_some(subject, limit);
        self.play(Operation::List, None, call, |_| "listed").await
    }
}

impl<S: Sweep> Sweep for Instrumented<S> {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let call = self.inner.sweep(limit);
        self.play(Operation::Sweep, None, call, |_| "swept").await
    }
}

impl<S> fmt::Debug for Instrumented<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instrumented").finish_non_exhaustive()
    }
}
