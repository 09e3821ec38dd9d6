//! The changes of a request, kept as intents. The machine replays them over another request's
//! changes.

mod change;
mod entries;

use smallvec::smallvec;

use crate::limits::Limits;
use crate::record::{Changes, Record, Values, entry_len};
use crate::values::{self, Encoded};
use crate::{Error, Expiry};

pub(crate) use self::change::Update;
use self::change::{Change, Updated};
use self::entries::Entries;

/// The name of what binds a session to a device. No handler can use it.
pub(crate) const BINDING: &str = "\u{2}binding";

/// The most functions that one request may leave to be run again: each conflict runs them all.
const MAX_UPDATES: usize = 10_000;

#[derive(Default)]
pub(crate) struct Journal {
    /// Everything that was there before the entries is dropped.
    cleared: bool,
    /// One for each name.
    entries: Entries,
    /// The entries' effect on the base's size: positive or negative.
    added: Added,
    updates: usize,
    pub(crate) subject: Option<Option<Box<str>>>,
    pub(crate) expiry: Option<Option<Expiry>>,
}

/// Values, and bytes of a record.
#[derive(Clone, Copy, Default)]
struct Added {
    values: isize,
    bytes: isize,
}

/// How much a record may hold, and how much its head takes of that.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) limits: Limits,
    pub(crate) head: usize,
}

impl Journal {
    pub(crate) fn is_empty(&self) -> bool {
        !self.cleared
            && self.subject.is_none()
            && self.expiry.is_none()
            && self.entries.iter().all(|(_, change)| change.is_none())
    }

    /// Whether the handler asked for anything, also for what changes nothing in the record that it
    /// saw. An update may change another one.
    pub(crate) fn has_entries(&self) -> bool {
        !self.is_empty() || self.entries.iter().next().is_some()
    }

    pub(crate) fn value<'a>(&'a self, base: Option<&'a Record>, name: &str) -> Option<&'a [u8]> {
        match self.entries.get(name) {
            Some(change) => change.value(),
            None => self.base(base)?.value(name),
        }
    }

    /// Returns the record under the entries, or none after a `clear`.
    pub(crate) fn base<'a>(&self, base: Option<&'a Record>) -> Option<&'a Record> {
        base.filter(|_| !self.cleared)
    }

    /// # Errors
    ///
    /// [`Error::TooLarge`] if there is no room; then nothing is changed.
    pub(crate) fn set(
        &mut self,
        base: Option<&Record>,
        name: &str,
        value: Option<Encoded>,
        room: Room,
    ) -> Result<(), Error> {
        let stood = self.base(base).and_then(|base| base.value(name));
        let known = self.entries.get(name);
        let old = known.map_or(stood, Change::value);
        if known.is_none() && is_same(old, value.as_deref()) {
            return Ok(());
        }
        self.added = self.make_room(base, name, old, value.as_deref(), room)?;
        match value.is_some() || stood.is_some() {
            true => self.entries.insert(name, Change::Set(value)),
            false => self.entries.remove(name),
        }
        Ok(())
    }

    /// There is always room for one value less.
    pub(crate) fn remove(&mut self, base: Option<&Record>, name: &str) {
        let room = Room {
            limits: Limits::NONE,
            head: 0,
        };
        let _ = self.set(base, name, None, room);
    }

    /// Appends a function and its result over the present value.
    ///
    /// # Errors
    ///
    /// As [`Journal::set`].
    pub(crate) fn update(
        &mut self,
        base: Option<&Record>,
        name: &str,
        value: Option<Encoded>,
        update: Update,
        room: Room,
    ) -> Result<(), Error> {
        let stood = self.base(base).and_then(|base| base.value(name));
        let old = self.entries.get(name).map_or(stood, Change::value);
        let added = self.make_room(base, name, old, value.as_deref(), room)?;
        let same = is_same(stood, value.as_deref());
        match self.entries.get_mut(name) {
            // Over a value of this very request there is nothing to replay against.
            Some(Change::Set(set)) => *set = value,
            Some(Change::Update(updated)) => {
                self.updates = one_more(self.updates)?;
                updated.functions.push(update);
                updated.result = value;
                updated.same = same;
            }
            None if self.cleared => self.entries.insert(name, Change::Set(value)),
            None => {
                self.updates = one_more(self.updates)?;
                let updated = Updated {
                    functions: smallvec![update],
                    result: value,
                    same,
                };
                self.entries.insert(name, Change::Update(updated));
            }
        }
        self.added = added;
        Ok(())
    }

    /// Whether several changes fit together. Of each name and value, or none.
    pub(crate) fn check_room<'a>(
        &self,
        base: Option<&Record>,
        changes: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
        room: Room,
    ) -> Result<(), Error> {
        let mut all = Self {
            cleared: self.cleared,
            added: self.added,
            ..Self::default()
        };
        for (name, new) in changes {
            all.added = all.make_room(base, name, self.value(base, name), new, room)?;
        }
        Ok(())
    }

    /// Returns the entries' size with one more value, if it fits. A change that takes no more room
    /// than before always fits.
    fn make_room(
        &self,
        base: Option<&Record>,
        name: &str,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
        room: Room,
    ) -> Result<Added, Error> {
        let len = |value: Option<&[u8]>| value.map_or(0, |value| entry_len(name, value));
        let (old_len, new_len) = (len(old), len(new));
        let more = isize::from(new.is_some()) - isize::from(old.is_some());
        let added = Added {
            values: self.added.values + more,
            bytes: self.added.bytes + new_len.cast_signed() - old_len.cast_signed(),
        };
        let base = self.base(base);
        let total = |base: usize, added: isize| base.saturating_add_signed(added);
        let limits = room.limits;
        if more > 0 && total(base.map_or(0, Record::count), added.values) > limits.values {
            return Err(Error::TooLarge {
                what: "the number of session values is",
                limit: limits.values,
            });
        }
        let values = total(base.map_or(0, Record::values_len), added.bytes);
        if new_len > old_len && values.saturating_add(room.head) > limits.record_bytes {
            return Err(Error::TooLarge {
                what: "the session's record is",
                limit: limits.record_bytes,
            });
        }
        Ok(added)
    }

    /// Counts again what the entries add to a base.
    fn recount(&mut self, base: Option<&Record>) {
        let base = self.base(base);
        let mut added = Added::default();
        for (name, change) in self.entries.iter() {
            let mut count = |value: Option<&[u8]>, sign: isize| {
                if let Some(value) = value {
                    added.values += sign;
                    added.bytes += sign * entry_len(name, value).cast_signed();
                }
            };
            count(change.value(), 1);
            count(base.and_then(|base| base.value(name)), -1);
        }
        self.added = added;
    }

    /// Whether there is a change that must not happen twice.
    pub(crate) fn has_updates(&self) -> bool {
        let mut changes = self.entries.iter();
        changes.any(|(_, change)| matches!(change, Change::Update(updated) if !updated.same))
    }

    /// Whether a value is set.
    pub(crate) fn sets(&self) -> bool {
        self.entries
            .iter()
            .any(|(_, change)| change.value().is_some())
    }

    /// Whether there is an entry that changes nothing in the record that is known.
    pub(crate) fn is_idle(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(Change::is_none)
    }

    /// Whether this request changed the value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.get(name).is_some()
    }

    /// Drops all values, and keeps what binds the session to a device.
    pub(crate) fn clear(&mut self, base: Option<&Record>) {
        let kept = (self.entries.take(BINDING)).or_else(|| self.carried_binding(base));
        self.entries = Entries::default();
        self.updates = 0;
        self.cleared |= base.is_some_and(|base| base.count() > 0);
        if let Some(Change::Update(updated)) = &kept {
            self.updates = updated.functions.len();
        }
        if let Some(kept) = kept {
            self.entries.insert(BINDING, kept);
        }
        self.recount(base);
    }

    /// Returns the base's binding as a change, so that it outlives a `clear`. A replay takes it
    /// from the newer record.
    fn carried_binding(&self, base: Option<&Record>) -> Option<Change> {
        let stood = self.base(base)?.value(BINDING)?;
        let carry: Update = Box::new(|_, now, _| Ok(now.map(Encoded::from_slice)));
        Some(Change::Update(Updated {
            functions: smallvec![carry],
            result: Some(Encoded::from_slice(stood)),
            same: false,
        }))
    }

    /// Removes what binds the session to a device, also what another request writes meanwhile.
    pub(crate) fn drop_binding(&mut self, base: Option<&Record>) {
        self.entries.remove(BINDING);
        // Without a record nothing can bind the session meanwhile.
        if let Some(base) = base.filter(|_| !self.cleared) {
            let end: Update = Box::new(|_, _, _| Ok(None));
            let end = Updated {
                functions: smallvec![end],
                result: None,
                same: base.value(BINDING).is_none(),
            };
            self.entries.insert(BINDING, Change::Update(end));
        }
        self.recount(base);
    }

    /// Hides the base, and keeps what this request wrote itself.
    pub(crate) fn forget_base(&mut self) {
        self.cleared = true;
        self.recount(None);
    }

    /// Runs the updates again, over another base.
    pub(crate) fn replay(&mut self, base: Option<&Record>, limits: Limits) -> Result<(), Error> {
        if base.is_some_and(Record::is_locked) {
            return Err(Error::Sealed);
        }
        let stands = self.base(base);
        for (name, change) in self.entries.iter_mut() {
            let Change::Update(updated) = change else {
                continue;
            };
            let under = if name == BINDING { base } else { stands };
            let stood = under.and_then(|base| base.value(name));
            let mut value = None;
            for (n, update) in updated.functions.iter_mut().enumerate() {
                value = match n {
                    0 => update(name, stood, limits)?,
                    _ => update(name, value.as_deref(), limits)?,
                };
            }
            let stood = stands.and_then(|base| base.value(name));
            updated.same = is_same(stood, value.as_deref());
            updated.result = value;
        }
        self.recount(base);
        Ok(())
    }

    /// The values as they are after the changes, in ascending order of the names' bytes.
    pub(crate) fn values<'a>(
        &'a self,
        base: Option<&'a Record>,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        Merged {
            base: self.base(base).map(Record::values),
            next: None,
            changed: self.changes(),
            at: 0,
        }
    }

    pub(crate) fn changes(&self) -> Changes<'_> {
        let changed = self.entries.iter().filter(|(_, change)| !change.is_none());
        let mut changes: Changes<'_> = changed
            .map(|(name, change)| (name.as_bytes(), change.value()))
            .collect();
        if changes.len() > 1 {
            changes.sort_unstable_by_key(|(name, _)| *name);
        }
        changes
    }
}

fn is_same(old: Option<&[u8]>, new: Option<&[u8]>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => values::equal(old, new),
        (old, new) => old.is_none() && new.is_none(),
    }
}

fn one_more(updates: usize) -> Result<usize, Error> {
    match updates < MAX_UPDATES {
        true => Ok(updates + 1),
        false => Err(Error::TooLarge {
            what: "the number of updates in one request is",
            limit: MAX_UPDATES,
        }),
    }
}

/// Two ascending sequences as one; on the same name the changed one counts.
#[derive(Clone)]
struct Merged<'a> {
    base: Option<Values<'a>>,
    next: Option<(&'a [u8], &'a [u8])>,
    changed: Changes<'a>,
    at: usize,
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.next = self.next.take().or_else(|| self.base.as_mut()?.next());
            let (name, value) = match (self.next, self.changed.get(self.at)) {
                (Some(base), None) => {
                    self.next = None;
                    return Some(base);
                }
                (Some(base), Some((name, _))) if base.0 < *name => {
                    self.next = None;
                    return Some(base);
                }
                (base, Some(changed)) => {
                    if base.is_some_and(|(name, _)| name == changed.0) {
                        self.next = None;
                    }
                    self.at += 1;
                    *changed
                }
                (None, None) => return None,
            };
            if let Some(value) = value {
                return Some((name, value));
            }
        }
    }
}
