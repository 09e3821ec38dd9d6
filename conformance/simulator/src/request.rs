//! One request: its exchange with the machine, and the model's view of it.

use cloakroom_core::{Commit, Exchange, Stored, UnixTime};

use crate::midway::{Claiming, Next};
use crate::model::{Change, Content};
use crate::step::{Fault, Id, Present, Start};
use crate::store::{Half, Slot};
use crate::truth::{Fold, Loaded};

/// How often a transient failure is tried again, in one load or commit: as the crate `cloakroom`
/// does.
pub(crate) const RETRIES: u8 = 2;

#[allow(clippy::large_enum_variant, reason = "most are exchanges at first")]
pub(crate) enum Live {
    /// A load is outstanding.
    Opening(Exchange),
    /// The handler runs.
    Handling(Exchange),
    Committing(Commit),
    /// Its handler waits for a claim.
    Waiting,
    /// It has ended, one way or another.
    Over,
}

/// The directive for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Clear,
    Token(Slot),
    /// A cookie for a form, without a record.
    Form,
}

pub(crate) struct Request {
    pub(crate) start: Start,
    pub(crate) live: Live,
    /// The node's clock at the request's beginning, and at the machine's last answer.
    pub(crate) opened: u64,
    pub(crate) now: u64,
    /// When it really began.
    pub(crate) began: u64,
    pub(crate) presents: bool,
    /// How many different tokens that were issued it presents.
    pub(crate) tokens: u8,
    pub(crate) fold: Fold,
    /// The session as the machine loaded it last.
    pub(crate) base: Option<Loaded>,
    /// The session that it found was one, or one that a rotation had left behind.
    pub(crate) found: Option<Loaded>,
    pub(crate) change: Change,
    pub(crate) new: Option<Slot>,
    pub(crate) landed: bool,
    /// The old record of its rotation was gone.
    pub(crate) base_gone: bool,
    /// The successor of its base, if that is the same session, and the machine must look there.
    pub(crate) successor: Option<Slot>,
    /// Its base is what another rotation made, meanwhile.
    pub(crate) followed: bool,
    pub(crate) stripped: bool,
    /// The new record for a second attempt. An attempt of unknown outcome is repeated unchanged.
    pub(crate) again: Option<Content>,
    pub(crate) half: Option<Half>,
    /// The load returned a stale record, or one of a session that had been signed out.
    pub(crate) stale: bool,
    pub(crate) ended: bool,
    /// A session that it presents is of an epoch that is over.
    pub(crate) ended_with_all: bool,
    /// The answer to its load of the epoch is on its way: since when.
    pub(crate) epoch_sent: Option<(Option<Stored>, u64)>,
    pub(crate) load_retries: u8,
    pub(crate) retries: u8,
    pub(crate) mints: u8,
    pub(crate) loads: u32,
    pub(crate) calls: u32,
    pub(crate) faults: u32,
    pub(crate) taken: u32,
    /// The first record that was loaded, for mutants.
    pub(crate) first: Option<Stored>,
    /// The cookie without a record that it presents, and the token of the form that it shows.
    pub(crate) cookie: Option<String>,
    pub(crate) form: Option<String>,
    /// The response on its way to the client.
    pub(crate) answer: Option<Told>,
    /// The index of its next action.
    pub(crate) at: usize,
    /// Its handler saves, and goes on.
    pub(crate) saves: bool,
    /// A limit marks its sign-in.
    pub(crate) marks: bool,
    /// It has claimed something, or must not.
    pub(crate) claims: bool,
    /// Its exchange, while it waits for a claim.
    pub(crate) held: Option<Exchange>,
    pub(crate) next: Option<Next>,
    /// The directive of the save before, if this is the rest of a handler.
    pub(crate) earlier: Option<Told>,
    /// It is the claim of another request.
    pub(crate) claiming: Option<Claiming>,
}

impl Request {
    pub(crate) fn new(start: Start, exchange: Exchange, opened: u64, began: u64) -> Self {
        Self {
            live: Live::Opening(exchange),
            ..Self::without(start, opened, began)
        }
    }

    pub(crate) fn without(start: Start, opened: u64, began: u64) -> Self {
        Self {
            start,
            live: Live::Over,
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
            successor: None,
            followed: false,
            stripped: false,
            again: None,
            half: None,
            stale: false,
            ended: false,
            ended_with_all: false,
            epoch_sent: None,
            load_retries: RETRIES,
            retries: RETRIES,
            mints: 0,
            loads: 0,
            calls: 0,
            faults: 0,
            taken: 0,
            first: None,
            cookie: None,
            form: None,
            answer: None,
            at: 0,
            saves: false,
            marks: false,
            claims: false,
            held: None,
            next: None,
            earlier: None,
            claiming: None,
        }
    }

    pub(crate) fn id(&self) -> Id {
        self.start.id
    }

    /// Whether it presents a token, perhaps of no session. The rest of a handler presents the key
    /// that it saved under, if any.
    pub(crate) fn presents_unknown(&self) -> bool {
        let key = self.earlier.is_none() || self.tokens > 0;
        self.presents && self.start.present != Present::Garbage && key
    }

    /// Its bit in `Content::applied`.
    pub(crate) fn mark(&self) -> u64 {
        1 << self.start.id
    }

    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.live, Live::Over | Live::Waiting)
    }

    pub(crate) fn time(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    /// The session under the new token.
    pub(crate) fn anew(&self) -> Content {
        let base = self
            .base
            .filter(|_| !self.change.destroyed && !self.base_gone);
        let content = base.as_ref().map(|base| &base.content);
        self.change.anew(content, self.opened, self.now)
    }

    /// Spends a retry. Returns `false` if none is left.
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
