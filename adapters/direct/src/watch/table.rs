//! The watched sessions: when to look at each, and the meaning of a look. No I/O and no clock.
//!
//! ```text
//! watched ─▶ due ─▶ look ─ lives ──────▶ due again, three quarters of a lease after it began
//!             ▲      ├─── ended ──────▶ resolved
//!             │      └─── error, none ─▶ due again soon
//!            hint                        └ a lease after the last look that found it living
//!                                          began: resolved with the error
//! ```

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use cloakroom_core::{Error as SessionError, Key, Seen, UnixTime};
use cloakroom_store::StoreError;

use super::mutant::{Mutant, is};
use crate::{Cause, Ended, Error};

/// How many looks are under way at a time.
const AT_ONCE: usize = 64;

/// A retired record is kept at least this long. After a longer time without a look, a missing
/// record does not prove that the session has ended: it may have been rotated.
const KEPT: Duration = Duration::from_secs(60);

/// One that waits.
pub(crate) trait Waiter {
    /// Returns whether nobody waits any more.
    fn is_gone(&self) -> bool;
}

pub(crate) struct Table<W> {
    lease: Duration,
    entries: HashMap<Key, Entry<W>>,
    /// The sessions to look at, by time. Those that are being looked at are not among them.
    due: BTreeMap<Slot, Key>,
    /// All sessions, by the time at which somebody must be told.
    deadlines: BTreeMap<Slot, Key>,
    flights: usize,
    count: u64,
    /// When the watcher last went on after it had been kept from it.
    resumed: Duration,
    /// When it asked to be called again, at the latest.
    expected: Option<Duration>,
    pub(crate) mutant: Mutant,
}

type Slot = (Duration, u64);

struct Entry<W> {
    number: u64,
    waiters: Vec<W>,
    /// The beginning of the last look that found it living, or of the watch.
    confirmed: Duration,
    deadline: Duration,
    /// When to look, unless a look is under way.
    due: Option<Duration>,
    flight: Option<Flight>,
    looks: u64,
    /// A hint came during the look.
    again: bool,
    cause: Option<Cause>,
    /// When it expires, as it was last seen.
    until: Option<UnixTime>,
    failure: Option<Error>,
}

#[derive(Clone, Copy)]
struct Flight {
    number: u64,
    began: Duration,
}

/// The next thing to do.
pub(crate) enum Step<W> {
    /// Look at this session, and answer with the number.
    Look(Key, u64),
    /// Tell them.
    Tell(Vec<W>, Result<Ended, Error>),
    /// Nothing before this time.
    Wait(Duration),
    /// Nobody waits for anything.
    Stop,
}

impl<W: Waiter> Table<W> {
    pub(crate) fn new(lease: Duration) -> Self {
        Self {
            lease,
            entries: HashMap::new(),
            due: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            flights: 0,
            count: 0,
            resumed: Duration::ZERO,
            expected: None,
            mutant: Mutant::default(),
        }
    }

    fn period(&self) -> Duration {
        self.lease * 3 / 4
    }

    /// Adds a waiter for the end of this session. A session that nobody watches yet is looked at
    /// first.
    pub(crate) fn watch(&mut self, key: Key, waiter: W, now: Duration) {
        if let Some(entry) = self.entries.get_mut(&key) {
            // A loop that asks again and again leaves no more than twice what it needs.
            if entry.waiters.len() == entry.waiters.capacity() {
                entry.waiters.retain(|waiter| !waiter.is_gone());
            }
            entry.waiters.push(waiter);
            return;
        }
        self.count += 1;
        let entry = Entry {
            number: self.count,
            waiters: vec![waiter],
            confirmed: now,
            deadline: now + self.lease,
            due: Some(now),
            flight: None,
            looks: 0,
            again: false,
            cause: None,
            until: None,
            failure: None,
        };
        self.due.insert((now, entry.number), key.clone());
        let deadline = (entry.deadline, entry.number);
        self.deadlines.insert(deadline, key.clone());
        self.entries.insert(key, entry);
    }

    /// Returns what to do now. Call it again until it is to wait, and then when something has
    /// happened, or at that time.
    pub(crate) fn next(&mut self, now: Duration) -> Step<W> {
        self.note_pause(now);
        while let Some((slot, key)) = self.deadlines.first_key_value() {
            let (slot, key) = (*slot, key.clone());
            if slot.0 > now || is!(self.mutant, WaitsForLook) {
                break;
            }
            // After a pause every session gets one look more.
            let chance = self.resumed + self.lease / 4;
            if slot.0 < chance && now < chance {
                self.set_deadline(&key, chance);
                continue;
            }
            if let Some(entry) = self.remove(&key) {
                let failure = entry.failure.unwrap_or_else(|| too_late().into());
                return Step::Tell(entry.waiters, Err(failure));
            }
        }
        while self.flights < AT_ONCE {
            let Some((slot, key)) = self.due.first_key_value() else {
                break;
            };
            let (slot, key) = (*slot, key.clone());
            if slot.0 > now {
                break;
            }
            self.due.remove(&slot);
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            entry.due = None;
            entry.waiters.retain(|waiter| !waiter.is_gone());
            if entry.waiters.is_empty() {
                self.remove(&key);
                continue;
            }
            self.count += 1;
            let number = self.count;
            entry.flight = Some(Flight { number, began: now });
            self.flights += 1;
            return Step::Look(key, number);
        }
        self.wait(now)
    }

    fn wait(&mut self, now: Duration) -> Step<W> {
        if self.entries.is_empty() {
            self.expected = None;
            return Step::Stop;
        }
        let due = self.due.keys().next().filter(|_| self.flights < AT_ONCE);
        let times = due.into_iter().chain(self.deadlines.keys().next());
        let until = times.map(|slot| slot.0).min();
        let until = until.unwrap_or(now + self.lease);
        self.expected = Some(until);
        Step::Wait(until)
    }

    /// A process that was paused, or a thread that was kept busy, is called late.
    fn note_pause(&mut self, now: Duration) {
        let expected = self.expected.take();
        if expected.is_some_and(|expected| now > expected + self.lease / 8) {
            self.resumed = now;
        }
    }

    /// Takes the result of a look. Returns what to tell to whom.
    pub(crate) fn answered(
        &mut self,
        key: &Key,
        number: u64,
        result: Result<Seen, Error>,
        now: Duration,
        wall: UnixTime,
    ) -> Option<(Vec<W>, Result<Ended, Error>)> {
        let entry = self.entries.get_mut(key)?;
        let flight = entry.flight?;
        // That look took too long, and this session is another watch of the same key.
        if flight.number != number && !is!(self.mutant, TakesOldAnswers) {
            return None;
        }
        entry.flight = None;
        self.flights -= 1;
        let late = flight.began - entry.confirmed >= KEPT && !is!(self.mutant, TrustsLateMisses);
        let seen = match result {
            Err(_) if is!(self.mutant, EndsOnError) => Seen::Missing,
            Ok(Seen::SignedIn) if is!(self.mutant, CrossesSignIn) => {
                let until = UnixTime::MAX;
                Seen::Lives { until }
            }
            Ok(Seen::Rotated { .. }) if is!(self.mutant, EndsOnRotation) => Seen::Missing,
            Ok(Seen::Missing) if late => {
                return self.failed(key, SessionError::GraceExpired.into(), now);
            }
            Ok(seen) => seen,
            Err(error) => return self.failed(key, error, now),
        };
        let ended = match seen {
            Seen::Lives { until } => {
                self.lives(key, flight, until, now);
                return None;
            }
            Seen::Rotated { id } => Ended::Rotated { id },
            Seen::SignedIn => Ended::SignedIn,
            Seen::Expired => Ended::Expired,
            // A look of a newer version of core.
            _ => match (entry.cause, entry.until) {
                (Some(Cause::OwnRequest), _) => Ended::SignedOut,
                (Some(_), _) => Ended::Revoked,
                (None, Some(until)) if wall >= until => Ended::Expired,
                (None, _) => Ended::Gone,
            },
        };
        let entry = self.remove(key)?;
        Some((entry.waiters, Ok(ended)))
    }

    fn lives(&mut self, key: &Key, flight: Flight, until: UnixTime, now: Duration) {
        let (lease, period) = (self.lease, self.period());
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.confirmed = match is!(self.mutant, LeaseFromReply) {
            true => now,
            false => flight.began,
        };
        (entry.until, entry.failure, entry.looks) = (Some(until), None, entry.looks + 1);
        let deadline = entry.confirmed + lease;
        let again = std::mem::take(&mut entry.again);
        if !again {
            entry.cause = None;
        }
        let due = match (again, entry.looks) {
            (true, _) => now,
            _ if is!(self.mutant, TrustsHints) => now + lease * 1_000,
            // Connections that open together are looked at one by one from then on.
            (false, 1) => flight.began + period * spread(entry.number) / 256,
            (false, _) => entry.confirmed + period,
        };
        let deadline = match is!(self.mutant, TrustsHints) {
            true => due,
            false => deadline,
        };
        self.set_due(key, due);
        self.set_deadline(key, deadline);
    }

    fn failed(
        &mut self,
        key: &Key,
        error: Error,
        now: Duration,
    ) -> Option<(Vec<W>, Result<Ended, Error>)> {
        let (soon, lease) = (now + self.lease / 8, self.lease);
        let entry = self.entries.get_mut(key)?;
        entry.failure = Some(error);
        entry.again = false;
        self.set_due(key, soon);
        if is!(self.mutant, ErrorsConfirm) {
            self.set_deadline(key, now + lease);
        }
        None
    }

    /// Notes that a session may have changed: it is looked at now. `cause` says how this process
    /// ended it.
    pub(crate) fn hint(&mut self, key: &Key, cause: Option<Cause>, now: Duration) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.cause = cause.or(entry.cause);
        match entry.flight {
            // That look may have read before the change.
            Some(_) => entry.again |= !is!(self.mutant, HintsCoveredByLook),
            None => self.set_due(key, now),
        }
    }

    /// Notes that any session may have changed.
    pub(crate) fn lost(&mut self, now: Duration) {
        if is!(self.mutant, IgnoresLost) {
            return;
        }
        let keys: Vec<_> = self.entries.keys().cloned().collect();
        for key in keys {
            self.hint(&key, None, now);
        }
    }

    fn set_due(&mut self, key: &Key, due: Duration) {
        if let Some(entry) = self.entries.get_mut(key) {
            if let Some(before) = entry.due.replace(due) {
                self.due.remove(&(before, entry.number));
            }
            self.due.insert((due, entry.number), key.clone());
        }
    }

    fn set_deadline(&mut self, key: &Key, deadline: Duration) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.deadlines.remove(&(entry.deadline, entry.number));
            entry.deadline = deadline;
            self.deadlines.insert((deadline, entry.number), key.clone());
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Entry<W>> {
        let entry = self.entries.remove(key)?;
        if let Some(due) = entry.due {
            self.due.remove(&(due, entry.number));
        }
        self.deadlines.remove(&(entry.deadline, entry.number));
        self.flights -= usize::from(entry.flight.is_some());
        Some(entry)
    }

    /// Returns all who wait.
    pub(crate) fn into_waiters(self) -> Vec<W> {
        let entries = self.entries.into_values();
        entries.flat_map(|entry| entry.waiters).collect()
    }
}

/// The error of a look without an answer.
pub(crate) fn too_late() -> StoreError {
    StoreError::transient(
        "session",
        "no look at a watched session was answered within the lease; look at the store, or set a \
         longer `Sessions::with_lease`",
    )
}

/// Returns 1 to 256, evenly for consecutive numbers.
fn spread(number: u64) -> u32 {
    let golden = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::from(golden.to_be_bytes()[0]) + 1
}
