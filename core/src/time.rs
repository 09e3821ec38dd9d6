use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in whole seconds since 1970-01-01 00:00:00 UTC.
///
/// Seconds are what every store can keep (Memcached knows nothing finer). All arithmetic saturates: no clock reading,
/// however absurd, can make it overflow.
///
/// ```
/// use cloakroom_core::UnixTime;
/// use std::time::Duration;
///
/// let noon = UnixTime::from_secs(1_700_000_000);
/// let later = noon + Duration::from_secs(90);
/// assert_eq!(later.as_secs(), 1_700_000_090);
/// assert_eq!(later.since(noon), Duration::from_secs(90));
/// assert_eq!(noon.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last moment that every store can represent: 9999-12-31 23:59:59 UTC, the end of SQL's and BSON's dates.
    ///
    /// ```
    /// # use cloakroom_core::UnixTime;
    /// assert_eq!(UnixTime::from_secs(u64::MAX), UnixTime::MAX);
    /// ```
    pub const MAX: Self = Self(253_402_300_799);

    /// The moment `seconds` after the epoch, at most [`UnixTime::MAX`].
    ///
    /// ```
    /// # use cloakroom_core::UnixTime;
    /// assert_eq!(UnixTime::from_secs(60).as_secs(), 60);
    /// ```
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        if seconds > Self::MAX.0 {
            Self::MAX
        } else {
            Self(seconds)
        }
    }

    /// Seconds since the epoch.
    ///
    /// ```
    /// # use cloakroom_core::UnixTime;
    /// assert_eq!(UnixTime::default().as_secs(), 0);
    /// ```
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The time from `earlier` until this moment; zero if `earlier` is not earlier.
    ///
    /// ```
    /// # use cloakroom_core::UnixTime;
    /// assert_eq!(UnixTime::from_secs(9).since(UnixTime::from_secs(4)).as_secs(), 5);
    /// ```
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, rest: Duration) -> Self {
        Self::from_secs(self.0.saturating_add(rest.as_secs()))
    }
}

impl From<SystemTime> for UnixTime {
    /// Drops the fraction of a second; a moment before 1970 becomes 1970.
    fn from(time: SystemTime) -> Self {
        Self::from_secs(
            time.duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
