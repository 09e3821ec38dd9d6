use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use cloakroom_core::UnixTime;

/// A clock for tests. It stands still until you advance it. Clones show the same time.
///
/// A store and its sessions must have the same clock. With two, records are dead for one of them
/// and alive for the other.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom::{ManualClock, Sessions};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let store = MemoryStore::builder().clock(clock.reader()).build();
/// let sessions = Sessions::new(store).with_clock(clock.reader());
/// clock.advance(Duration::from_secs(60));
/// # drop(sessions);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Returns a clock that shows the system's present time.
    ///
    /// ```
    /// assert!(cloakroom::ManualClock::new().now().as_secs() > 1_700_000_000);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::at(SystemTime::now().into())
    }

    /// Returns a clock that shows this time.
    ///
    /// ```
    /// use cloakroom::{ManualClock, UnixTime};
    ///
    /// assert_eq!(ManualClock::at(UnixTime::from_secs(7)).now().as_secs(), 7);
    /// ```
    #[must_use]
    pub fn at(time: UnixTime) -> Self {
        Self(Arc::new(AtomicU64::new(time.as_secs())))
    }

    /// Returns the time that the clock shows.
    ///
    /// ```
    /// let clock = cloakroom::ManualClock::new();
    /// assert_eq!(clock.now(), clock.clone().now());
    /// ```
    #[must_use]
    pub fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }

    /// Moves the clock forward. Drops fractions of a second.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let clock = cloakroom::ManualClock::new();
    /// let before = clock.now();
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(clock.now().since(before).as_secs(), 60);
    /// ```
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Returns the function that stores and sessions take as their clock.
    ///
    /// ```
    /// let clock = cloakroom::ManualClock::new();
    /// let now = clock.reader();
    /// assert_eq!(now(), clock.now());
    /// ```
    pub fn reader(&self) -> impl Fn() -> UnixTime + Clone + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}
