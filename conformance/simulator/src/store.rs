//! The simulated store: the actions of a store with compare-and-swap, one at a time, and those of
//! broken ones.

use cloakroom_core::{Created, Deleted, Key, Replaced, Stored, Touched, UnixTime, Write};

use crate::step::MAX_CLIENTS;
use crate::wrong::Habit;

/// The number of a key, in the order in which they were first written.
pub(crate) type Slot = usize;

/// A write, as it is sent.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create(Write),
    Replace(Stored, Write),
    Touch(UnixTime),
    Delete(Stored),
}

/// A write, as it is carried out.
#[derive(Clone, Copy)]
pub(crate) enum OpRef<'a> {
    Create(&'a Write),
    Replace(&'a Stored, &'a Write),
    Touch(UnixTime),
    Delete(&'a Stored),
}

impl OpRef<'_> {
    pub(crate) fn to_owned(self) -> Op {
        match self {
            Self::Create(write) => Op::Create(write.clone()),
            Self::Replace(old, write) => Op::Replace(old.clone(), write.clone()),
            Self::Touch(expires_at) => Op::Touch(expires_at),
            Self::Delete(old) => Op::Delete(old.clone()),
        }
    }
}

impl Op {
    pub(crate) fn by_ref(&self) -> OpRef<'_> {
        match self {
            Self::Create(write) => OpRef::Create(write),
            Self::Replace(old, write) => OpRef::Replace(old, write),
            Self::Touch(expires_at) => OpRef::Touch(*expires_at),
            Self::Delete(old) => OpRef::Delete(old),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreReply {
    Created(Created),
    Replaced(Replaced),
    Touched(Touched),
    Deleted(Deleted),
}

impl StoreReply {
    /// Returns whether the store reports success.
    pub(crate) fn is_done(self) -> bool {
        matches!(
            self,
            Self::Created(Created::Stored)
                | Self::Replaced(Replaced::Stored)
                | Self::Touched(Touched::Extended)
                | Self::Deleted(Deleted::Deleted)
        )
    }
}

/// A write that a broken store has done half of.
#[derive(Debug)]
pub(crate) enum Half {
    /// Compared. The write remains.
    Checked(StoreReply),
    /// The record that a touch has loaded.
    Loaded(Option<Stored>),
}

#[derive(Debug)]
struct Place {
    key: Key,
    tag: u64,
    now: Option<Stored>,
    before: Option<Stored>,
    retired: bool,
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) habit: Habit,
    /// A load returns records that have expired, too: the machine must refuse them by itself.
    pub(crate) lazy: bool,
    places: Vec<Place>,
    version: u64,
    caches: [Vec<(Slot, Option<Stored>)>; MAX_CLIENTS as usize],
}

fn tag(key: &Key) -> u64 {
    let bytes = key.as_bytes();
    let tail = bytes.last_chunk().copied();
    u64::from_le_bytes(tail.unwrap_or_default())
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            habit: Habit::Contract,
            lazy: false,
            places: Vec::new(),
            version: 0,
            caches: Default::default(),
        }
    }

    pub(crate) fn reset(&mut self, habit: Habit, lazy: bool) {
        (self.habit, self.lazy) = (habit, lazy);
        self.places.clear();
        self.version = 0;
        self.caches.iter_mut().for_each(Vec::clear);
    }

    /// When the record here ends; 0 without one.
    pub(crate) fn ends_at(&self, slot: Slot) -> u64 {
        let place = self.places[self.place(slot)].now.as_ref();
        place.map_or(0, |stored| stored.expires_at.as_secs())
    }

    pub(crate) fn key(&self, slot: Slot) -> Key {
        self.places[slot].key.clone()
    }

    pub(crate) fn find(&self, key: &Key) -> Option<Slot> {
        let tag = tag(key);
        let mut places = self.places.iter();
        places.position(|place| place.tag == tag && place.key == *key)
    }

    pub(crate) fn slot(&mut self, key: &Key) -> Slot {
        self.find(key).unwrap_or_else(|| {
            self.places.push(Place {
                key: key.clone(),
                tag: tag(key),
                now: None,
                before: None,
                retired: false,
            });
            self.places.len() - 1
        })
    }

    fn place(&self, slot: Slot) -> Slot {
        if self.habit != Habit::CutsKeysShort {
            return slot;
        }
        let short = |place: &Place| place.key.as_bytes().get(8).map(|byte| byte % 8);
        let wanted = short(&self.places[slot]);
        let mut places = self.places.iter();
        places
            .position(|place| short(place) == wanted)
            .unwrap_or(slot)
    }

    fn living(&self, slot: Slot, now: UnixTime) -> Option<&Stored> {
        let stored = self.places[self.place(slot)].now.as_ref();
        stored.filter(|stored| now < stored.expires_at)
    }

    pub(crate) fn load(
        &mut self,
        slot: Slot,
        node: usize,
        stale: bool,
        now: UnixTime,
    ) -> Option<Stored> {
        let place = self.place(slot);
        if stale {
            return self.places[place].before.clone();
        }
        if self.habit == Habit::CachesPerNode {
            let mut known = self.caches[node].iter();
            if let Some((_, found)) = known.find(|(cached, _)| *cached == slot) {
                return found.clone();
            }
        }
        let lazy = self.lazy;
        let found = self.places[place].now.clone();
        let found = found.filter(|stored| lazy || now < stored.expires_at);
        if self.habit == Habit::CachesPerNode {
            self.caches[node].push((slot, found.clone()));
        }
        found
    }

    fn put(&mut self, slot: Slot, write: &Write, retires: bool) {
        self.version += 1;
        let stored = Stored::new(write.bytes.clone(), write.expires_at, self.version);
        let place = self.place(slot);
        let place = &mut self.places[place];
        place.before = place.now.replace(stored);
        place.retired = retires;
    }

    fn remove(&mut self, slot: Slot) {
        let place = self.place(slot);
        self.places[place].before = self.places[place].now.take();
    }

    pub(crate) fn evict(&mut self, slot: Slot) {
        self.places[slot].now = None;
        self.places[slot].before = None;
    }

    /// Carries out a write; `None`: a broken store has more to do.
    pub(crate) fn write(
        &mut self,
        slot: Slot,
        node: usize,
        op: OpRef<'_>,
        retires: bool,
        half: &mut Option<Half>,
        now: UnixTime,
    ) -> Option<StoreReply> {
        if self.habit == Habit::CachesPerNode {
            self.caches[node].retain(|(cached, _)| *cached != slot);
        }
        match half.take() {
            Some(begun) => Some(self.second_half(slot, op, retires, begun)),
            None => self.first_half(slot, op, retires, half, now),
        }
    }

    /// An abandoned write.
    pub(crate) fn land(
        &mut self,
        slot: Slot,
        op: OpRef<'_>,
        retires: bool,
        now: UnixTime,
    ) -> StoreReply {
        if self.habit == Habit::LandsBlindly {
            return self.act(slot, op, retires);
        }
        let mut half = None;
        let first = self.first_half(slot, op, retires, &mut half, now);
        first.unwrap_or_else(|| match half {
            Some(begun) => self.second_half(slot, op, retires, begun),
            None => self.act(slot, op, retires),
        })
    }

    fn first_half(
        &mut self,
        slot: Slot,
        op: OpRef<'_>,
        retires: bool,
        half: &mut Option<Half>,
        now: UnixTime,
    ) -> Option<StoreReply> {
        let answer = self.check(slot, op, now);
        if !answer.is_done() {
            return Some(answer);
        }
        match (self.habit, op) {
            (Habit::ComparesThenSwaps, OpRef::Replace(..))
            | (Habit::LooksThenCreates, OpRef::Create(..)) => {}
            (Habit::RemovesThenWrites, OpRef::Replace(..)) => self.remove(slot),
            (Habit::WritesExpiryLater, OpRef::Replace(_, write)) => {
                let place = self.place(slot);
                let kept = self.places[place].now.as_ref();
                let mut write = write.clone();
                write.expires_at = kept.map_or(write.expires_at, |stored| stored.expires_at);
                self.put(slot, &write, retires);
            }
            (Habit::TouchWritesBack, OpRef::Touch(_)) => {
                *half = Some(Half::Loaded(self.living(slot, now).cloned()));
                return None;
            }
            _ => return Some(self.act(slot, op, retires)),
        }
        *half = Some(Half::Checked(answer));
        None
    }

    fn second_half(&mut self, slot: Slot, op: OpRef<'_>, retires: bool, begun: Half) -> StoreReply {
        match (begun, op) {
            (Half::Loaded(Some(mut stored)), OpRef::Touch(expires_at)) => {
                stored.expires_at = expires_at;
                let place = self.place(slot);
                self.places[place].now = Some(stored);
                StoreReply::Touched(Touched::Extended)
            }
            (Half::Checked(answer), OpRef::Replace(_, write))
                if self.habit == Habit::WritesExpiryLater =>
            {
                let place = self.place(slot);
                if let Some(stored) = &mut self.places[place].now {
                    stored.expires_at = write.expires_at;
                }
                answer
            }
            _ => self.act(slot, op, retires),
        }
    }

    fn check(&self, slot: Slot, op: OpRef<'_>, now: UnixTime) -> StoreReply {
        let living = self.living(slot, now);
        let same = |old: &Stored| living.is_some_and(|found| found.version == old.version);
        match op {
            OpRef::Create(_) => StoreReply::Created(match living {
                Some(_) if self.habit != Habit::CreatesOverWhatIsThere => Created::Taken,
                _ => Created::Stored,
            }),
            OpRef::Replace(old, _) => StoreReply::Replaced(match living {
                None if self.habit == Habit::ReplacesWhatIsGone => Replaced::Stored,
                None => Replaced::Gone,
                Some(_) if same(old) || self.habit == Habit::ReplacesWhateverIsThere => {
                    Replaced::Stored
                }
                Some(_) => Replaced::Changed,
            }),
            OpRef::Touch(_) => StoreReply::Touched(match living {
                Some(_) => Touched::Extended,
                None => Touched::Gone,
            }),
            OpRef::Delete(old) => StoreReply::Deleted(match living {
                None if self.habit == Habit::DeletesNothing => Deleted::Deleted,
                None => Deleted::Gone,
                Some(_) if same(old) || self.habit == Habit::DeletesWhateverIsThere => {
                    Deleted::Deleted
                }
                Some(_) => Deleted::Changed,
            }),
        }
    }

    fn act(&mut self, slot: Slot, op: OpRef<'_>, retires: bool) -> StoreReply {
        let loses = self.habit == Habit::LosesWrites && self.version % 4 == 3;
        match op {
            OpRef::Create(write) => {
                self.put(slot, write, retires);
                StoreReply::Created(Created::Stored)
            }
            OpRef::Replace(_, write) => {
                let place = self.place(slot);
                let before = self.places[place].now.clone();
                match before {
                    _ if self.habit == Habit::ForgetsRetired && retires => self.remove(slot),
                    Some(before) if self.habit == Habit::KeepsExpiry => {
                        let mut write = write.clone();
                        write.expires_at = before.expires_at;
                        self.put(slot, &write, retires);
                    }
                    _ if loses => self.version += 1,
                    _ => self.put(slot, write, retires),
                }
                StoreReply::Replaced(Replaced::Stored)
            }
            OpRef::Touch(expires_at) => {
                let place = self.place(slot);
                if let Some(stored) = &mut self.places[place].now
                    && self.habit != Habit::ForgetsToTouch
                {
                    stored.expires_at = expires_at;
                }
                StoreReply::Touched(Touched::Extended)
            }
            OpRef::Delete(_) => {
                if self.habit != Habit::ForgetsToDelete {
                    self.remove(slot);
                }
                StoreReply::Deleted(Deleted::Deleted)
            }
        }
    }
}
