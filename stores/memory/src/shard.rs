//! One shard: everything that happens under one lock.

use cloakroom_store::{Entry, Key, Stored, UnixTime};

use crate::hashing::Hashing;
use crate::index::Index;
use crate::limits::Limits;
use crate::record::{NIL, Record};
use crate::slab::Slab;
use crate::wheel::{Step, Wheel};

/// Records, each in a slot, found by key, by subject, and by expiry.
///
/// Nothing in here can panic half-way, so that a lock poisoned by a panic elsewhere still guards a
/// whole shard.
pub(crate) struct Shard {
    keys: Index,
    subjects: Index,
    slab: Slab,
    wheel: Wheel,
    /// Counts in steps of the number of shards, so that no two shards ever give the same.
    version: u64,
    version_step: u64,
}

impl Shard {
    pub(crate) fn new(number: usize, shards: usize) -> Self {
        Self {
            keys: Index::default(),
            subjects: Index::default(),
            slab: Slab::default(),
            wheel: Wheel::default(),
            version: number as u64,
            version_step: shards as u64,
        }
    }

    /// The slot of the record under `key`, be it expired or not. Valid until the next removal.
    pub(crate) fn find(&self, hash: u32, key: &Key) -> Option<u32> {
        self.keys
            .find(hash, |slot| self.slab.get(slot).key() == key.as_bytes())
    }

    pub(crate) fn get(&self, slot: u32) -> &Record {
        self.slab.get(slot)
    }

    /// Returns whether there is a number left for one more record.
    pub(crate) fn has_room(&self) -> bool {
        self.slab.len() < NIL as usize
    }

    /// Puts in a record whose key is not there. Returns its version.
    pub(crate) fn insert(&mut self, hashing: &Hashing, hash: u32, mut record: Record) -> u64 {
        let version = self.next_version();
        record.version = version;
        let slot = self.slab.push(record);
        self.keys.insert(hash, slot);
        self.enlist(hashing, slot);
        self.wheel.link(&mut self.slab, slot);
        version
    }

    /// Replaces the record in `slot`, which has the same key, by `record`, and returns the old one.
    pub(crate) fn replace(&mut self, hashing: &Hashing, slot: u32, mut record: Record) -> Record {
        record.version = self.next_version();
        self.wheel.unlink(&mut self.slab, slot);
        let same_subject = self.slab.get(slot).subject() == record.subject();
        if !same_subject {
            self.delist(hashing, slot);
        }
        let old = std::mem::replace(self.slab.get_mut(slot), record);
        if !same_subject {
            self.enlist(hashing, slot);
        }
        self.wheel.link(&mut self.slab, slot);
        old
    }

    pub(crate) fn touch(&mut self, slot: u32, expires_at: UnixTime) {
        self.wheel.unlink(&mut self.slab, slot);
        self.slab.get_mut(slot).set_expires(expires_at.as_secs());
        self.wheel.link(&mut self.slab, slot);
    }

    /// Takes out the record in `slot`. The record with the highest number takes its place.
    pub(crate) fn remove(&mut self, hashing: &Hashing, slot: u32) -> Option<Record> {
        let hash = hashing.key(self.slab.get(slot).key()) as u32;
        self.keys.remove(hash, slot);
        self.delist(hashing, slot);
        self.wheel.unlink(&mut self.slab, slot);
        let removed = self.slab.swap_remove(slot);

        let last = self.slab.len() as u32;
        if slot != last {
            let moved = self.slab.get(slot);
            let hash = hashing.key(moved.key()) as u32;
            self.keys.renumber(hash, last, slot);
            if let Some(subject) = moved.subject() {
                self.subjects.renumber(hashing.subject(subject), last, slot);
            }
            self.wheel.relocated(&mut self.slab, slot);
        }
        removed
    }

    /// Removes expired records, at most `limit` of them and in at most `steps` steps. Says how
    /// many, and whether there may be more.
    pub(crate) fn expire(
        &mut self,
        hashing: &Hashing,
        limits: &Limits,
        now: UnixTime,
        limit: usize,
        steps: usize,
    ) -> (usize, bool) {
        let now = now.as_secs();
        self.wheel.rewind(&mut self.slab, now);
        let mut removed = 0;
        for _ in 0..steps {
            if removed == limit {
                break;
            }
            match self.wheel.step(&mut self.slab, now) {
                Step::Idle => return (removed, false),
                Step::Moved => {}
                Step::Expired(slot) => {
                    if let Some(record) = self.remove(hashing, slot) {
                        limits.release(record.cost());
                        removed += 1;
                    }
                }
            }
        }
        (removed, true)
    }

    /// The subject's records, be they expired or not.
    /// Adds the living records of a subject, until there are `limit`.
    pub(crate) fn list(
        &self,
        hash: u32,
        subject: &str,
        now: UnixTime,
        limit: usize,
        found: &mut Vec<(Key, Stored)>,
    ) {
        let records = self.subjects.all(hash).map(|slot| self.slab.get(slot));
        let is_wanted = |record: &&Record| {
            record.subject() == Some(subject.as_bytes()) && now.as_secs() < record.expires()
        };
        for record in records.filter(is_wanted).take(limit - found.len()) {
            // Always a key: it came from one.
            let key = str::from_utf8(record.key()).ok().and_then(Key::new);
            found.extend(key.map(|key| (key, record.stored())));
        }
    }

    /// The first records behind this key, in the order of their keys, be they expired or not.
    pub(crate) fn after(&self, after: Option<&[u8]>, limit: usize) -> Vec<Entry> {
        let records = (0..self.slab.len()).map(|slot| self.slab.get(slot as u32));
        let is_behind = |record: &&Record| after.is_none_or(|after| record.key() > after);
        let mut behind: Vec<&Record> = records.filter(is_behind).collect();
        if limit < behind.len() {
            behind.select_nth_unstable_by(limit, |a, b| a.key().cmp(b.key()));
            behind.truncate(limit);
        }
        behind.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let entry = |record: &&Record| {
            // Always a key, and text: they came from such.
            let key = str::from_utf8(record.key()).ok().and_then(Key::new)?;
            let subject = record.subject().and_then(|text| str::from_utf8(text).ok());
            Some(Entry::new(key, record.stored(), subject.map(Box::from)))
        };
        behind.iter().filter_map(entry).collect()
    }

    fn enlist(&mut self, hashing: &Hashing, slot: u32) {
        if let Some(subject) = self.slab.get(slot).subject() {
            self.subjects.insert(hashing.subject(subject), slot);
        }
    }

    fn delist(&mut self, hashing: &Hashing, slot: u32) {
        if let Some(subject) = self.slab.get(slot).subject() {
            self.subjects.remove(hashing.subject(subject), slot);
        }
    }

    fn next_version(&mut self) -> u64 {
        self.version += self.version_step;
        self.version
    }
}
