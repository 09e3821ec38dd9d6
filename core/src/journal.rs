//! What a request changed: kept as intents, so that they can be replayed over what other requests wrote meanwhile.

use smallvec::{SmallVec, smallvec};

use crate::config::Limits;
use crate::record::{Changes, Record, Values};
use crate::{Error, Expiry};

/// An encoded value. Counters and flags fit in without an allocation.
pub(crate) type Encoded = SmallVec<[u8; 32]>;
/// A read-modify-write that can run again over another value. What it needs comes as arguments, so that a function that captures
/// nothing is boxed without an allocation.
pub(crate) type Update =
    Box<dyn FnMut(&str, Option<&[u8]>, Limits) -> Result<Option<Encoded>, Error> + Send>;

#[derive(Default)]
pub(crate) struct Journal {
    /// Everything that was there before the entries is dropped.
    cleared: bool,
    /// One for each name, in the order of the last change.
    entries: SmallVec<[Entry; 1]>,
    pub(crate) subject: Option<Option<Box<str>>>,
    pub(crate) expiry: Option<Option<Expiry>>,
}

struct Entry {
    name: Box<str>,
    change: Change,
}

enum Change {
    /// A value, or none.
    Set(Option<Encoded>),
    /// The functions in order, and what they made of the base last time.
    Update(SmallVec<[Update; 1]>, Option<Encoded>),
}

impl Entry {
    fn value(&self) -> Option<&[u8]> {
        match &self.change {
            Change::Set(value) | Change::Update(_, value) => value.as_deref(),
        }
    }
}

impl Journal {
    pub(crate) fn is_empty(&self) -> bool {
        !self.cleared && self.entries.is_empty() && self.subject.is_none() && self.expiry.is_none()
    }

    pub(crate) fn value<'a>(&'a self, base: Option<&'a Record>, name: &str) -> Option<&'a [u8]> {
        match self.entries.iter().find(|entry| &*entry.name == name) {
            Some(entry) => entry.value(),
            None => self.base(base)?.value(name),
        }
    }

    /// What the entries stand over.
    pub(crate) fn base<'a>(&self, base: Option<&'a Record>) -> Option<&'a Record> {
        base.filter(|_| !self.cleared)
    }

    pub(crate) fn set(&mut self, base: Option<&Record>, name: &str, value: Option<Encoded>) {
        let known = self.entries.len();
        self.entries.retain(|entry| &*entry.name != name);
        if known == self.entries.len() && self.value(base, name) == value.as_deref() {
            return;
        }
        if value.is_some()
            || self
                .base(base)
                .is_some_and(|base| base.value(name).is_some())
        {
            self.entries.push(Entry {
                name: name.into(),
                change: Change::Set(value),
            });
        }
    }

    /// Notes a function, and what it made of the value as it is now.
    pub(crate) fn update(&mut self, name: &str, value: Option<Encoded>, update: Update) {
        match self.entries.iter_mut().find(|entry| &*entry.name == name) {
            // Over a value of this very request there is nothing to replay against.
            Some(Entry {
                change: Change::Set(set),
                ..
            }) => *set = value,
            Some(Entry {
                change: Change::Update(updates, result),
                ..
            }) => {
                updates.push(update);
                *result = value;
            }
            None => {
                let change = if self.cleared {
                    Change::Set(value)
                } else {
                    Change::Update(smallvec![update], value)
                };
                self.entries.push(Entry {
                    name: name.into(),
                    change,
                });
            }
        }
    }

    /// Whether there is a change that must not happen twice.
    pub(crate) fn has_updates(&self) -> bool {
        let mut changes = self.entries.iter().map(|entry| &entry.change);
        changes.any(|change| matches!(change, Change::Update(..)))
    }

    /// Whether a value is set.
    pub(crate) fn sets(&self) -> bool {
        self.entries.iter().any(|entry| entry.value().is_some())
    }

    /// Whether this request changed the value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| &*entry.name == name)
    }

    pub(crate) fn clear(&mut self, base: Option<&Record>) {
        self.entries.clear();
        self.cleared |= base.is_some_and(|base| base.count() > 0);
    }

    /// Hides the base, and keeps what this request wrote itself.
    pub(crate) fn forget_base(&mut self) {
        self.cleared = true;
    }

    /// Runs the updates again, over another base.
    pub(crate) fn replay(&mut self, base: Option<&Record>, limits: Limits) -> Result<(), Error> {
        let base = self.base(base);
        for Entry { name, change } in &mut self.entries {
            if let Change::Update(updates, result) = change {
                let mut value = None;
                for (n, update) in updates.iter_mut().enumerate() {
                    value = match n {
                        0 => update(name, base.and_then(|base| base.value(name)), limits)?,
                        _ => update(name, value.as_deref(), limits)?,
                    };
                }
                *result = value;
            }
        }
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
        let entries = self.entries.iter();
        let mut changes: Changes<'_> = entries
            .map(|entry| (entry.name.as_bytes(), entry.value()))
            .collect();
        if changes.len() > 1 {
            changes.sort_unstable_by_key(|(name, _)| *name);
        }
        changes
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
