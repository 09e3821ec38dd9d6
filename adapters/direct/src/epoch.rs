//! The epoch, as this process knows it: of an earlier one all sessions have ended.
//!
//! An answer of the store counts for a lease. It begins before the load is sent, so neither a slow
//! answer nor a pause of the process makes it longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cloakroom_core::{Config, Epoch, Key, Stored, UnixTime};
use cloakroom_store::{Created, Replaced, Store, StoreError};

use crate::Error;
use crate::drive::reload_key;
use crate::inner::Inner;
use crate::observe::Operation;

/// How often one request asks for the epoch, if each answer takes longer than the lease.
const ATTEMPTS: u32 = 3;

/// The epoch as far as this process knows it.
#[derive(Default)]
pub(crate) struct Epochs {
    known: Mutex<Known>,
    /// A request renews the lease before its end, so that the others need not wait.
    renewing: AtomicBool,
}

#[derive(Default)]
struct Known {
    /// The highest epoch that was seen, and its record.
    epoch: Epoch,
    found: Option<Stored>,
    /// When the load was sent that the lease counts from.
    since: Option<Moment>,
}

/// A moment by both clocks. The monotonic one stands still while the machine sleeps, and the other
/// one may be set. The longer time counts.
#[derive(Clone, Copy)]
pub(crate) enum Moment {
    System(Instant, SystemTime),
    Given(UnixTime),
}

impl Moment {
    /// Returns how long ago an earlier moment was. `None` if a clock was set back.
    fn since(self, earlier: Self) -> Option<Duration> {
        match (self, earlier) {
            (Self::System(now, wall), Self::System(then, wall_then)) => {
                let by_wall = wall.duration_since(wall_then).ok()?;
                Some(now.saturating_duration_since(then).max(by_wall))
            }
            (Self::Given(now), Self::Given(then)) => (now >= then).then(|| now.since(then)),
            _ => None,
        }
    }

    /// Returns whether this moment is not before another one, whatever the wall clock shows.
    fn follows(self, other: Self) -> bool {
        match (self, other) {
            (Self::System(this, _), Self::System(other, _)) => this >= other,
            _ => true,
        }
    }
}

/// The renewal of a lease that is about to end, until it is dropped.
struct Renewal<'a>(&'a AtomicBool);

impl Drop for Renewal<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Epochs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known, and for how long it has been, while the lease lasts.
    fn recall(&self, now: Moment, lease: Duration) -> Option<(Option<Stored>, Duration)> {
        let known = self.known();
        let age = now.since(known.since?).filter(|age| *age < lease)?;
        Some((known.found.clone(), age))
    }

    /// Keeps what a load returned that was sent at this moment. Returns the highest epoch, if the
    /// store has a lower one: it has lost the record.
    pub(crate) fn learn(
        &self,
        found: Option<Stored>,
        sent: Moment,
    ) -> Result<Option<Epoch>, cloakroom_core::Error> {
        let epoch = Epoch::read(found.as_ref())?;
        let mut known = self.known();
        // An answer that was overtaken by a later one changes nothing.
        let newer = known.since.is_none_or(|since| sent.follows(since));
        if newer {
            known.since = Some(sent);
        }
        if epoch >= known.epoch {
            (known.epoch, known.found) = (epoch, found);
        }
        Ok((newer && epoch < known.epoch).then_some(known.epoch))
    }

    /// Returns the highest epoch that this process has seen.
    pub(crate) fn highest(&self) -> Epoch {
        self.known().epoch
    }

    fn renewal(&self) -> Option<Renewal<'_>> {
        let free = !self.renewing.swap(true, Ordering::AcqRel);
        free.then(|| Renewal(&self.renewing))
    }
}

impl<S: Store> Inner<S> {
    /// Returns the present moment, for leases. A clock that tests have set measures these too.
    pub(crate) fn moment(&self) -> Moment {
        match &self.clock {
            Some(clock) => Moment::Given(clock()),
            None => Moment::System(Instant::now(), SystemTime::now()),
        }
    }

    /// Returns the record of the epoch for exchanges that were not opened by a request. `None` if
    /// the configuration has no epochs.
    pub(crate) async fn epoch(&self) -> Result<Option<(Key, Option<Stored>)>, Error> {
        match self.config.epoch_key() {
            None => Ok(None),
            Some(key) => Ok(Some((key.clone(), load_epoch(self, key).await?))),
        }
    }
}

/// Returns whether this is the key of the epoch's record.
pub(crate) fn is_epoch(config: &Config, key: &Key) -> bool {
    config.epoch_key() == Some(key)
}

/// Returns the epoch's record as it was at most a lease ago.
pub(crate) async fn load_epoch<S: Store>(
    sessions: &Inner<S>,
    key: &Key,
) -> Result<Option<Stored>, Error> {
    let (epochs, lease) = (&sessions.epochs, sessions.config.end_all_within());
    let lease = lease.unwrap_or_default();
    let (mut renewal, mut asked) = (None, false);
    for _ in 0..ATTEMPTS {
        if let Some((found, age)) = epochs.recall(sessions.moment(), lease) {
            if asked || age < lease * 3 / 4 {
                return Ok(found);
            }
            renewal = epochs.renewal();
            if renewal.is_none() {
                return Ok(found);
            }
        }
        asked = true;
        let sent = sessions.moment();
        let found = match reload_key(sessions, key).await {
            Ok(found) => found,
            // The lease has not ended yet.
            Err(_) if renewal.is_some() => continue,
            Err(error) => return Err(error),
        };
        let lost = epochs.learn(found.clone(), sent)?;
        if let Some(highest) = lost {
            write_again(sessions, key, found, highest).await;
        } else if let Some(found) = found {
            renew(sessions, key, &found).await;
        }
    }
    match epochs.recall(sessions.moment(), lease) {
        Some((found, _)) => Ok(found),
        None => Err(StoreError::transient(
            "epoch",
            "the store took longer than the lease of `end_all_within` each time; raise the lease, \
             or look why the store is slow",
        )
        .into()),
    }
}

/// The store has lost the record, as a cache may: the sessions of earlier epochs stay ended.
#[cold]
async fn write_again<S: Store>(
    sessions: &Inner<S>,
    key: &Key,
    found: Option<Stored>,
    highest: Epoch,
) {
    let write = highest.write(sessions.now());
    let start = sessions.observer.start();
    // If it fails, the next lease tries again.
    let done = match found {
        None => {
            let answer = sessions.store.create(key, &write).await;
            sessions.observer.end(start, Operation::Create, &answer);
            matches!(answer, Ok(Created::Stored))
        }
        Some(old) => {
            let answer = sessions.store.replace(key, &old, &write).await;
            sessions.observer.end(start, Operation::Replace, &answer);
            matches!(answer, Ok(Replaced::Stored))
        }
    };
    // Otherwise the answer was out of date, and nothing was lost.
    if done {
        tracing::warn!("the store had lost the epoch of end_all, which was written again");
    }
}

/// Extends the record's life, if it is due: once in a year.
async fn renew<S: Store>(sessions: &Inner<S>, key: &Key, found: &Stored) {
    if let Some(expires_at) = Epoch::renewal(found, sessions.now()) {
        let start = sessions.observer.start();
        let answer = sessions.store.touch(key, expires_at).await;
        sessions.observer.end(start, Operation::Touch, &answer);
    }
}
