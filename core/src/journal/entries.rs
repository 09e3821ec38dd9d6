//! Changes by name: a few in a row, many in a tree.

use smallvec::SmallVec;
use std::collections::BTreeMap;

use super::change::Change;

/// The most that are looked through one by one.
const FEW: usize = 16;

pub(super) struct Entries {
    few: SmallVec<[(Box<str>, Change); 1]>,
    /// All of them, once they are more. No call costs more than their number's logarithm.
    many: BTreeMap<Box<str>, Change>,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            few: SmallVec::new(),
            many: BTreeMap::new(),
        }
    }
}

impl Entries {
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<&Change> {
        if !self.many.is_empty() {
            return self.many.get(name);
        }
        let mut few = self.few.iter();
        few.find(|(known, _)| **known == *name)
            .map(|(_, change)| change)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Change> {
        if !self.many.is_empty() {
            return self.many.get_mut(name);
        }
        let mut few = self.few.iter_mut();
        few.find(|(known, _)| **known == *name)
            .map(|(_, change)| change)
    }

    pub(super) fn insert(&mut self, name: &str, change: Change) {
        if let Some(known) = self.get_mut(name) {
            *known = change;
        } else if self.many.is_empty() && self.few.len() < FEW {
            self.few.push((name.into(), change));
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(name.into(), change);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.few.retain(|(known, _)| **known != *name);
        self.many.remove(name);
    }

    /// Removes a change and returns it.
    pub(super) fn take(&mut self, name: &str) -> Option<Change> {
        let at = self.few.iter().position(|(known, _)| **known == *name);
        match at {
            Some(at) => Some(self.few.remove(at).1),
            None => self.many.remove(name),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Change)> {
        let few = self.few.iter().map(|(name, change)| (&**name, change));
        few.chain(self.many.iter().map(|(name, change)| (&**name, change)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Change)> {
        let few = self.few.iter_mut().map(|(name, change)| (&**name, change));
        few.chain(self.many.iter_mut().map(|(name, change)| (&**name, change)))
    }
}
