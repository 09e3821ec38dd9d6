use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, StoreError, Stored, Sweep, Touched,
    UnixTime, Write,
};

use crate::Builder;
use crate::data::Data;
use crate::sweeper::Sweeper;

/// Sessions in the memory of this process. A clone is another handle on the same sessions.
///
/// Implements [`Store`], [`Sweep`] and [`Directory`]; what that means here, what it costs and what happens when it is full say
/// the [crate's docs](crate).
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
    /// An empty store without a bound, on the system's clock.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(MemoryStore::new().entries(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// For a store with a bound or a clock of its own.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// let store = MemoryStore::builder().max_entries(100_000).build();
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A handle that has this store swept at this interval (at least a millisecond), by a thread of its own.
    ///
    /// The thread runs until the returned handle and all clones of it have been dropped: dropping the last one ends it and
    /// waits for its end, which takes as long as removing a few dozen records. Handles from before do not keep it running.
    /// It needs no runtime. If the store's clock panics, that round ends early, and the next one goes on.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
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

    /// How many records there are, expired ones that have not been removed yet included. For a gauge beside
    /// [`Builder::max_entries`].
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(MemoryStore::new().entries(), 0);
    /// ```
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.data.limits.entries()
    }

    /// For how many bytes these records count, as [`Builder::max_bytes`] counts them.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(MemoryStore::new().bytes(), 0);
    /// ```
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.data.limits.bytes()
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
        self.0.data.create(key, write)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.0.data.replace(key, old, write)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        Ok(self.0.data.touch(key, expires_at))
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        Ok(self.0.data.delete(key, old))
    }
}

impl Sweep for MemoryStore {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        Ok(self.0.data.sweep(limit, || false))
    }
}

impl Directory for MemoryStore {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        Ok(self.0.data.list(subject))
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
