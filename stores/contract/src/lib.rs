//! The contract between Cloakroom and a store.
//!
//! A store keeps records (opaque bytes with an expiry) under keys. Implement [`Store`] for it, run
//! the published conformance suite (crate `cloakroom-conformance`) against it, and every Cloakroom
//! adapter works on it.
//!
//! A store has five operations, without defaults or optional parts. The guarantees of the sessions
//! rest on two rules. `create` never overwrites. `replace` and `delete` act, atomically, only on
//! the record that was loaded:
//!
//! | operation | acts when | expected outcomes |
//! |---|---|---|
//! | [`load`](Store::load) | always | the record, or none |
//! | [`create`](Store::create) | nothing living is there | `Stored`, `Taken` |
//! | [`replace`](Store::replace) | the record is the one given | `Stored`, `Changed`, `Gone` |
//! | [`touch`](Store::touch) | something living is there | `Extended`, `Gone` |
//! | [`delete`](Store::delete) | the record is the one given | `Deleted`, `Changed`, `Gone` |
//!
//! Expected outcomes are values. A store returns [`StoreError`] for an operation that failed or
//! whose outcome is unknown.
//!
//! Abilities that not every store has are separate traits: [`Sweep`], [`Directory`],
//! [`Enumerate`], [`Feed`] and [`Track`].

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "connections")]
#[doc(hidden)]
pub mod connections;
mod enumerate;
mod error;
mod feed;
mod place;
mod shared;
#[cfg(feature = "sweep")]
mod sweep;
mod time;
mod track;
mod types;

use std::future::Future;
use std::sync::Arc;

pub use enumerate::{Cursor, Entry, Enumerate, Page};
pub use error::StoreError;
pub use feed::{Feed, Hint, Hints};
pub use place::Place;
pub use shared::{SharedDirectory, SharedHints, SharedStore};
#[cfg(feature = "sweep")]
pub use sweep::Swept;
pub use time::UnixTime;
pub use track::{Change, Changes, Track};
pub use types::{Created, Deleted, Key, Replaced, Stored, Touched, Write};

/// A place that keeps records.
///
/// # What an implementation promises
///
/// - **Atomic**: each operation happens as a whole or not at all, also against other processes on
///   the same data. Value, expiry and subject are written in one step.
/// - **Compare and swap**: `replace` and `delete` compare with the whole record as it was loaded
///   (its bytes, a digest of them, or a version that no two writes share). `touch` never changes
///   what they compare.
/// - **Expired is absent**: from `expires_at` on (by the store's own clock) a record is not
///   returned, replaced or touched, and does not prevent a `create`.
/// - **An error means unknown**: after a [`StoreError`] the write may or may not have happened; it
///   may even still happen later. The machine deals with that. Never answer with an outcome you did
///   not see.
/// - **Bounded**: an operation on a server that does not answer ends with a transient error after a
///   stated time.
/// - **Cancel-safe**: dropping a future leaves the old record or the new one, and the store usable.
///   A write in flight may still happen later, once, as after an error or the end of the process.
///   `replace` and `delete` then find the record changed, or the late write finds theirs.
///
/// Records are opaque: never look into the bytes. Keys are printable ASCII of at most 250 bytes,
/// and may be hostile in any other way (`/`, `..`, `%`, quotes).
///
/// # Example
///
/// A store on a map behind a lock, whole (without expiry by a clock of its own it would not pass
/// the suite):
///
/// ```
/// use cloakroom_store::{
///     Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched,
///     UnixTime, Write,
/// };
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct MapStore(Mutex<BTreeMap<Key, Stored>>);
///
/// impl Store for MapStore {
///     async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
///         Ok(self.0.lock().unwrap().get(key).cloned())
///     }
///     async fn create(
///         &self,
///         key: &Key,
///         write: &Write,
///     ) -> Result<Created, StoreError> {
///         let mut map = self.0.lock().unwrap();
///         if map.contains_key(key) {
///             return Ok(Created::Taken);
///         }
///         map.insert(
///             key.clone(),
///             Stored::new(write.bytes.clone(), write.expires_at, 0),
///         );
///         Ok(Created::Stored)
///     }
///     async fn replace(
///         &self,
///         key: &Key,
///         old: &Stored,
///         write: &Write,
///     ) -> Result<Replaced, StoreError> {
///         match self.0.lock().unwrap().get_mut(key) {
///             None => Ok(Replaced::Gone),
///             Some(now) if now.bytes != old.bytes => Ok(Replaced::Changed),
///             Some(now) => {
///                 *now = Stored::new(write.bytes.clone(), write.expires_at, 0);
///                 Ok(Replaced::Stored)
///             }
///         }
///     }
///     async fn touch(
///         &self,
///         key: &Key,
///         expires_at: UnixTime,
///     ) -> Result<Touched, StoreError> {
///         match self.0.lock().unwrap().get_mut(key) {
///             None => Ok(Touched::Gone),
///             Some(now) => {
///                 now.expires_at = expires_at;
///                 Ok(Touched::Extended)
///             }
///         }
///     }
///     async fn delete(
///         &self,
///         key: &Key,
///         old: &Stored,
///     ) -> Result<Deleted, StoreError> {
///         let mut map = self.0.lock().unwrap();
///         match map.get(key) {
///             None => Ok(Deleted::Gone),
///             Some(now) if now.bytes != old.bytes => Ok(Deleted::Changed),
///             Some(_) => {
///                 map.remove(key);
///                 Ok(Deleted::Deleted)
///             }
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session store",
    note = "implement `cloakroom_store::Store` for it, or wrap what you have: `SharedStore::new(..)` erases a store's type"
)]
pub trait Store: Send + Sync + 'static {
    /// Loads the living record under `key`.
    ///
    /// # Errors
    ///
    /// When the store could not look. A missing record is `Ok(None)`.
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// Loads the record as it is now, past every cache.
    ///
    /// Commits reload with it, so no commit decides anything from a cached record. Only a store
    /// that caches, and a store that wraps another one, need a method of their own. Default:
    /// [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    fn load_fresh(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        self.load(key)
    }

    /// Writes a record if there is none.
    ///
    /// # Errors
    ///
    /// When the store could not do it or does not know whether it did.
    fn create(
        &self,
        key: &Key,
        write: &Write,
    ) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// Writes a record over `old`, if that is what is there.
    ///
    /// # Errors
    ///
    /// When the store could not do it or does not know whether it did.
    fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> impl Future<Output = Result<Replaced, StoreError>> + Send;

    /// Sets when the record under `key` ends, sooner or later than before, whichever record that
    /// is, and nothing else of it.
    ///
    /// It compares nothing, so a request that only reads disturbs no writer, and takes one step.
    /// The cost: a touch in flight during a replace may arrive after it, and set its own expiry on
    /// the new record. The difference matters only if the write changed the session's lifetime
    /// (`set_expiry`, "remember me"). The session then ends as before that change, until a request
    /// loads it and touches it again. The absolute timeout is in the record, and holds in any case.
    ///
    /// # Errors
    ///
    /// When the store could not do it or does not know whether it did.
    fn touch(
        &self,
        key: &Key,
        expires_at: UnixTime,
    ) -> impl Future<Output = Result<Touched, StoreError>> + Send;

    /// Removes `old`, if that is what is there.
    ///
    /// # Errors
    ///
    /// When the store could not do it or does not know whether it did.
    fn delete(
        &self,
        key: &Key,
        old: &Stored,
    ) -> impl Future<Output = Result<Deleted, StoreError>> + Send;

    /// Creates as [`create`](Self::create) does, and returns the [version](Stored::version) of the
    /// record that it stored.
    ///
    /// Optional, for stores that know it without another round trip: a cache then keeps the record.
    /// The version is the one that the next load would return. Default: `None`.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create).
    fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> impl Future<Output = Result<(Created, Option<u64>), StoreError>> + Send {
        async { Ok((self.create(key, write).await?, None)) }
    }

    /// Replaces as [`replace`](Self::replace) does, and returns the [version](Stored::version) of
    /// the record that it stored.
    ///
    /// Optional, for stores that know it without another round trip: a cache then keeps the record.
    /// The version is the one that the next load would return. Default: `None`.
    ///
    /// # Errors
    ///
    /// Those of [`replace`](Self::replace).
    fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> impl Future<Output = Result<(Replaced, Option<u64>), StoreError>> + Send {
        async { Ok((self.replace(key, old, write).await?, None)) }
    }

    /// Returns where the records are, so that two applications of one process at one place are
    /// noticed.
    ///
    /// Optional. All clones of a store return clones of one [`Place`]. A store that wraps another
    /// one returns the other's. Default: `None`, and nothing is noticed.
    fn place(&self) -> Option<Place> {
        None
    }
}

/// A store that removes expired records only on request (others do it by themselves).
///
/// Expired records are invisible in any case. Sweeping frees their space.
pub trait Sweep: Store {
    /// Removes up to `limit` expired records, and returns how many it removed. Fewer than `limit`
    /// means that there were no more at that time.
    ///
    /// # Errors
    ///
    /// The store's error. Records removed before it stay removed, and the next call goes on.
    fn sweep(&self, limit: usize) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// A store that can list a subject's records, so that a user's sessions can be shown and revoked.
pub trait Directory: Store {
    /// Returns every living record whose last write named this subject, in no particular order.
    ///
    /// A record is listed from the moment its create or replace has been answered. To revoke one,
    /// `delete` it as listed. `Sessions::revoke` in the crate `cloakroom` does so, and follows a
    /// rotation in flight.
    ///
    /// # Errors
    ///
    /// When the store cannot tell.
    fn list(
        &self,
        subject: &str,
    ) -> impl Future<Output = Result<Vec<(Key, Stored)>, StoreError>> + Send;

    /// Returns at most `limit` of the records that [`list`](Self::list) returns, and all of them if
    /// there are fewer. Which ones is open.
    ///
    /// For requests whose work must be bounded, also for a subject with very many records.
    /// Optional. Default: a whole list, cut short.
    ///
    /// # Errors
    ///
    /// Those of [`list`](Self::list).
    fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Key, Stored)>, StoreError>> + Send {
        async move {
            let mut listed = self.list(subject).await?;
            listed.truncate(limit);
            Ok(listed)
        }
    }
}

impl<S: Store> Store for Arc<S> {
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        S::load(self, key)
    }

    fn create(
        &self,
        key: &Key,
        write: &Write,
    ) -> impl Future<Output = Result<Created, StoreError>> + Send {
        S::create(self, key, write)
    }

    fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> impl Future<Output = Result<Replaced, StoreError>> + Send {
        S::replace(self, key, old, write)
    }

    fn touch(
        &self,
        key: &Key,
        expires_at: UnixTime,
    ) -> impl Future<Output = Result<Touched, StoreError>> + Send {
        S::touch(self, key, expires_at)
    }

    fn delete(
        &self,
        key: &Key,
        old: &Stored,
    ) -> impl Future<Output = Result<Deleted, StoreError>> + Send {
        S::delete(self, key, old)
    }

    fn load_fresh(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        S::load_fresh(self, key)
    }

    fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> impl Future<Output = Result<(Created, Option<u64>), StoreError>> + Send {
        S::create_versioned(self, key, write)
    }

    fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> impl Future<Output = Result<(Replaced, Option<u64>), StoreError>> + Send {
        S::replace_versioned(self, key, old, write)
    }

    fn place(&self) -> Option<Place> {
        S::place(self)
    }
}

impl<S: Sweep> Sweep for Arc<S> {
    fn sweep(&self, limit: usize) -> impl Future<Output = Result<usize, StoreError>> + Send {
        S::sweep(self, limit)
    }
}

impl<S: Directory> Directory for Arc<S> {
    fn list(
        &self,
        subject: &str,
    ) -> impl Future<Output = Result<Vec<(Key, Stored)>, StoreError>> + Send {
        S::list(self, subject)
    }

    fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Key, Stored)>, StoreError>> + Send {
        S::list_some(self, subject, limit)
    }
}
