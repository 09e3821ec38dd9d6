//! The records in memory, and the markers of the operations in flight.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cloakroom_store::{Key, Stored, UnixTime};
use foldhash::quality::RandomState;
use parking_lot::{Mutex, MutexGuard};

use crate::Numbers;
use crate::clocks::Clocks;
use crate::mutant::{Broken, Mutant};
use crate::shard::{Lease, Marker, Meanwhile, Moment, Record, Shard, Touch};

const MOST_SHARDS: usize = 32;
/// With less memory each, few large records would fit.
const LEAST_SHARD: usize = 256 << 10;

pub(crate) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    clocks: Clocks,
    lease: Duration,
    /// Of each shard.
    max_bytes: usize,
    /// A moment, in nanoseconds: this process has heard of every change that was acknowledged
    /// before it. [`UNHEARD`] without announcements.
    heard: AtomicU64,
    /// How often announcements ended.
    lost: AtomicU64,
    pub(crate) mutant: Mutant,
}

const UNHEARD: u64 = u64::MAX;

impl Cache {
    pub(crate) fn new(clocks: Clocks, lease: Duration, max_bytes: usize) -> Self {
        let shards = (max_bytes / LEAST_SHARD).clamp(1, MOST_SHARDS);
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            clocks,
            lease,
            max_bytes: max_bytes / shards,
            heard: AtomicU64::new(UNHEARD),
            lost: AtomicU64::new(0),
            mutant: Mutant::default(),
        }
    }

    /// Returns the record, if its lease lasts.
    pub(crate) fn find(&self, key: &Key) -> Option<Stored> {
        let moment = self.moment(match self.mutant.is(Broken::LeaseNeverEnds) {
            true => Duration::ZERO,
            false => self.clocks.now(),
        });
        let (mut shard, hash) = self.place(key);
        let hit = shard.find(hash, key, moment)?;
        drop(shard);
        // The monotonic clock may have stood still since the load.
        if hit.renewed && self.clocks.life(hit.stored.expires_at).is_zero() {
            let (mut shard, hash) = self.place(key);
            shard.expire(hash, key);
            return None;
        }
        Some(hit.stored)
    }

    fn moment(&self, now: Duration) -> Moment {
        let heard = self.heard.load(Ordering::Acquire);
        let renewed = (heard != UNHEARD).then(|| Duration::from_nanos(heard) + self.lease);
        Moment { now, renewed }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clocks.now()
    }

    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    /// Notes that the store announced a change of this record.
    pub(crate) fn announce(&self, key: &Key) {
        let (mut shard, hash) = self.place(key);
        shard.announce(hash, key);
    }

    /// Notes that every change acknowledged before this moment has been announced.
    pub(crate) fn heard_all_before(&self, moment: Duration) {
        let nanos = u64::try_from(moment.as_nanos()).unwrap_or(UNHEARD);
        self.heard.store(nanos, Ordering::Release);
    }

    /// Renews no more leases.
    pub(crate) fn unheard(&self) {
        self.heard.store(UNHEARD, Ordering::Release);
    }

    pub(crate) fn count_loss(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Marks an operation that is about to be sent to the store.
    pub(crate) fn begin<'a>(&'a self, key: &'a Key, kind: Kind) -> Flight<'a> {
        // The lease begins now: what the store answers was true at some time from now on.
        let from = match self.mutant.is(Broken::LeaseNeverEnds) {
            true => Duration::ZERO,
            false => self.clocks.now(),
        };
        let (mut shard, hash) = self.place(key);
        if kind == Kind::Read {
            shard.numbers.misses += 1;
        }
        let marker = shard.begin(hash, key);
        drop(shard);
        Flight {
            cache: self,
            key,
            kind,
            from,
            marker: Some(marker),
        }
    }

    pub(crate) fn forget(&self, key: &Key) {
        let (mut shard, hash) = self.place(key);
        shard.forget(hash, key);
    }

    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::default();
        for shard in &self.shards {
            numbers.add(shard.lock().numbers);
        }
        numbers.tracking = self.heard.load(Ordering::Acquire) != UNHEARD;
        numbers.tracking_lost = self.lost.load(Ordering::Relaxed);
        numbers
    }

    fn place(&self, key: &Key) -> (MutexGuard<'_, Shard>, u64) {
        let hash = self.hasher.hash_one(key);
        // The tables use the other bits.
        let number = (hash >> 24) as usize % self.shards.len();
        (self.shards[number].lock(), hash)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
}

/// An operation that the store has not answered yet. If it is dropped without an answer, the
/// store may or may not have performed it.
pub(crate) struct Flight<'a> {
    cache: &'a Cache,
    key: &'a Key,
    kind: Kind,
    from: Duration,
    marker: Option<Marker>,
}

/// The meaning of an operation's answer for the cache.
pub(crate) enum Answer {
    /// The store has this record now.
    Has(Stored),
    /// The record has changed, has ended, or may have.
    Forget,
    /// The record ends at another time.
    Touched(UnixTime),
    /// Only a mutant's.
    Ignore,
}

impl Flight<'_> {
    pub(crate) fn answered(mut self, answer: Answer) {
        let Some(marker) = self.marker.take() else {
            return;
        };
        let (cache, key) = (self.cache, self.key);
        let from = match cache.mutant.is(Broken::LeaseFromReply) {
            true => cache.clocks.now(),
            false => self.from,
        };
        let life = |expires_at| cache.clocks.life(expires_at);
        // Before the lock: clocks may be anybody's code.
        let kept = match &answer {
            Answer::Has(stored) => Some(life(stored.expires_at)),
            Answer::Touched(expires_at) => Some(life(*expires_at)),
            _ => None,
        };
        let life = kept.unwrap_or_default();
        let moment = cache.moment(from);
        let (mut shard, hash) = cache.place(key);
        let meanwhile = shard.end(hash, key, marker);
        let echoes = self.echoes(meanwhile);
        if self.kind == Kind::Write {
            // Loads in flight may be older.
            shard.overtake(hash, key);
        }
        match answer {
            // A load that began after this write may have looked before it, and be kept already.
            Answer::Has(_)
                if self.kind == Kind::Write
                    && shard.has_later(hash, key, marker)
                    && !cache.mutant.is(Broken::KeepsLaterLoads) =>
            {
                shard.forget(hash, key);
            }
            Answer::Has(stored) if !life.is_zero() && echoes.is_some() => {
                // One announcement may stand for an own write and a change right after it. So what
                // was written is used for its own lease only.
                let renews = self.kind == Kind::Read || cache.mutant.is(Broken::RenewsOwnWrites);
                let lease = Lease {
                    from,
                    until: from + cache.lease.min(life),
                    renewable: renews.then(|| from.saturating_add(life)),
                    operation: marker.operation,
                };
                let record = Record {
                    stored: of_its_own(stored),
                    lease,
                    echoes: echoes.unwrap_or_default(),
                };
                shard.keep(hash, key, record, moment, cache.max_bytes);
            }
            Answer::Has(_) if self.kind == Kind::Read => {}
            Answer::Has(_) | Answer::Forget => shard.forget(hash, key),
            Answer::Touched(expires_at) => {
                let until = from + life;
                shard.touch(hash, key, &Touch { expires_at, until });
            }
            Answer::Ignore => {}
        }
    }

    /// Returns how many announcements of this process's writes are still to come, or nothing if the
    /// record may have changed since.
    ///
    /// The store announces each write of this process once, and in order. Others can change a
    /// record only after they have seen it, so what they do to it is announced later.
    fn echoes(&self, meanwhile: Meanwhile) -> Option<u32> {
        let Meanwhile {
            overtaken,
            announced,
            echoes,
        } = meanwhile;
        let mutant = self.cache.mutant;
        if overtaken && !mutant.is(Broken::NoMarkers) {
            return None;
        }
        match self.kind {
            Kind::Read if mutant.is(Broken::KeepsAnnouncedLoads) => Some(0),
            Kind::Read => (announced == 0).then_some(0),
            Kind::Write => {
                let more = 1 + u32::from(mutant.is(Broken::ExpectsTwoEchoes));
                echoes.saturating_add(more).checked_sub(announced)
            }
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Some(marker) = self.marker.take() else {
            return;
        };
        let (mut shard, hash) = self.cache.place(self.key);
        shard.end(hash, self.key, marker);
        if self.kind == Kind::Write {
            shard.forget(hash, self.key);
        }
    }
}

/// The record in an allocation of its own: it may be a part of a connection's buffer.
fn of_its_own(stored: Stored) -> Stored {
    Stored {
        bytes: Bytes::copy_from_slice(&stored.bytes),
        ..stored
    }
}
