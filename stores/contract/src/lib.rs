//! The contract between Cloakroom and a store.
//!
//! A store keeps records (opaque bytes with an expiry) under keys. Implement [`Store`] for it, run the published
//! conformance suite (crate `cloakroom-conformance`) against it, and every Cloakroom adapter works on it.
//!
//! Five operations, no defaults, no optional parts. What makes the guarantees of the sessions possible is that `create`
//! never overwrites, and that `replace` and `delete` act only on the record that was loaded, atomically:
//!
//! | operation | acts when | expected outcomes |
//! |---|---|---|
//! | [`load`](Store::load) | always | the record, or none |
//! | [`create`](Store::create) | nothing living is there | `Stored`, `Taken` |
//! | [`replace`](Store::replace) | the record is the one given | `Stored`, `Changed`, `Gone` |
//! | [`touch`](Store::touch) | something living is there | `Extended`, `Gone` |
//! | [`delete`](Store::delete) | the record is the one given | `Deleted`, `Changed`, `Gone` |
//!
//! Expected outcomes are values. [`StoreError`] is for what the store could not do or does not know to have done.
//!
//! Abilities that not every store has are traits of their own: [`Sweep`] and [`Directory`].

mod error;
mod shared;

use std::future::Future;
use std::sync::Arc;

pub use cloakroom_core::{Created, Deleted, Key, Replaced, Stored, Touched, UnixTime, Write};
pub use error::StoreError;
pub use shared::{SharedDirectory, SharedStore};

/// A place that keeps records.
///
/// # What an implementation promises
///
/// - **Atomic**: each operation happens as a whole or not at all, also against other processes on the same data. Value,
///   expiry and subject are written in one step.
/// - **Compare and swap**: `replace` and `delete` compare with the whole record as it was loaded (its bytes, a digest of
///   them, or a version that no two writes share). `touch` never changes what they compare.
/// - **Expired is absent**: from `expires_at` on (by the store's own clock) a record is not returned, not replaced, not
///   touched, and does not keep a `create` away.
/// - **An error means unknown**: after a [`StoreError`] the write may or may not have happened; it may even still happen
///   later. The machine deals with that. Never answer with an outcome you did not see.
/// - **Bounded**: an operation on a server that does not answer ends with a transient error after a stated time.
/// - **Cancel-safe**: dropping a future leaves the record as it was or as it was to be, and the store usable. As after an
///   error, and as after the end of the process, a write on its way may still happen later, once: a server goes on with what it
///   was told. `replace` and `delete` then find the record changed, or it finds theirs.
///
/// Records are opaque: never look into the bytes. Keys are printable ASCII of at most 250 bytes, and may be hostile in any
/// other way (`/`, `..`, `%`, quotes).
///
/// # Example
///
/// A store on a map behind a lock, whole (without expiry by a clock of its own it would not pass the suite):
///
/// ```
/// use cloakroom_store::{Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write};
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
///     async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
///         let mut map = self.0.lock().unwrap();
///         if map.contains_key(key) {
///             return Ok(Created::Taken);
///         }
///         map.insert(key.clone(), Stored::new(write.bytes.clone(), write.expires_at, 0));
///         Ok(Created::Stored)
///     }
///     async fn replace(&self, key: &Key, old: &Stored, write: &Write) -> Result<Replaced, StoreError> {
///         match self.0.lock().unwrap().get_mut(key) {
///             None => Ok(Replaced::Gone),
///             Some(now) if now.bytes != old.bytes => Ok(Replaced::Changed),
///             Some(now) => {
///                 *now = Stored::new(write.bytes.clone(), write.expires_at, 0);
///                 Ok(Replaced::Stored)
///             }
///         }
///     }
///     async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
///         match self.0.lock().unwrap().get_mut(key) {
///             None => Ok(Touched::Gone),
///             Some(now) => {
///                 now.expires_at = expires_at;
///                 Ok(Touched::Extended)
///             }
///         }
///     }
///     async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
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
    /// The living record under `key`.
    ///
    /// # Errors
    ///
    /// When the store cannot tell. A missing record is `Ok(None)`.
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// Writes a record where there is none.
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

    /// Sets when the record under `key` ends, sooner or later than before, whichever record that is, and nothing else of it.
    ///
    /// It compares nothing, so that a request that only reads disturbs none that writes, and takes one step. What that costs: a
    /// touch on its way while the record is replaced may arrive after the new one, which then ends when the touch says and not
    /// when its write said. They differ by more than the time that it was on its way only if the write changed the session's
    /// lifetime (`set_expiry`, "remember me"). The session then ends as it would have ended before that change, until a request
    /// loads it, which has it touched again; the absolute timeout is in the record, and holds in any case.
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
}

/// A store that has to be told to remove what has expired (others do it by themselves).
///
/// Expired records are invisible whether or not anyone sweeps; sweeping gives their space back.
pub trait Sweep: Store {
    /// Removes up to `limit` expired records, and says how many it removed. Fewer than `limit` means that, when it looked,
    /// there were no more.
    ///
    /// # Errors
    ///
    /// When the store could not do it; what it removed until then stays removed, and the next call goes on.
    fn sweep(&self, limit: usize) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// A store that can list a subject's records, so that a user's sessions can be shown and revoked.
pub trait Directory: Store {
    /// Every living record whose last write named this subject, in no particular order.
    ///
    /// A record is listed from the moment its create or replace has been answered. To revoke one, `delete` it as listed;
    /// `Sessions::revoke` in the crate `cloakroom` does so, and follows a rotation in flight.
    ///
    /// # Errors
    ///
    /// When the store cannot tell.
    fn list(
        &self,
        subject: &str,
    ) -> impl Future<Output = Result<Vec<(Key, Stored)>, StoreError>> + Send;
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
}
