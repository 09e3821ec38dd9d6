//! One shard: everything that happens under one lock.

use std::collections::VecDeque;
use std::time::Duration;

use cloakroom_store::{Key, Stored};
use hashbrown::HashTable;

use crate::Numbers;

/// An allowance for the rest of an entry: the entry itself and its slots in the tables.
/// tests/memory.rs compares it with the allocations.
pub(crate) const OVERHEAD: usize = 512;

#[derive(Default)]
pub(crate) struct Shard {
    /// Boxed: a table that has seen many removals may have more than four slots for each entry.
    entries: HashTable<Box<Entry>>,
    flights: HashTable<Flight>,
    /// Entries by hash and number, in the order in which they were put in. Some are gone.
    order: VecDeque<(u64, u64)>,
    /// Numbers operations and entries.
    count: u64,
    pub(crate) numbers: Numbers,
}

struct Entry {
    hash: u64,
    key: Key,
    stored: Stored,
    number: u64,
    lease: Lease,
    /// How many announcements of this process's own writes are still to come.
    echoes: u32,
}

/// For how long a record may be used, and which operation brought it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    /// Before the operation was sent to the store.
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    /// The record's end, if announcements renew the lease until then.
    pub(crate) renewable: Option<Duration>,
    /// The number of the operation. A later one began later.
    pub(crate) operation: u64,
}

/// The time, and until when renewed leases last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Duration,
    pub(crate) renewed: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Leased,
    Renewed,
    Over,
}

impl Lease {
    fn at(&self, moment: Moment) -> State {
        let now = moment.now;
        // A clock that went back says nothing about how old the entry is.
        if now < self.from {
            return State::Over;
        }
        let is_renewed = || {
            let (end, renewed) = (self.renewable?, moment.renewed?);
            Some(now < end && now < renewed)
        };
        match now < self.until {
            true => State::Leased,
            false if is_renewed() == Some(true) => State::Renewed,
            false => State::Over,
        }
    }
}

/// The operations on one key that the store has not answered yet.
struct Flight {
    hash: u64,
    key: Key,
    running: u32,
    /// How often the record has changed since the first of them began.
    changes: u64,
    /// How many changes the store has announced since then.
    announced: u32,
}

/// Marks an operation that the store has not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marker {
    pub(crate) operation: u64,
    changes: u64,
    announced: u32,
    /// Announcements of earlier writes that had not come yet.
    echoes: u32,
}

/// The events of a key between an operation's beginning and its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meanwhile {
    /// A change of this process, or of everything, overtook it.
    pub(crate) overtaken: bool,
    /// How many changes the store announced.
    pub(crate) announced: u32,
    /// How many announcements of this process's earlier writes may be among them.
    pub(crate) echoes: u32,
}

/// A record that is found in memory.
pub(crate) struct Hit {
    pub(crate) stored: Stored,
    /// By announcements, after the lease of its load.
    pub(crate) renewed: bool,
}

impl Shard {
    pub(crate) fn find(&mut self, hash: u64, key: &Key, moment: Moment) -> Option<Hit> {
        let entry = self.entries.find(hash, |entry| entry.key == *key)?;
        let state = entry.lease.at(moment);
        if state == State::Over {
            self.expire(hash, key);
            return None;
        }
        let renewed = state == State::Renewed;
        self.numbers.hits += 1;
        self.numbers.renewed += u64::from(renewed);
        let stored = entry.stored.clone();
        Some(Hit { stored, renewed })
    }

    /// Removes an entry whose time is over.
    pub(crate) fn expire(&mut self, hash: u64, key: &Key) {
        if self.remove(hash, |entry| entry.key == *key) {
            self.numbers.expired += 1;
        }
    }

    pub(crate) fn begin(&mut self, hash: u64, key: &Key) -> Marker {
        self.count += 1;
        let entry = self.entries.find(hash, |entry| entry.key == *key);
        let echoes = entry.map_or(0, |entry| entry.echoes);
        let flight = self
            .flights
            .entry(hash, |flight| flight.key == *key, |flight| flight.hash)
            .or_insert_with(|| Flight {
                hash,
                key: key.clone(),
                running: 0,
                changes: 0,
                announced: 0,
            });
        let flight = flight.into_mut();
        flight.running += 1;
        Marker {
            operation: self.count,
            changes: flight.changes,
            announced: flight.announced,
            echoes,
        }
    }

    /// Ends an operation. Returns what happened to the record meanwhile.
    pub(crate) fn end(&mut self, hash: u64, key: &Key, marker: Marker) -> Meanwhile {
        let echoes = marker.echoes;
        let Ok(mut flight) = self.flights.find_entry(hash, |flight| flight.key == *key) else {
            return Meanwhile {
                overtaken: true,
                announced: 0,
                echoes,
            };
        };
        let overtaken = flight.get().changes != marker.changes;
        let announced = flight.get().announced.wrapping_sub(marker.announced);
        flight.get_mut().running -= 1;
        if flight.get().running == 0 {
            flight.remove();
        }
        Meanwhile {
            overtaken,
            announced,
            echoes,
        }
    }

    /// Notes a change that the store announced. Drops the entry, unless this process's own write
    /// brought it and its announcement is due.
    pub(crate) fn announce(&mut self, hash: u64, key: &Key) {
        if let Some(flight) = self.flights.find_mut(hash, |flight| flight.key == *key) {
            flight.announced = flight.announced.wrapping_add(1);
        }
        let entry = self.entries.find_mut(hash, |entry| entry.key == *key);
        let Some(entry) = entry else {
            return;
        };
        match entry.echoes.checked_sub(1) {
            Some(left) => entry.echoes = left,
            None => {
                self.remove(hash, |entry| entry.key == *key);
                self.numbers.invalidated += 1;
            }
        }
    }

    /// Drops the entry. What is in flight for this key will not be kept.
    pub(crate) fn forget(&mut self, hash: u64, key: &Key) {
        self.overtake(hash, key);
        if self.remove(hash, |entry| entry.key == *key) {
            self.numbers.invalidated += 1;
        }
    }

    pub(crate) fn overtake(&mut self, hash: u64, key: &Key) {
        if let Some(flight) = self.flights.find_mut(hash, |flight| flight.key == *key) {
            flight.changes += 1;
        }
    }

    /// Returns whether an operation that began after this one has put a record in.
    pub(crate) fn has_later(&self, hash: u64, key: &Key, marker: Marker) -> bool {
        self.entries
            .find(hash, |entry| entry.key == *key)
            .is_some_and(|entry| entry.lease.operation > marker.operation)
    }

    /// Drops all entries. Nothing that is in flight will be kept.
    pub(crate) fn clear(&mut self) {
        for flight in &mut self.flights {
            flight.changes += 1;
        }
        self.numbers.invalidated += self.entries.len() as u64;
        self.entries.clear();
        self.order.clear();
        (self.numbers.entries, self.numbers.bytes) = (0, 0);
    }

    /// Puts a record in, unless an operation that began later has put one in.
    pub(crate) fn keep(
        &mut self,
        hash: u64,
        key: &Key,
        record: Record,
        moment: Moment,
        max_bytes: usize,
    ) {
        let Record {
            stored,
            lease,
            echoes,
        } = record;
        let cost = cost(key, &stored);
        let found = self.entries.find(hash, |entry| entry.key == *key);
        if cost > max_bytes || found.is_some_and(|found| found.lease.operation > lease.operation) {
            return;
        }
        self.remove(hash, |entry| entry.key == *key);
        self.make_room(moment, max_bytes - cost);
        self.count += 1;
        let entry = Box::new(Entry {
            hash,
            key: key.clone(),
            stored,
            number: self.count,
            lease,
            echoes,
        });
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
        self.order.push_back((hash, self.count));
        self.numbers.entries += 1;
        self.numbers.bytes += cost;
    }

    /// Removes entries from the oldest on: those whose lease has ended, and as many others as it
    /// takes.
    fn make_room(&mut self, moment: Moment, max_bytes: usize) {
        while let Some(&(hash, number)) = self.order.front() {
            let found = self.entries.find(hash, |entry| entry.number == number);
            match found {
                Some(entry) if entry.lease.at(moment) == State::Over => self.numbers.expired += 1,
                Some(_) if self.numbers.bytes > max_bytes => self.numbers.evicted += 1,
                Some(_) => break,
                None => {}
            }
            self.remove(hash, |entry| entry.number == number);
            self.order.pop_front();
        }
        // Entries that were dropped leave their numbers behind.
        if self.order.len() > 2 * self.entries.len() + 16 {
            let entries = &self.entries;
            self.order.retain(|&(hash, number)| {
                entries.find(hash, |entry| entry.number == number).is_some()
            });
        }
    }

    fn remove(&mut self, hash: u64, mut is: impl FnMut(&Entry) -> bool) -> bool {
        let Ok(entry) = self.entries.find_entry(hash, |entry| is(entry)) else {
            return false;
        };
        let (entry, _) = entry.remove();
        self.numbers.entries -= 1;
        self.numbers.bytes -= cost(&entry.key, &entry.stored);
        true
    }

    /// Sets when a record ends that was touched.
    pub(crate) fn touch(&mut self, hash: u64, key: &Key, touched: &Touch) {
        if let Some(entry) = self.entries.find_mut(hash, |entry| entry.key == *key) {
            entry.stored.expires_at = touched.expires_at;
            entry.lease.until = entry.lease.until.min(touched.until);
            entry.lease.renewable = entry.lease.renewable.map(|_| touched.until);
        }
    }
}

/// A record that is put in.
pub(crate) struct Record {
    pub(crate) stored: Stored,
    pub(crate) lease: Lease,
    pub(crate) echoes: u32,
}

/// The new end of a record.
pub(crate) struct Touch {
    pub(crate) expires_at: cloakroom_store::UnixTime,
    /// The same by the cache's clock.
    pub(crate) until: Duration,
}

fn cost(key: &Key, stored: &Stored) -> usize {
    key.as_bytes().len() + stored.bytes.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloakroom_store::UnixTime;

    const SECOND: Duration = Duration::from_secs(1);
    /// Of an entry of `put`.
    const COST: usize = 20 + 100 + OVERHEAD;

    fn key(number: u64) -> Key {
        Key::new(&format!("session:{number:012}")).expect("a key")
    }

    fn put(shard: &mut Shard, number: u64, from: Duration, max_bytes: usize) {
        let lease = Lease {
            from,
            until: from + SECOND,
            renewable: None,
            operation: shard.count,
        };
        let record = Record {
            stored: Stored::new(vec![0; 100], UnixTime::MAX, number),
            lease,
            echoes: 0,
        };
        shard.keep(number, &key(number), record, at(from), max_bytes);
    }

    fn at(now: Duration) -> Moment {
        Moment { now, renewed: None }
    }

    #[test]
    fn the_bytes_stay_below_the_limit_and_the_oldest_go_first() {
        let mut shard = Shard::default();
        let max = 10 * COST;
        for number in 0..100 {
            put(&mut shard, number, Duration::ZERO, max);
            assert!(shard.numbers.bytes <= max);
        }
        assert_eq!(shard.numbers.entries, 10);
        assert_eq!(shard.numbers.evicted, 90);
        for number in 0..100 {
            let found = shard.find(number, &key(number), at(Duration::ZERO));
            assert_eq!(found.is_some(), number >= 90, "{number}");
        }
    }

    #[test]
    fn entries_whose_lease_has_ended_make_room_unasked() {
        let mut shard = Shard::default();
        for number in 0..100 {
            put(&mut shard, number, Duration::ZERO, usize::MAX);
        }
        put(&mut shard, 100, SECOND, usize::MAX);
        assert_eq!(shard.numbers.entries, 1);
        assert_eq!(shard.numbers.expired, 100);
    }

    #[test]
    fn entries_that_come_and_go_leave_nothing_behind() {
        let mut shard = Shard::default();
        put(&mut shard, 1, Duration::ZERO, usize::MAX);
        for _ in 0..10_000 {
            put(&mut shard, 2, Duration::ZERO, usize::MAX);
            shard.forget(2, &key(2));
            assert!(shard.order.len() <= 32, "{}", shard.order.len());
        }
        assert_eq!(shard.numbers.bytes, COST);
    }

    #[test]
    fn a_record_larger_than_the_limit_is_not_kept() {
        let mut shard = Shard::default();
        put(&mut shard, 1, Duration::ZERO, 100);
        assert_eq!(shard.numbers.entries, 0);
    }

    #[test]
    fn markers_leave_nothing_behind() {
        let mut shard = Shard::default();
        let [one, other] = [(); 2].map(|()| shard.begin(1, &key(1)));
        shard.forget(1, &key(1));
        let later = shard.begin(1, &key(1));
        assert!(shard.end(1, &key(1), one).overtaken);
        assert!(!shard.end(1, &key(1), later).overtaken);
        assert!(shard.end(1, &key(1), other).overtaken);
        assert!(shard.flights.is_empty());
    }
}
