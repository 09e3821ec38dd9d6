use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom_store::UnixTime;

/// A clock that stands still until it is advanced. Clones show the same time.
///
/// ```
/// use cloakroom_conformance::FakeClock;
/// use std::time::Duration;
///
/// let clock = FakeClock::default();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().since(before), Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<AtomicU64>);

impl FakeClock {
    /// Returns a clock that shows `time`.
    ///
    /// ```
    /// # use cloakroom_conformance::FakeClock;
    /// use cloakroom_store::UnixTime;
    ///
    /// assert_eq!(FakeClock::at(UnixTime::from_secs(7)).now().as_secs(), 7);
    /// ```
    #[must_use]
    pub fn at(time: UnixTime) -> Self {
        Self(Arc::new(AtomicU64::new(time.as_secs())))
    }

    /// Returns the time that the clock shows.
    ///
    /// ```
    /// use cloakroom_conformance::FakeClock;
    ///
    /// let clock = FakeClock::default();
    /// assert_eq!(clock.now(), clock.clone().now());
    /// ```
    #[must_use]
    pub fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }

    /// Advances by `by`. Fractions of a second are dropped.
    ///
    /// ```
    /// use cloakroom_conformance::FakeClock;
    /// use std::time::Duration;
    ///
    /// let clock = FakeClock::default();
    /// let before = clock.now();
    /// clock.advance(Duration::from_secs(7));
    /// assert_eq!(clock.now().as_secs(), before.as_secs() + 7);
    /// ```
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Shows `time` from now on, which may be earlier than before.
    ///
    /// ```
    /// # use cloakroom_conformance::FakeClock;
    /// use cloakroom_store::UnixTime;
    ///
    /// let clock = FakeClock::default();
    /// clock.set(UnixTime::MAX);
    /// assert_eq!(clock.now(), UnixTime::MAX);
    /// ```
    pub fn set(&self, time: UnixTime) {
        self.0.store(time.as_secs(), Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    /// Returns a clock in the year 2096: a store that looks at the machine's clock instead finds
    /// everything unexpired.
    fn default() -> Self {
        Self::at(UnixTime::from_secs(4_000_000_000))
    }
}
