//! How much is in the store, and how much may be.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cloakroom_store::StoreError;

/// The bounds, and what has been taken of them. Counted before a record goes in and after it came out, so that the bounds
/// hold at every moment.
pub(crate) struct Limits {
    pub(crate) max_entries: usize,
    pub(crate) max_bytes: usize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

impl Limits {
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            max_entries,
            max_bytes,
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Takes room for a new record, or nothing. The last eighth is for records with a subject.
    pub(crate) fn reserve(&self, cost: usize, has_subject: bool) -> bool {
        let share = |bound: usize| {
            if has_subject {
                bound
            } else {
                bound - bound / 8
            }
        };
        if !take(&self.entries, 1, share(self.max_entries)) {
            return false;
        }
        let fits = take(&self.bytes, cost, share(self.max_bytes));
        if !fits {
            self.entries.fetch_sub(1, Relaxed);
        }
        fits
    }

    /// Takes the room of a record that replaces another, or leaves that of the other.
    pub(crate) fn exchange(&self, old: usize, new: usize) -> bool {
        if new > old {
            return take(&self.bytes, new - old, self.max_bytes);
        }
        self.bytes.fetch_sub(old - new, Relaxed);
        true
    }

    /// Gives back the room of a record that is gone.
    pub(crate) fn release(&self, cost: usize) {
        self.entries.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(cost, Relaxed);
    }

    /// What to answer when there is no room.
    #[cold]
    pub(crate) fn full(&self) -> StoreError {
        let bound = |bound: usize| match bound {
            usize::MAX => "no limit".to_owned(),
            bound => bound.to_string(),
        };
        let source = format!(
            "full: {} records (max_entries: {}) that count for {} bytes (max_bytes: {}), none of them expired; raise the \
             limit, or let sessions end sooner",
            self.entries(),
            bound(self.max_entries),
            self.bytes(),
            bound(self.max_bytes),
        );
        StoreError::permanent("memory", source)
    }
}

fn take(counter: &AtomicUsize, more: usize, bound: usize) -> bool {
    counter
        .try_update(Relaxed, Relaxed, |now| {
            now.checked_add(more).filter(|sum| *sum <= bound)
        })
        .is_ok()
}
