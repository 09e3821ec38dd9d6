//! How much is in the store, and how much may be.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cloakroom_store::StoreError;

/// The bounds and the present totals. A record is counted before it goes in and after it came out,
/// so the bounds hold at every moment.
pub(crate) struct Limits {
    pub(crate) max_entries: usize,
    pub(crate) max_bytes: usize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

/// How much of a bound a write may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// For records without a subject: anybody can have one. They leave the last eighth alone.
    Anybody,
    Whole,
}

impl Share {
    pub(crate) fn of_subject(has_subject: bool) -> Self {
        match has_subject {
            true => Self::Whole,
            false => Self::Anybody,
        }
    }

    fn of(self, bound: usize) -> usize {
        match self {
            Self::Anybody => bound - bound / 8,
            Self::Whole => bound,
        }
    }
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

    /// Takes room for a new record, or nothing.
    pub(crate) fn reserve(&self, cost: usize, share: Share) -> bool {
        if !take(&self.entries, 1, share.of(self.max_entries)) {
            return false;
        }
        let fits = take(&self.bytes, cost, share.of(self.max_bytes));
        if !fits {
            self.entries.fetch_sub(1, Relaxed);
        }
        fits
    }

    /// Takes the room of a record that replaces another, or leaves that of the other.
    pub(crate) fn exchange(&self, old: usize, new: usize, share: Share) -> bool {
        if new > old {
            return take(&self.bytes, new - old, share.of(self.max_bytes));
        }
        self.bytes.fetch_sub(old - new, Relaxed);
        true
    }

    /// Gives back the room of a record that is gone.
    pub(crate) fn release(&self, cost: usize) {
        self.entries.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(cost, Relaxed);
    }

    /// Returns the error of a full store.
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
        .fetch_update(Relaxed, Relaxed, |now| {
            now.checked_add(more).filter(|sum| *sum <= bound)
        })
        .is_ok()
}
