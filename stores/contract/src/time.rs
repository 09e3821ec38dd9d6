use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in whole seconds since 1970-01-01 00:00:00 UTC.
///
/// Every store can keep seconds (Memcached keeps nothing finer). All arithmetic saturates, so no
/// clock reading can make it overflow. `Display` writes RFC 3339, and there are conversions from
/// and to [`SystemTime`].
///
/// ```
/// use cloakroom_store::UnixTime;
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
    /// The last moment that every store can represent: 9999-12-31 23:59:59 UTC, the end of SQL's
    /// and BSON's dates.
    ///
    /// ```
    /// # use cloakroom_store::UnixTime;
    /// assert_eq!(UnixTime::from_secs(u64::MAX), UnixTime::MAX);
    /// ```
    pub const MAX: Self = Self(253_402_300_799);

    /// Returns the moment `seconds` after the epoch, at most [`UnixTime::MAX`].
    ///
    /// ```
    /// # use cloakroom_store::UnixTime;
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

    /// Returns the seconds since the epoch.
    ///
    /// ```
    /// # use cloakroom_store::UnixTime;
    /// assert_eq!(UnixTime::default().as_secs(), 0);
    /// ```
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` until this moment, or zero if `earlier` is later.
    ///
    /// ```
    /// # use cloakroom_store::UnixTime;
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
    /// Drops the fraction of a second. A moment before 1970 becomes 1970.
    fn from(time: SystemTime) -> Self {
        Self::from_secs(
            time.duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }
}

/// ```
/// use cloakroom_store::UnixTime;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// let time = SystemTime::from(UnixTime::from_secs(90));
/// assert_eq!(time, UNIX_EPOCH + Duration::from_secs(90));
/// ```
impl From<UnixTime> for SystemTime {
    fn from(time: UnixTime) -> Self {
        UNIX_EPOCH + Duration::from_secs(time.0)
    }
}

/// RFC 3339, in UTC.
///
/// ```
/// use cloakroom_store::UnixTime;
///
/// assert_eq!(
///     UnixTime::from_secs(1_700_000_000).to_string(),
///     "2023-11-14T22:13:20Z"
/// );
/// ```
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        // Days since 0000-03-01, so that a leap day ends its year. An era has 400 years.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, month % 12 + 3);
        let (year, month) = match month {
            13.. => (year + 400 * era + 1, month - 12),
            _ => (year + 400 * era, month),
        };
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::UnixTime;

    #[test]
    fn moments_are_written_as_dates_of_the_gregorian_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (978_307_199, "2000-12-31T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(UnixTime::from_secs(seconds).to_string(), text);
        }
    }
}
