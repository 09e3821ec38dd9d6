use std::time::Duration;

use crate::{Error, Stored, UnixTime, Write, record};

/// The highest number. Above it a number was never written by this library.
pub(crate) const MAX_EPOCH: u64 = 1 << 53;

/// How long an epoch's record lives, if no process reads it.
const LIFE: Duration = Duration::from_secs(2 * 365 * 86_400);

/// The epoch of a configuration's sessions. All that began in an earlier one have ended.
///
/// One record of the store has its number, under [`Config::epoch_key`](crate::Config::epoch_key).
/// Each session's record has the number that was known when the session was created or
/// authenticated. To end all sessions, a driver loads the epoch and writes the
/// [`next`](Epoch::next) one by compare-and-swap.
///
/// ```
/// use cloakroom_core::{Epoch, UnixTime};
///
/// let now = UnixTime::from_secs(1_700_000_000);
/// let first = Epoch::read(None)?;
/// assert!(first < first.next(now)?);
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Returns the epoch in its record. Without a record it is the first one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is no record of an epoch.
    ///
    /// ```
    /// # use cloakroom_core::{Epoch, Stored, UnixTime};
    /// let torn = Stored::new("torn", UnixTime::MAX, 1);
    /// assert!(Epoch::read(Some(&torn)).is_err());
    /// ```
    pub fn read(found: Option<&Stored>) -> Result<Self, Error> {
        match found {
            None => Ok(Self::default()),
            Some(found) => record::decode_epoch(&found.bytes)
                .map(Self)
                .ok_or(Error::Corrupt),
        }
    }

    /// Returns the epoch that follows: the time in seconds, or one more than this one if that is
    /// higher.
    ///
    /// The order of epochs rests on the store's compare-and-swap. The time only makes the number
    /// higher than every earlier one even if the store lost the record.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] at the highest number, which no process can have reached.
    ///
    /// ```
    /// # use cloakroom_core::{Epoch, UnixTime};
    /// let now = UnixTime::from_secs(1_700_000_000);
    /// let one = Epoch::default().next(now)?;
    /// assert!(one < one.next(now)?);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn next(self, now: UnixTime) -> Result<Self, Error> {
        let number = (self.0 + 1).max(now.as_secs().min(MAX_EPOCH / 2));
        match number <= MAX_EPOCH {
            true => Ok(Self(number)),
            false => Err(Error::Corrupt),
        }
    }

    /// Returns the record to write. It lives for two years. [`renewal`](Epoch::renewal) extends it.
    ///
    /// ```
    /// # use cloakroom_core::{Epoch, UnixTime};
    /// let write = Epoch::default().write(UnixTime::from_secs(0));
    /// assert!(write.bytes.len() < 20);
    /// ```
    #[must_use]
    pub fn write(self, now: UnixTime) -> Write {
        Write::new(record::encode_epoch(self.0), now + LIFE, None)
    }

    /// Returns the new expiry of an epoch's record, if more than half of its life is over.
    ///
    /// ```
    /// # use cloakroom_core::{Epoch, Stored, UnixTime};
    /// let now = UnixTime::from_secs(1_700_000_000);
    /// let write = Epoch::default().write(now);
    /// let stored = Stored::new(write.bytes, write.expires_at, 1);
    /// assert_eq!(Epoch::renewal(&stored, now), None);
    /// let later = now + std::time::Duration::from_secs(500 * 86_400);
    /// assert!(Epoch::renewal(&stored, later).is_some());
    /// ```
    #[must_use]
    pub fn renewal(found: &Stored, now: UnixTime) -> Option<UnixTime> {
        (found.expires_at.since(now) < LIFE / 2).then(|| now + LIFE)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}
