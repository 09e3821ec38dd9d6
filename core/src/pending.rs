//! An exchange's loaded records and its intentions.

use smallvec::SmallVec;
use std::sync::atomic::AtomicBool;

use crate::journal::Journal;
use crate::record::{Record, Seed};
use crate::seal::Opener;
use crate::{Error, Key, Token};

/// The client's sealed cookies, unsealed when a handler first uses the session.
pub(crate) type Sealed = SmallVec<[Box<[u8]>; 1]>;

pub(crate) type Candidates = SmallVec<[Candidate; 1]>;

/// A presented token and its key.
pub(crate) struct Candidate {
    pub(crate) key: Key,
    /// The token itself, if it may have to be sent again.
    pub(crate) token: Option<Box<Token>>,
    /// Opens sealed values. `None` for a key without a token.
    pub(crate) opener: Option<Opener>,
}

pub(crate) enum Loading {
    /// The next candidate is wanted, if there is one.
    Next,
    /// The record of the candidate is a retired one: its chain of successors must have a living
    /// end.
    Following(Box<Loaded>),
    /// The session itself, as the client keeps it.
    Sealed(Sealed),
    /// A record could not be read.
    Failed(Error),
}

/// A request's intentions, and the record that they apply to.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) base: Option<Box<Loaded>>,
    /// The records of several distinct living sessions: none of them is trusted. A sign-in or
    /// sign-out ends them all.
    pub(crate) untrusted: Vec<Loaded>,
    pub(crate) journal: Journal,
    /// The base is to be destroyed. The journal belongs to the session after it.
    pub(crate) destroyed: bool,
    pub(crate) token_change: TokenChange,
    /// How the subject of this request's sign-in was authenticated, encoded.
    pub(crate) assurance: Option<Box<[u8]>>,
    /// The seed to save, if a handler used the CSRF token of a record without one.
    pub(crate) seed: Option<Seed>,
    /// A value could not be read: a request that fails on that does not extend the session.
    pub(crate) unread: AtomicBool,
    /// The cookie of a visitor without a session whose CSRF token was asked for.
    pub(crate) form: Option<Box<Form>>,
    /// The number of the epoch, once it is known: older sessions have ended.
    pub(crate) epoch: u64,
    /// The keys of tokens that were presented and have no living record.
    pub(crate) unknown: Vec<Key>,
    /// A value was to be removed that only the visitor's token opens.
    pub(crate) locked: bool,
}

/// A session cookie for a stranger's forms. No record belongs to it.
pub(crate) struct Form {
    pub(crate) token: Token,
    pub(crate) seed: Seed,
}

/// A record as it was loaded.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) key: Key,
    pub(crate) record: Record,
    /// For a retired record: its successors, the living one last.
    pub(crate) chain: Vec<Key>,
    /// The token that led here was replaced by a plain rotation. Within the grace it stands for the
    /// session's newer token, but never gets that token, nor another one by rotation.
    pub(crate) via: bool,
    /// Opens sealed values under this key.
    pub(crate) opener: Option<Opener>,
}

impl Loaded {
    /// Whether the token that led here has been rotated away.
    pub(crate) fn is_superseded(&self) -> bool {
        self.via || self.record.retired.is_some()
    }
}

#[derive(Default, PartialEq, Eq)]
pub(crate) enum TokenChange {
    #[default]
    No,
    Rotate,
    SignIn(Box<str>),
}

impl Pending {
    /// As it was loaded.
    pub(crate) fn forget_changes(&mut self) {
        self.journal = Journal::default();
        self.destroyed = false;
        self.token_change = TokenChange::No;
        (self.seed, self.form, self.assurance) = (None, None, None);
        self.locked = false;
    }

    /// The record that the handler sees.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.base
            .as_ref()
            .filter(|_| !self.destroyed)
            .map(|base| &base.record)
    }

    /// The same, if this request leaves it to its owner.
    pub(crate) fn carried(&self) -> Option<&Record> {
        self.record().filter(|record| match &self.token_change {
            TokenChange::SignIn(subject) => {
                record.subject().is_none_or(|owner| owner == &**subject)
            }
            TokenChange::No | TokenChange::Rotate => true,
        })
    }

    /// Whether the handler has set another subject than the one that was authenticated.
    pub(crate) fn has_another_subject(&self) -> bool {
        let signed_in = match &self.token_change {
            TokenChange::SignIn(subject) => Some(&**subject),
            TokenChange::No | TokenChange::Rotate => self.record().and_then(Record::subject),
        };
        let set = self.journal.subject.as_ref();
        set.is_some_and(|subject| subject.as_deref() != signed_in)
    }

    pub(crate) fn is_modified(&self) -> bool {
        self.destroyed
            || self.token_change != TokenChange::No
            || !self.journal.is_empty()
            || self.seed.is_some()
            || self.locked
    }

    /// Whether the record's values are sealed, and nothing here opens them.
    pub(crate) fn is_locked(&self) -> bool {
        self.record().is_some_and(Record::is_locked)
    }

    /// Whether there is something to be created where there is no session.
    pub(crate) fn creates(&self) -> bool {
        matches!(self.token_change, TokenChange::SignIn(_))
            || !self.journal.is_empty()
            || self.seed.is_some()
    }
}
