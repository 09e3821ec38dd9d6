use std::fmt;
use std::time::{Duration, SystemTime};

use cloakroom_store::{StoreError, Track};
use tokio::runtime::Handle;

use crate::Near;
use crate::clocks::Clocks;
use crate::follow::follow;

const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(30);

/// Settings of a [`Near`], from [`Near::builder`].
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_near::Near;
/// use std::time::Duration;
///
/// let store = Near::builder(MemoryStore::new())
///     .lease(Duration::from_secs(5))
///     .max_bytes(16 << 20)
///     .build();
/// # drop(store);
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<S> {
    pub(crate) store: S,
    pub(crate) lease: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) clocks: Clocks,
}

impl<S> Builder<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store,
            lease: Duration::from_secs(1),
            max_bytes: 64 << 20,
            clocks: Clocks::system(),
        }
    }

    /// Sets for how long a record may be used after the store returned it. Default: 1 second.
    ///
    /// At least 100 milliseconds and at most 30 seconds: a value outside counts as the nearest of
    /// the two. A session that another process ends is refused after this time at the latest.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// # use std::time::Duration;
    /// let builder =
    ///     Near::builder(MemoryStore::new()).lease(Duration::from_millis(250));
    /// ```
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.clamp(LEAST, MOST);
        self
    }

    /// Sets the most memory that the records take. Default: 64 MiB.
    ///
    /// A record counts for its bytes, its key's, and an allowance of 512 for the tables. The test
    /// `tests/memory.rs` compares this with the sizes that the cache asks the allocator for. Your
    /// allocator adds its own rounding.
    ///
    /// The cache has a part for each 256 KiB, 32 at most, with equal shares. A part that is full
    /// drops its oldest records. A record larger than a share is not kept.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// let builder = Near::builder(MemoryStore::new()).max_bytes(8 << 20);
    /// ```
    pub fn max_bytes(mut self, max: usize) -> Self {
        self.max_bytes = max;
        self
    }

    /// Sets the two clocks, for tests. Default: the system's.
    ///
    /// `monotonic` is the time since any fixed moment, and measures leases. `wall` is the time of
    /// day, by which records expire. Both are called without a lock held.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let builder = Near::builder(MemoryStore::new())
    ///     .clocks(|| Duration::ZERO, || SystemTime::UNIX_EPOCH);
    /// ```
    pub fn clocks(
        mut self,
        monotonic: impl Fn() -> Duration + Send + Sync + 'static,
        wall: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        self.clocks = Clocks::Given {
            monotonic: Box::new(monotonic),
            wall: Box::new(wall),
        };
        self
    }

    /// Returns the store with its cache.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_near::Near;
    /// let store = Near::builder(MemoryStore::new()).build();
    /// # drop(store);
    /// ```
    #[must_use]
    pub fn build(self) -> Near<S> {
        Near::of(self)
    }

    /// Returns the store with its cache, which listens to the store's announcements of changes.
    ///
    /// A record that another process changes is dropped when its announcement arrives. A record
    /// that was loaded and that nobody changes is used longer than a lease, without a store call.
    /// A session that ended is still refused after the [lease](Self::lease) at the latest: the
    /// cache asks the store twice in each lease whether the announcements are complete. Without an
    /// answer, the lease of each load counts again.
    ///
    /// A Tokio task listens until the last handle is dropped. Where the store cannot announce
    /// anything (permanent errors of [`Track::track`]), the cache works as after
    /// [`build`](Self::build). [`Numbers::tracking`](crate::Numbers::tracking) shows which.
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime.
    ///
    /// ```no_run
    /// use cloakroom_near::Near;
    /// use cloakroom_redis::RedisStore;
    ///
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = RedisStore::connect("redis://127.0.0.1").await?;
    /// let store = Near::builder(store).build_tracked()?;
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_tracked(self) -> Result<Near<S>, StoreError>
    where
        S: Track,
    {
        let runtime = Handle::try_current().map_err(|_| {
            StoreError::permanent(
                "near",
                "the cache needs a Tokio runtime to listen; call it inside of one, with time \
                 enabled, or use `build`",
            )
        })?;
        let near = Near::of(self);
        runtime.spawn(follow(near.weak()));
        Ok(near)
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("lease", &self.lease)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
