use parking_lot::Mutex;
use std::sync::Arc;

use cloakroom_store::UnixTime;

use crate::MemoryStore;
use crate::data::{Clock, Data, SHARDS};
use crate::feed::Listeners;
use crate::hashing::Hashing;
use crate::limits::Limits;
use crate::shard::Shard;

/// Options of a [`MemoryStore`]; [`MemoryStore::builder`] makes it.
///
/// ```
/// use cloakroom_memory::MemoryStore;
///
/// let store = MemoryStore::builder().max_bytes(512 << 20).build();
/// # assert_eq!(store.entries(), 0);
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    max_entries: usize,
    max_bytes: usize,
    clock: Option<Clock>,
    shards: usize,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            max_entries: usize::MAX,
            max_bytes: usize::MAX,
            clock: None,
            shards: SHARDS,
        }
    }

    /// Sets the maximum number of records, including expired ones that are not removed yet.
    /// Default: no limit.
    ///
    /// [When it is full](crate#when-it-is-full) describes the limit and its last eighth.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// let store = MemoryStore::builder().max_entries(1_000_000).build();
    /// ```
    pub fn max_entries(mut self, max: usize) -> Self {
        self.max_entries = max;
        self
    }

    /// Sets the approximate maximum of heap bytes. Default: no limit.
    ///
    /// A record counts for its key, its bytes, its subject, and 128 bytes, a little more than what
    /// the tables take for it. The unused memory of the tables of an almost empty store (about 100
    /// KiB) is not counted, nor is what the allocator itself adds.
    ///
    /// [When it is full](crate#when-it-is-full) describes the limit and its last eighth.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// let store = MemoryStore::builder().max_bytes(1 << 30).build();
    /// ```
    pub fn max_bytes(mut self, max: usize) -> Self {
        self.max_bytes = max;
        self
    }

    /// Sets the clock by which records expire. Default: the system's clock.
    ///
    /// Every operation calls it with a lock held. So it must be quick and must not call this store.
    /// It may jump back and forth. If it panics, the operation panics too, and the store goes on.
    ///
    /// ```
    /// use cloakroom_memory::MemoryStore;
    /// use cloakroom_store::UnixTime;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let now = Arc::new(AtomicU64::new(1_700_000_000));
    /// let clock = Arc::clone(&now);
    /// let store = MemoryStore::builder()
    ///     .clock(move || UnixTime::from_secs(clock.load(Ordering::Relaxed)))
    ///     .build();
    /// now.fetch_add(60, Ordering::Relaxed); // a minute later
    /// # drop(store);
    /// ```
    pub fn clock(mut self, clock: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// Returns an empty store.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// let store = MemoryStore::builder().build();
    /// assert_eq!(store.bytes(), 0);
    /// ```
    #[must_use]
    pub fn build(self) -> MemoryStore {
        let shards = 0..self.shards;
        MemoryStore::of(Arc::new(Data {
            shards: shards
                .map(|number| Mutex::new(Shard::new(number, self.shards)))
                .collect(),
            limits: Limits::new(self.max_entries, self.max_bytes),
            hashing: Hashing::new(),
            clock: self.clock,
            listeners: Listeners::default(),
        }))
    }

    /// So that a test with few records can fill a shard.
    #[cfg(test)]
    pub(crate) fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("max_entries", &self.max_entries)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
