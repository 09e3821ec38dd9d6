//! From a hash to slots.

use hashbrown::HashTable;

/// A multimap of hashes and slots. Each entry carries its hash, so that growing reads nothing but
/// the table itself: that is what keeps the pause short.
#[derive(Default)]
pub(crate) struct Index {
    table: HashTable<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    slot: u32,
}

/// The table takes its bucket from the lower bits and its tag from the upper ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Index {
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.table
            .find(spread(hash), |entry| {
                entry.hash == hash && is_it(entry.slot)
            })
            .map(|entry| entry.slot)
    }

    pub(crate) fn all(&self, hash: u32) -> impl Iterator<Item = u32> {
        self.table
            .iter_hash(spread(hash))
            .filter(move |entry| entry.hash == hash)
            .map(|entry| entry.slot)
    }

    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        self.table
            .insert_unique(spread(hash), Entry { hash, slot }, |entry| {
                spread(entry.hash)
            });
    }

    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        if let Ok(entry) = self
            .table
            .find_entry(spread(hash), |entry| entry.slot == slot)
        {
            entry.remove();
        }
        if self.table.len() < self.table.capacity() / 8 {
            self.table
                .shrink_to(self.table.len() * 2, |entry| spread(entry.hash));
        }
    }

    /// The record in slot `from` is in slot `to` now.
    pub(crate) fn renumber(&mut self, hash: u32, from: u32, to: u32) {
        if let Some(entry) = self
            .table
            .find_mut(spread(hash), |entry| entry.slot == from)
        {
            entry.slot = to;
        }
    }
}
