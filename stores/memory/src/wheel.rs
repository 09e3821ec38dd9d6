//! Expiry: a hierarchical timing wheel over the slots of a shard.
//!
//! It has ten levels of sixteen lists. A list of level `l` spans `16^l` seconds. A record is in the
//! lowest level where its list is less than sixteen lists ahead of `elapsed`. When a list's time
//! has come, it is opened: its records move to lower levels one by one, and those of the lowest
//! level have expired. So a record is visited once per level, and only when its end is near.
//! Linking and unlinking take constant time. A caller can stop after any step, because each handles
//! one record. The lists run through the records themselves.

use crate::record::NIL;
use crate::slab::Slab;

/// Bits of a digit.
const DIGIT: u32 = 4;
const LISTS: usize = 1 << DIGIT;
/// Forty bits, two more than `UnixTime::MAX` has.
const LEVELS: usize = 10;
/// The list, after those of the levels, of records that had expired when they were linked.
const DUE: u8 = (LEVELS * LISTS) as u8;

pub(crate) struct Wheel {
    /// All that expires at or before this second is due. Never after the clock: see
    /// [`Wheel::rewind`].
    elapsed: u64,
    /// The first slot of each list.
    heads: [u32; LEVELS * LISTS + 1],
    /// One bit for each list of a level that is neither empty nor open.
    waiting: [u16; LEVELS],
    /// No list that waits begins before this second.
    next: u64,
    /// The list that begins at `elapsed`, while it is being emptied (else `DUE`). Nothing is linked
    /// into it.
    open: u8,
}

pub(crate) enum Step {
    /// Nothing that has expired is left.
    Idle,
    /// A record came nearer to its end.
    Moved,
    /// The record in this slot has expired. It is still linked, and comes again until it is not.
    Expired(u32),
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            elapsed: 0,
            heads: [NIL; LEVELS * LISTS + 1],
            waiting: [0; LEVELS],
            next: u64::MAX,
            open: DUE,
        }
    }
}

impl Wheel {
    /// Does one piece of the work that has come up until `now`.
    pub(crate) fn step(&mut self, slab: &mut Slab, now: u64) -> Step {
        loop {
            let due = self.heads[usize::from(DUE)];
            if due != NIL {
                return Step::Expired(due);
            }
            let opened = self.heads[usize::from(self.open)];
            if opened != NIL {
                if usize::from(self.open) < LISTS {
                    return Step::Expired(opened);
                }
                self.unlink(slab, opened);
                self.link(slab, opened);
                return Step::Moved;
            }
            if !self.open_next(now) {
                return Step::Idle;
            }
        }
    }

    /// Puts the record in `slot` into the list for its expiry.
    pub(crate) fn link(&mut self, slab: &mut Slab, slot: u32) {
        let list = self.list_for(slab.get(slot).expires());
        let next = std::mem::replace(&mut self.heads[usize::from(list)], slot);
        if next != NIL {
            slab.get_mut(next).previous = slot;
        }
        let record = slab.get_mut(slot);
        (record.list, record.previous, record.next) = (list, NIL, next);
        if list < DUE {
            let (level, digit) = (usize::from(list) / LISTS, usize::from(list) % LISTS);
            self.waiting[level] |= 1 << digit;
            self.next = self.next.min(self.start(level, digit));
        }
    }

    pub(crate) fn unlink(&mut self, slab: &mut Slab, slot: u32) {
        let record = slab.get(slot);
        let (list, previous, next) = (record.list, record.previous, record.next);
        self.join(slab, list, previous, next);
        if next != NIL {
            slab.get_mut(next).previous = previous;
        } else if previous == NIL && list < DUE {
            self.waits_no_more(usize::from(list));
        }
    }

    /// A linked record has been moved to `slot`: its neighbours learn where it is.
    pub(crate) fn relocated(&mut self, slab: &mut Slab, slot: u32) {
        let record = slab.get(slot);
        let (list, previous, next) = (record.list, record.previous, record.next);
        self.join(slab, list, previous, slot);
        if next != NIL {
            slab.get_mut(next).previous = slot;
        }
    }

    /// Sorts everything again as of `now`, if the clock has been set back. This is the only
    /// operation whose time grows with the number of records in the shard.
    pub(crate) fn rewind(&mut self, slab: &mut Slab, now: u64) {
        if self.elapsed <= now {
            return;
        }
        *self = Self {
            elapsed: now,
            ..Self::default()
        };
        for slot in 0..slab.len() as u32 {
            self.link(slab, slot);
        }
    }

    /// Turns the wheel to the next list whose time has come and opens it. If there is none, turns
    /// it to `now`.
    fn open_next(&mut self, now: u64) -> bool {
        // Empty by now; and from here on it may be filled for the next turn.
        self.open = DUE;
        if self.next <= now {
            let first = self.first_waiting();
            self.next = first.map_or(u64::MAX, |(start, _)| start);
            if let Some((start, list)) = first.filter(|(start, _)| *start <= now) {
                self.elapsed = self.elapsed.max(start);
                self.open = list as u8;
                self.waits_no_more(list);
                return true;
            }
        }
        // Nothing begins between here and `now`, so that every record stays in the right list.
        self.elapsed = now;
        false
    }

    /// Returns the waiting list that begins first, and when.
    fn first_waiting(&self) -> Option<(u64, usize)> {
        let levels = (0..LEVELS).filter(|level| self.waiting[*level] != 0);
        levels
            .map(|level| {
                let current = self.current(level) as usize % LISTS;
                let ahead = self.waiting[level]
                    .rotate_right(current as u32)
                    .trailing_zeros();
                let digit = (current + ahead as usize) % LISTS;
                (self.start(level, digit), level * LISTS + digit)
            })
            .min()
    }

    /// Returns when a waiting list begins. It is the current one or one of the fifteen after that.
    fn start(&self, level: usize, digit: usize) -> u64 {
        let current = self.current(level);
        let ahead = (digit as u64).wrapping_sub(current) % LISTS as u64;
        (current + ahead) << (DIGIT * level as u32)
    }

    /// Returns the list of this level that spans `elapsed`, counted from the beginning of time.
    fn current(&self, level: usize) -> u64 {
        self.elapsed >> (DIGIT * level as u32)
    }

    fn list_for(&self, expires: u64) -> u8 {
        if expires <= self.elapsed {
            return DUE;
        }
        let mut level = ((expires - self.elapsed).ilog2() / DIGIT) as usize;
        let mut list = expires >> (DIGIT * level as u32);
        if list - self.current(level) >= LISTS as u64 {
            // A whole turn ahead: it would be taken for the current one.
            level += 1;
            list >>= DIGIT;
        }
        (level * LISTS + list as usize % LISTS) as u8
    }

    /// Makes `next` follow `previous`, or begin the list.
    fn join(&mut self, slab: &mut Slab, list: u8, previous: u32, next: u32) {
        match previous {
            NIL => self.heads[usize::from(list)] = next,
            _ => slab.get_mut(previous).next = next,
        }
    }

    fn waits_no_more(&mut self, list: usize) {
        self.waiting[list / LISTS] &= !(1 << (list % LISTS));
    }
}
