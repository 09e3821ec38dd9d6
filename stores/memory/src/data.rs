//! The data that all handles of a store share.

use parking_lot::{Mutex, MutexGuard};
use std::time::SystemTime;

use cloakroom_store::{
    Created, Cursor, Deleted, Entry, Key, Page, Replaced, StoreError, Stored, Touched, UnixTime,
    Write,
};

use crate::feed::Listeners;
use crate::hashing::Hashing;
use crate::limits::{Limits, Share};
use crate::record::Record;
use crate::shard::Shard;

/// Enough shards that threads seldom meet. Five million records are 40,000 per shard, so growing a
/// table or turning back a clock pauses only briefly. Few enough that an empty store is small.
pub(crate) const SHARDS: usize = 128;

/// Expiry work that a write does in passing. A record needs about four steps in its life, so that
/// writes keep up.
const STEPS_IN_PASSING: usize = 8;

/// Expiry work under one lock. The longest that a sweep keeps anybody waiting.
const STEPS_IN_SWEEP: usize = 128;

/// Records that a write removes at a time when the store is full.
const ROOM: usize = 64;

pub(crate) type Clock = Box<dyn Fn() -> UnixTime + Send + Sync>;

pub(crate) struct Data {
    pub(crate) shards: Box<[Mutex<Shard>]>,
    pub(crate) limits: Limits,
    pub(crate) hashing: Hashing,
    /// None: the system's.
    pub(crate) clock: Option<Clock>,
    pub(crate) listeners: Listeners,
}

/// The clock is read while the shard is locked. So no shard sees time go back because two threads
/// changed places. It is read before anything changes, so a clock that panics breaks nothing.
impl Data {
    pub(crate) fn load(&self, key: &Key) -> Option<Stored> {
        let (shard, hash) = self.place(key);
        let stored = {
            let shard = lock(shard);
            shard.get(shard.find(hash, key)?).stored()
        };
        (self.now() < stored.expires_at).then_some(stored)
    }

    /// Creates a record, and returns the version that it got.
    pub(crate) fn create(
        &self,
        key: &Key,
        write: &Write,
    ) -> Result<(Created, Option<u64>), StoreError> {
        let (shard, hash) = self.place(key);
        let record = Record::new(key, write);
        let cost = record.cost();
        loop {
            {
                let (mut shard, now) = self.write(shard);
                if let Some(slot) = shard.find(hash, key) {
                    if now.as_secs() < shard.get(slot).expires() {
                        return Ok((Created::Taken, None));
                    }
                    self.remove(&mut shard, slot);
                }
                let share = Share::of_subject(write.subject.is_some());
                if shard.has_room() && self.limits.reserve(cost, share) {
                    let version = shard.insert(&self.hashing, hash, record);
                    return Ok((Created::Stored, Some(version)));
                }
            }
            self.make_room()?;
        }
    }

    /// Replaces a record, and returns the version that the new one got.
    pub(crate) fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<(Replaced, Option<u64>), StoreError> {
        let (shard, hash) = self.place(key);
        let record = Record::new(key, write);
        loop {
            {
                let (mut shard, now) = self.write(shard);
                let Some(slot) = living(&shard, hash, key, now) else {
                    return Ok((Replaced::Gone, None));
                };
                let found = shard.get(slot);
                if found.version != old.version {
                    return Ok((Replaced::Changed, None));
                }
                // A record that was rotated away has no subject, is a little longer, and ends soon.
                let ends_sooner = record.expires() < found.expires();
                let has_subject = record.subject().is_some() || found.subject().is_some();
                let share = Share::of_subject(ends_sooner || has_subject);
                if self.limits.exchange(found.cost(), record.cost(), share) {
                    let replaced = shard.replace(&self.hashing, slot, record);
                    let version = shard.get(slot).version;
                    drop(shard);
                    drop(replaced);
                    return Ok((Replaced::Stored, Some(version)));
                }
            }
            self.make_room()?;
        }
    }

    pub(crate) fn touch(&self, key: &Key, expires_at: UnixTime) -> Touched {
        let (shard, hash) = self.place(key);
        let (mut shard, now) = self.write(shard);
        match living(&shard, hash, key, now) {
            Some(slot) => {
                shard.touch(slot, expires_at);
                Touched::Extended
            }
            None => Touched::Gone,
        }
    }

    pub(crate) fn delete(&self, key: &Key, old: &Stored) -> Deleted {
        let (shard, hash) = self.place(key);
        let (mut shard, now) = self.write(shard);
        match living(&shard, hash, key, now) {
            None => Deleted::Gone,
            Some(slot) if shard.get(slot).version != old.version => Deleted::Changed,
            Some(slot) => {
                self.remove(&mut shard, slot);
                Deleted::Deleted
            }
        }
    }

    /// At most `limit` records of a subject.
    pub(crate) fn list(&self, subject: &str, limit: usize) -> Vec<(Key, Stored)> {
        let hash = self.hashing.subject(subject.as_bytes());
        let now = self.now();
        let mut found = Vec::new();
        for shard in &self.shards {
            if found.len() >= limit {
                break;
            }
            lock(shard).list(hash, subject, now, limit, &mut found);
        }
        found
    }

    /// Returns the records behind `after`: shard by shard, and in a shard by their keys, because a
    /// removal gives records other slots.
    pub(crate) fn page(&self, after: Option<&Key>, limit: usize) -> Page {
        let mut page = Page::default();
        let first = after.map_or(0, |after| self.number(self.hashing.key(after.as_bytes())));
        let mut after = after.map(Key::as_bytes);
        let mut last = None;
        for shard in self.shards.iter().skip(first) {
            let left = limit.max(1) - page.records.len();
            let mut found = lock(shard).after(after.take(), left);
            last = found.last().map(|entry: &Entry| entry.key.clone()).or(last);
            page.records.append(&mut found);
            if page.records.len() >= limit.max(1) {
                page.next = last.as_ref().map(|key| Cursor::new(key.as_str()));
                break;
            }
        }
        let now = self.now();
        page.records.retain(|entry| now < entry.stored.expires_at);
        page
    }

    /// Removes up to `limit` expired records, and stops early if `stop` returns true. Never holds a
    /// lock for long.
    pub(crate) fn sweep(&self, limit: usize, stop: impl Fn() -> bool) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            let mut shard = lock(shard);
            loop {
                if removed == limit || stop() {
                    return removed;
                }
                // Waiting operations go first.
                MutexGuard::bump(&mut shard);
                let now = self.now();
                let limit = limit - removed;
                let (some, more) =
                    shard.expire(&self.hashing, &self.limits, now, limit, STEPS_IN_SWEEP);
                removed += some;
                if !more {
                    break;
                }
            }
        }
        removed
    }

    fn now(&self) -> UnixTime {
        match &self.clock {
            None => SystemTime::now().into(),
            Some(clock) => clock(),
        }
    }

    fn place(&self, key: &Key) -> (&Mutex<Shard>, u32) {
        let hash = self.hashing.key(key.as_bytes());
        // The shard from the upper half, the place in it from the lower.
        (&self.shards[self.number(hash)], hash as u32)
    }

    fn number(&self, hash: u64) -> usize {
        (hash >> 32) as usize % self.shards.len()
    }

    /// Returns the shard, locked, with some expiry work done.
    fn write<'a>(&self, shard: &'a Mutex<Shard>) -> (MutexGuard<'a, Shard>, UnixTime) {
        let mut shard = lock(shard);
        let now = self.now();
        shard.expire(
            &self.hashing,
            &self.limits,
            now,
            usize::MAX,
            STEPS_IN_PASSING,
        );
        (shard, now)
    }

    fn remove(&self, shard: &mut Shard, slot: u32) {
        if let Some(record) = shard.remove(&self.hashing, slot) {
            self.limits.release(record.cost());
        }
    }

    #[cold]
    fn make_room(&self) -> Result<(), StoreError> {
        match self.sweep(ROOM, || false) {
            0 => Err(self.limits.full()),
            _ => Ok(()),
        }
    }
}

/// A panic while the lock was held can only have come from the clock, before anything changed: the
/// shard is whole.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock()
}

fn living(shard: &Shard, hash: u32, key: &Key, now: UnixTime) -> Option<u32> {
    shard
        .find(hash, key)
        .filter(|slot| now.as_secs() < shard.get(*slot).expires())
}
