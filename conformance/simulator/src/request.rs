//! One request: its exchange with the machine, and what the model knows of it.

use cloakroom_core::{Commit, Exchange, Stored, UnixTime};

use crate::model::{Change, Content};
use crate::step::{Fault, Id, Start};
use crate::store::{Half, Slot};
use crate::truth::{Base, Fold};

/// How often a transient failure is tried again, in one load or commit: as the crate `cloakroom` does.
pub(crate) const RETRIES: u8 = 2;

#[allow(clippy::large_enum_variant, reason = "most are exchanges at first")]
pub(crate) enum Live {
    /// Something is to be loaded.
    Opening(Exchange),
    /// The handler runs.
    Handling(Exchange),
    Committing(Commit),
    /// It has ended, one way or another.
    Over,
}

/// What the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Clear,
    Token(Slot),
}

pub(crate) struct Request {
    pub(crate) start: Start,
    pub(crate) live: Live,
    /// What the node's clock showed when it began, and when the machine was told last.
    pub(crate) opened: u64,
    pub(crate) now: u64,
    /// When it really began.
    pub(crate) began: u64,
    pub(crate) presents: bool,
    /// How many different tokens that were issued it presents.
    pub(crate) tokens: u8,
    pub(crate) fold: Fold,
    /// The session as the machine loaded it last.
    pub(crate) base: Option<Base>,
    /// The session that it found was one, or one that a rotation had left behind.
    pub(crate) found: Option<Base>,
    pub(crate) change: Change,
    pub(crate) new: Option<Slot>,
    pub(crate) landed: bool,
    /// The old record of its rotation was gone.
    pub(crate) base_gone: bool,
    pub(crate) stripped: bool,
    /// The new record, as it was to be written again: an attempt of unknown outcome is repeated as it was.
    pub(crate) again: Option<Content>,
    pub(crate) half: Option<Half>,
    /// What it loaded was not what was there; and some of it was of a session that had been signed out.
    pub(crate) stale: bool,
    pub(crate) ended: bool,
    pub(crate) load_retries: u8,
    pub(crate) retries: u8,
    pub(crate) mints: u8,
    pub(crate) loads: u32,
    pub(crate) calls: u32,
    pub(crate) faults: u32,
    pub(crate) taken: u32,
    /// The first record that was loaded, for mutants.
    pub(crate) first: Option<Stored>,
    /// What is on its way to the client.
    pub(crate) answer: Option<Told>,
}

impl Request {
    pub(crate) fn new(start: Start, exchange: Exchange, opened: u64, began: u64) -> Self {
        Self {
            start,
            live: Live::Opening(exchange),
            opened,
            now: opened,
            began,
            presents: false,
            tokens: 0,
            fold: Fold::default(),
            base: None,
            found: None,
            change: Change::new(start.id),
            new: None,
            landed: false,
            base_gone: false,
            stripped: false,
            again: None,
            half: None,
            stale: false,
            ended: false,
            load_retries: RETRIES,
            retries: RETRIES,
            mints: 0,
            loads: 0,
            calls: 0,
            faults: 0,
            taken: 0,
            first: None,
            answer: None,
        }
    }

    pub(crate) fn id(&self) -> Id {
        self.start.id
    }

    /// Its bit in `Content::applied`.
    pub(crate) fn mark(&self) -> u64 {
        1 << self.start.id
    }

    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.live, Live::Over)
    }

    pub(crate) fn time(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    /// The session under the new token.
    pub(crate) fn anew(&self) -> Content {
        let base = self.base.filter(|_| !self.change.destroyed);
        let content = base.as_ref().map(|base| &base.content);
        self.change.anew(content, self.opened, self.now)
    }

    /// Spends a retry; `false`: there is none left.
    pub(crate) fn retry(&mut self, loading: bool) -> bool {
        let left = match loading {
            true => &mut self.load_retries,
            false => &mut self.retries,
        };
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                true
            }
            None => false,
        }
    }

    pub(crate) fn suffer(&mut self, fault: Fault) {
        self.faults += u32::from(fault != Fault::None);
    }
}
