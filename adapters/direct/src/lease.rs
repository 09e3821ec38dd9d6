//! The lease: for how long a process may act on what it read from the store.

use std::time::Duration;

use cloakroom_store::Store;

use crate::Sessions;

const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(30);

/// A lease within its range.
#[derive(Clone, Copy)]
pub(crate) struct Lease(Duration);

impl Lease {
    pub(crate) fn new(lease: Duration) -> Self {
        Self(lease.clamp(LEAST, MOST))
    }

    pub(crate) fn get(self) -> Duration {
        self.0
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

impl<S: Store> Sessions<S> {
    /// Sets the lease: within it, [`Session::ended`](crate::Session::ended) notices the end of a
    /// session that another process ended. Default: 1 second.
    ///
    /// At least 100 milliseconds and at most 30 seconds: a value outside counts as the nearest of
    /// the two. A longer lease costs fewer loads: each watched session is loaded four times in
    /// three leases.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # use std::time::Duration;
    /// let sessions =
    ///     Sessions::new(MemoryStore::new()).with_lease(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        self.change(|inner| inner.lease = Lease::new(lease))
    }
}
