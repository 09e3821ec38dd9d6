use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{
    Created, Cursor, Deleted, Directory, Enumerate, Key, Page, Replaced, Store, StoreError, Stored,
    Sweep, Touched, UnixTime, Write,
};

use crate::Builder;
use crate::data::Data;
use crate::sweeper::Sweeper;

/// Sessions in the memory of this process. A clone is another handle on the same sessions.
///
/// Implements [`Store`], [`Sweep`], [`Directory`], [`Enumerate`] and
/// [`Feed`](cloakroom_store::Feed). The [crate's docs](crate)
/// describe the guarantees, the costs and the limits.
///
/// ```
/// use cloakroom_memory::MemoryStore;
///
/// let store = MemoryStore::new();
/// let same = store.clone();
/// # assert_eq!(same.entries(), 0);
/// ```
#[derive(Clone)]
pub struct MemoryStore(Arc<Handle>);

struct Handle {
    data: Arc<Data>,
    /// Held for its `Drop`.
    _sweeper: Option<Sweeper>,
}

impl MemoryStore {
    /// Returns an empty store without a bound, on the system's clock.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(MemoryStore::new().entries(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns a builder, for a store with a bound or another clock.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// let store = MemoryStore::builder().max_entries(100_000).build();
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns a handle to this store, and sweeps it at this interval (at least a millisecond) in a
    /// thread of its own.
    ///
    /// The thread runs until the returned handle and all clones of it have been dropped. The last
    /// drop ends the thread and waits for it, as long as removing a few dozen records takes.
    /// Earlier handles do not keep it running. It needs no runtime. If the store's clock panics,
    /// that round ends early, and the next one goes on.
    ///
    /// # Errors
    ///
    /// When the operating system cannot start a thread.
    ///
    /// ```
    /// use cloakroom_memory::MemoryStore;
    /// use std::time::Duration;
    ///
    /// let store = MemoryStore::new().sweep_every(Duration::from_secs(60))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sweep_every(self, interval: Duration) -> std::io::Result<Self> {
        let data = Arc::clone(&self.0.data);
        let sweeper = Sweeper::start(Arc::clone(&data), interval)?;
        Ok(Self(Arc::new(Handle {
            data,
            _sweeper: Some(sweeper),
        })))
    }

    /// Returns the number of records, including expired ones that are not removed yet: for a gauge
    /// next to [`Builder::max_entries`].
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(MemoryStore::new().entries(), 0);
    /// ```
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.data.limits.entries()
    }

    /// Returns the number of bytes of these records, as [`Builder::max_bytes`] counts them.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(MemoryStore::new().bytes(), 0);
    /// ```
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.data.limits.bytes()
    }

    pub(crate) fn data(&self) -> &Data {
        &self.0.data
    }

    pub(crate) fn of(data: Arc<Data>) -> Self {
        Self(Arc::new(Handle {
            data,
            _sweeper: None,
        }))
    }
}

impl Store for MemoryStore {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(self.0.data.load(key))
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        Ok(self.0.data.create(key, write)?.0)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        Ok(self.0.data.replace(key, old, write)?.0)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        Ok(self.0.data.touch(key, expires_at))
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let deleted = self.0.data.delete(key, old);
        if deleted == Deleted::Deleted {
            self.0.data.listeners.removed(key);
        }
        Ok(deleted)
    }

    async fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> Result<(Created, Option<u64>), StoreError> {
        self.0.data.create(key, write)
    }

    async fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<(Replaced, Option<u64>), StoreError> {
        self.0.data.replace(key, old, write)
    }
}

impl Sweep for MemoryStore {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        Ok(self.0.data.sweep(limit, || false))
    }
}

impl Directory for MemoryStore {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        Ok(self.0.data.list(subject, usize::MAX))
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        Ok(self.0.data.list(subject, limit))
    }
}

impl Enumerate for MemoryStore {
    /// Locks one shard at a time. Each page looks at all records of its shards, a small part of the
    /// store.
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let after = after.map(|cursor| Key::new(cursor.as_str()));
        match after {
            Some(None) => Err(StoreError::permanent(
                "memory",
                "the cursor is not one of this store; begin without one",
            )),
            after => Ok(self.0.data.page(after.flatten().as_ref(), limit)),
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("entries", &self.entries())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
