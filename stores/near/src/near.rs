use std::fmt;
use std::sync::{Arc, Weak};

use cloakroom_store::{
    Created, Cursor, Deleted, Directory, Enumerate, Feed, Key, Page, Replaced, Store, StoreError,
    Stored, Sweep, Touched, UnixTime, Write,
};

use crate::cache::{Answer, Cache, Kind};
use crate::mutant::Broken;
use crate::{Builder, Numbers};

/// A store with a cache in this process. A handle: clones share the cache.
///
/// See the [crate's documentation](crate) for what it promises and what it costs.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_near::Near;
///
/// let store = Near::new(MemoryStore::new());
/// ```
pub struct Near<S>(Arc<Inner<S>>);

pub(crate) struct Inner<S> {
    pub(crate) store: S,
    pub(crate) cache: Cache,
}

impl<S> Near<S> {
    /// Returns `store` with a cache of the [builder](Near::builder)'s defaults: a lease of 1
    /// second, at most 64 MiB.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// let store = Near::new(MemoryStore::new());
    /// ```
    pub fn new(store: S) -> Self {
        Self::builder(store).build()
    }

    /// Returns a builder, for another lease or another limit.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// use std::time::Duration;
    ///
    /// let store = Near::builder(MemoryStore::new())
    ///     .lease(Duration::from_secs(3))
    ///     .build();
    /// ```
    pub fn builder(store: S) -> Builder<S> {
        Builder::new(store)
    }

    /// Returns the store behind the cache.
    ///
    /// A write through it leaves the cache as it is: use it for what the cache does not do.
    ///
    /// ```
    /// # use cloakroom_near::Near;
    /// assert_eq!(*Near::new("any store").get_ref(), "any store");
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.0.store
    }

    /// Returns how often memory answered, and what it holds. It takes each of the cache's locks for
    /// a moment.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// # use cloakroom_store::{Key, Store as _, StoreError, UnixTime, Write};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), StoreError> {
    /// let store = Near::new(MemoryStore::new());
    /// let key = Key::new("session:1").unwrap();
    /// store.create(&key, &Write::new("a coat", UnixTime::MAX, None)).await?;
    /// store.load(&key).await?;
    /// assert_eq!(store.numbers().hits, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.0.cache.numbers()
    }

    /// Drops a record from memory, so that the next load asks the store. For notifications of your
    /// own about sessions that changed elsewhere.
    ///
    /// A load of it in flight will not be kept.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// # use cloakroom_store::Key;
    /// let store = Near::new(MemoryStore::new());
    /// store.forget(&Key::new("session:1").unwrap());
    /// ```
    pub fn forget(&self, key: &Key) {
        self.0.cache.forget(key);
    }

    /// Drops all records from memory. Loads in flight will not be kept.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// Near::new(MemoryStore::new()).clear();
    /// ```
    pub fn clear(&self) {
        self.0.cache.clear();
    }

    pub(crate) fn of(builder: Builder<S>) -> Self {
        let Builder {
            store,
            lease,
            max_bytes,
            clocks,
        } = builder;
        let cache = Cache::new(clocks, lease, max_bytes);
        Self(Arc::new(Inner { store, cache }))
    }

    pub(crate) fn weak(&self) -> Weak<Inner<S>> {
        Arc::downgrade(&self.0)
    }

    #[cfg(test)]
    pub(crate) fn cache(&self) -> &Cache {
        &self.0.cache
    }

    #[cfg(test)]
    pub(crate) fn broken(mut self, broken: Option<Broken>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.cache.mutant.0 = broken;
        }
        self
    }
}

/// A mutant keeps this for a missing record.
const NOTHING: &[u8] = b"\0nothing";

impl<S> Inner<S> {
    /// The meaning of an error or a refusal: the record may be another one.
    fn refused(&self, broken: Broken) -> Answer {
        match self.cache.mutant.is(broken) {
            true => Answer::Ignore,
            false => Answer::Forget,
        }
    }
}

impl<S: Store> Store for Near<S> {
    /// Costs no store call while the record's lease lasts.
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if let Some(found) = self.0.cache.find(key) {
            let missing = self.0.cache.mutant.is(Broken::CachesMisses) && found.bytes == NOTHING;
            return Ok((!missing).then_some(found));
        }
        let flight = self.0.cache.begin(key, Kind::Read);
        let result = self.0.store.load(key).await;
        flight.answered(self.0.loaded(&result));
        result
    }

    /// Asks the store, and keeps what it returns.
    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if self.0.cache.mutant.is(Broken::FreshFromMemory) {
            return self.load(key).await;
        }
        let flight = self.0.cache.begin(key, Kind::Read);
        let result = self.0.store.load_fresh(key).await;
        flight.answered(self.0.loaded(&result));
        result
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        Ok(self.create_versioned(key, write).await?.0)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        Ok(self.replace_versioned(key, old, write).await?.0)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let flight = self.0.cache.begin(key, Kind::Write);
        let result = self.0.store.touch(key, expires_at).await;
        flight.answered(match &result {
            Ok(Touched::Extended) => Answer::Touched(expires_at),
            Ok(Touched::Gone) => self.0.refused(Broken::KeepsWhatChanged),
            Err(_) => self.0.refused(Broken::KeepsAfterErrors),
        });
        result
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let flight = self.0.cache.begin(key, Kind::Write);
        let result = self.0.store.delete(key, old).await;
        flight.answered(match &result {
            Ok(Deleted::Deleted) => self.0.refused(Broken::KeepsOwnDeletes),
            Ok(_) => self.0.refused(Broken::KeepsWhatChanged),
            Err(_) => self.0.refused(Broken::KeepsAfterErrors),
        });
        result
    }

    async fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> Result<(Created, Option<u64>), StoreError> {
        let flight = self.0.cache.begin(key, Kind::Write);
        let result = self.0.store.create_versioned(key, write).await;
        flight.answered(match &result {
            Ok((Created::Stored, version)) => written(write, *version),
            Ok((Created::Taken, _)) => self.0.refused(Broken::KeepsWhatChanged),
            Err(_) => self.0.refused(Broken::KeepsAfterErrors),
        });
        result
    }

    async fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<(Replaced, Option<u64>), StoreError> {
        let flight = self.0.cache.begin(key, Kind::Write);
        let result = self.0.store.replace_versioned(key, old, write).await;
        flight.answered(match &result {
            Ok((Replaced::Stored, version)) => written(write, *version),
            Ok(_) => self.0.refused(Broken::KeepsWhatChanged),
            Err(_) => self.0.refused(Broken::KeepsAfterErrors),
        });
        result
    }

    fn place(&self) -> Option<cloakroom_store::Place> {
        self.0.store.place()
    }
}

impl<S> Inner<S> {
    fn loaded(&self, result: &Result<Option<Stored>, StoreError>) -> Answer {
        match result {
            Ok(Some(stored)) => Answer::Has(stored.clone()),
            Ok(None) if self.cache.mutant.is(Broken::CachesMisses) => {
                Answer::Has(Stored::new(NOTHING, UnixTime::MAX, 0))
            }
            _ => Answer::Forget,
        }
    }
}

/// A record that this process wrote is kept if the store returned its version.
fn written(write: &Write, version: Option<u64>) -> Answer {
    match version {
        Some(version) => Answer::Has(Stored::new(write.bytes.clone(), write.expires_at, version)),
        None => Answer::Forget,
    }
}

impl<S: Directory> Directory for Near<S> {
    /// Asks the store. Records are listed as they are, not as they are in memory.
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.0.store.list(subject).await
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.0.store.list_some(subject, limit).await
    }
}

impl<S: Feed> Feed for Near<S> {
    type Hints = S::Hints;

    /// Listens to the store. What it announces is not dropped from memory.
    async fn listen(&self) -> Result<Self::Hints, StoreError> {
        self.0.store.listen().await
    }
}

impl<S: Sweep> Sweep for Near<S> {
    /// Sweeps the store. To do it regularly, call the store's `sweep_every` before you wrap it.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.0.store.sweep(limit).await
    }
}

impl<S: Enumerate> Enumerate for Near<S> {
    /// Asks the store. Records are on a page as they are there, not as they are in memory.
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        self.0.store.enumerate(after, limit).await
    }
}

impl<S> Clone for Near<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: fmt::Debug> fmt::Debug for Near<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Near").field(&self.0.store).finish()
    }
}
