/// The counts of a cache since it was made, and of its records now. From
/// [`Near::numbers`](crate::Near::numbers).
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_near::Near;
///
/// let numbers = Near::new(MemoryStore::new()).numbers();
/// assert_eq!((numbers.hits, numbers.entries), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Numbers {
    /// Loads that memory answered.
    pub hits: u64,
    /// Hits after the lease of the load, which announcements have renewed.
    pub renewed: u64,
    /// Loads that asked the store.
    pub misses: u64,
    /// Records dropped because they changed, ended, or might have, as this process or the store's
    /// announcements have it, and by
    /// [`forget`](crate::Near::forget) and [`clear`](crate::Near::clear).
    pub invalidated: u64,
    /// Records dropped because their lease ended.
    pub expired: u64,
    /// Records dropped because others needed their memory.
    pub evicted: u64,
    /// Records in memory now, with those whose lease has ended and nobody has asked for.
    pub entries: usize,
    /// Bytes of these records, as [`Builder::max_bytes`](crate::Builder::max_bytes) counts them.
    pub bytes: usize,
    /// Whether the store's announcements are heard now:
    /// [`build_tracked`](crate::Builder::build_tracked).
    pub tracking: bool,
    /// How often the connection for them was lost.
    pub tracking_lost: u64,
}

impl Numbers {
    pub(crate) fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.renewed += other.renewed;
        self.misses += other.misses;
        self.invalidated += other.invalidated;
        self.expired += other.expired;
        self.evicted += other.evicted;
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}
