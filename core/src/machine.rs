//! All transitions, from what was loaded to the outcome.
//!
//! Loading (`Exchange::handle_loaded`):
//!
//! ```text
//! candidate ── none, expired ──▶ next candidate ──▶ … ──▶ ready: no session
//!     │ live ────────────────────▶ next candidate ──▶ … ──▶ ready: this one, if it is the only living one
//!     └ retired ──▶ follow the successors ── end missing ──▶ as none
//!                       └ living end ──▶ only plain rotations between: as live, the end itself
//!                                      └ a sign-in between: as live, the record before it, to be read only
//! ready, if `end_all` is switched on: the epoch, last ──▶ living records of an older number: as expired
//! ```
//!
//! Committing (`Exchange::finish`, then one arrow for each answer; `✗` is a lost answer, resolved
//! by a reload):
//!
//! ```text
//! nothing changed ─────▶ Touch, if due ─▶ done
//!                          └ no session, a form's token: done: issue a cookie that has no record
//!                          └ cookie to be renewed: Reload ─ live ─▶ done: issue the same again
//! changed, no session ─▶ Mint ─▶ Create ─ Stored ─▶ done: issue
//!                          ▲─────── Taken
//! changed, live ───────▶ Mint ─▶ Replace ─ Stored ─▶ done: saved
//!                                 ▲   └ Changed, ✗ ─▶ Reload ─ gone ─▶ done: gone, or, after a ✗, uncertain
//!                                 ├── live: replay ─────┤
//!                                 │                     └ retired: follow
//! follow ──────────────▶ retired by a sign-in ─▶ an error, or, if configured so, done: superseded
//!                      └ retired by a rotation ─▶ Reload successor ─ live: replay, and Replace it
//!                                                   ├ retired: follow
//!                                                   └ gone ─▶ done: gone
//! changed, from before a sign-in ─▶ an error, or, if configured so, done: superseded
//!                           (never a new session: a late answer must not undo a sign-in)
//! rotation, sign-in ───▶ Mint ─▶ Create new ─▶ Replace old by retired ─ Stored ─▶ done: issue
//!                                                ▲   └ Changed, Gone, ✗ ─▶ Reload old
//!                                                │        ├ live: Reload new, Replace new by the replayed ─┐
//!                                                └────────┼──────────────────────────────────────────┘
//!                                                         ├ gone, rotation: Reload new, Delete new ─▶ done: gone
//!                                                         ├ gone, sign-in: Reload new, Replace it without the old data ─▶ done: issue
//!                                                         └ retired: follow
//!                                                            ├ live, sign-in: as live, with the successor as the old
//!                                                            ├ live, rotation: Reload new, Delete new, then Replace the successor
//!                                                            ├ gone: as gone
//!                                                            ├ a sign-in was first, sign-in ─▶ done: issue
//!                                                            └ a sign-in was first, rotation: Reload new, Delete new ─▶ as changed
//! rotation with a token that was rotated away ─▶ as changed: it gets no token
//! several sessions, and a sign-in ─▶ each as in a sign-out, then Mint ─▶ Create new ─ Stored ─▶ done: issue
//! sign-out ────────────▶ Delete ─ Deleted, Gone ─▶ done: clear
//!                         ▲ └ Changed, ✗ ─▶ Reload ─ gone ─▶ done: clear
//!                         └────── live ───────┘└ retired: Reload along the chain to its end, Delete newest first ─▶ done: clear
//!                               └ a sign-in lies between ─▶ an error, and nothing is deleted
//! emptied, if configured so ─▶ Mint ─▶ Delete ─ Deleted, Gone ─▶ done: clear
//!                                    └ Changed, ✗ ─▶ Reload ─▶ as changed, live
//! in the cookie itself ─▶ Mint, if changed or the end is to be put off ─▶ done: issue      (no store is asked)
//! ```

mod answers;
mod claiming;
mod creating;
mod ending;
mod following;
mod in_cookie;
mod loading;
mod saving;
mod sealing;
mod signing_out;

pub use claiming::Claimed;
pub(crate) use following::Withdrawn;

use self::loading::MAX_TOKENS;

use crate::commit::{Mint, Replace, ReplaceStep, Target};
use crate::pending::{Candidates, Loaded, Loading, Pending, TokenChange};
use crate::record::{Nonce, Seed};
use crate::seal::Opener;
use crate::{Commit, Config, Directive, Error, Fate, Issued, Key, Outcome, Token, UnixTime, Write};

/// How many rotations may follow one another within a grace.
const MAX_CHAIN: usize = 16;
/// How many conflicts and lost answers one commit may meet.
const MAX_CONFLICTS: u32 = 256;

/// An exchange, from its opening until its outcome.
pub(crate) struct Machine {
    pub(crate) config: Config,
    pub(crate) opened: UnixTime,
    pub(crate) now: UnixTime,
    pub(crate) presented: bool,
    pub(crate) accessed: bool,
    /// Where the session may be, in the order of the tokens presented. Those before `at` are done.
    pub(crate) candidates: Candidates,
    pub(crate) at: usize,
    pub(crate) loading: Loading,
    loads: u32,
    /// More tokens, or more loads, than the limit: no session is trusted, and none can be ended for
    /// certain.
    pub(crate) excess: bool,
    /// The maximum of tokens: the one that a sign-in issues would be one too many.
    pub(crate) full: bool,
    /// The server itself chose the record, so a sign-in does not cut it off from the successor.
    pub(crate) may_cross: bool,
    /// The error for what this request cannot have.
    refused: Option<Box<Error>>,
    /// The living token, if it may have to be sent again.
    token: Option<Box<Token>>,
    pub(crate) pending: Pending,
    /// The session that this request creates.
    new: Option<New>,
    /// The mark of this exchange's writes.
    writer: Nonce,
    /// For a record that has no seed yet.
    seed: Seed,
    /// The nonces of this exchange's sealed records.
    nonces: sealing::Nonces,
    mints: u32,
    conflicts: u32,
    /// How many successors this load has followed.
    hops: usize,
    /// An answer was lost: a write of this exchange may have happened, or may still happen.
    uncertain: bool,
    /// The successor deleted last.
    deleted_successor: Option<Box<Key>>,
    /// The one value that this machine takes.
    claim: Option<Box<claiming::Claim>>,
    /// The presented token was rotated away before this exchange began.
    pub(crate) rotated_away: bool,
    /// This exchange is no use of the session, and does not extend its life.
    pub(crate) background: bool,
    /// The session of a sign-in is marked until its token is presented.
    pub(crate) unpresented: bool,
    /// The handler goes on after this commit.
    pub(crate) resumes: bool,
    /// The epoch is to be loaded, after all records.
    wants_epoch: bool,
    /// The key of the token that is issued, if one is, and what opens its values.
    place: Option<Box<Place>>,
    /// Further presented cookies of sessions that the client keeps.
    beside: in_cookie::Beside,
}

struct New {
    token: Token,
    key: Key,
    opener: Option<Opener>,
}

/// Where a session is, and what opens its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: Key,
    pub(crate) opener: Option<Opener>,
}

impl Machine {
    pub(crate) fn open(config: &Config, now: UnixTime) -> Self {
        Self {
            config: config.clone(),
            opened: now,
            now,
            presented: false,
            accessed: false,
            candidates: Candidates::new(),
            at: 0,
            loading: Loading::Next,
            loads: 0,
            excess: false,
            full: false,
            may_cross: false,
            refused: None,
            token: None,
            pending: Pending::default(),
            new: None,
            writer: Nonce::default(),
            seed: Seed::default(),
            nonces: sealing::Nonces::default(),
            mints: 0,
            conflicts: 0,
            hops: 0,
            uncertain: false,
            deleted_successor: None,
            claim: None,
            rotated_away: false,
            background: false,
            unpresented: false,
            resumes: false,
            wants_epoch: config.epoch_key().is_some(),
            place: None,
            beside: in_cookie::Beside::default(),
        }
    }

    pub(crate) fn settled(&self, now: UnixTime) -> Option<Outcome> {
        let base = self.pending.base.as_deref();
        let touch = || self.touch_due(base?, now);
        (!self.pending.is_modified() && touch().is_none()).then(|| Outcome {
            superseded: base.is_some_and(Loaded::is_superseded),
            directive: self.keep(),
            accessed: self.accessed,
            fate: Fate::Unchanged,
            conflicts: 0,
            claimed: None,
            place: None,
        })
    }

    /// Returns the first step.
    pub(crate) fn start(mut self: Box<Self>) -> Commit {
        if self.config.settings().envelope.is_some() {
            return self.start_sealed();
        }
        let base = self.pending.base.as_deref();
        if self.pending.token_change == TokenChange::Rotate
            && base.is_some_and(Loaded::is_superseded)
        {
            // Rule onetoken: a token that was rotated away gets no other, so its reach ends with
            // the grace.
            self.pending.token_change = TokenChange::No;
        }
        let base = self.pending.base.as_deref();
        let live = base.map(|base| base.record.retired.is_none());
        let modified = self.pending.is_modified();
        if modified && self.is_barred() {
            return self.refuse(Error::Sealed);
        }
        let most = MAX_TOKENS - usize::from(self.signs_in());
        if self.excess && self.pending.destroyed || (self.excess || self.full) && self.signs_in() {
            return self.refuse(Error::TooManyTokens { limit: most });
        }
        match (live, &self.pending.token_change) {
            _ if self.pending.destroyed => self.sign_out(),
            // Rule untrusted: a sign-in ends the sessions presented with it before the new one
            // begins. Otherwise the client would go on presenting several, and the new one would
            // not be trusted either.
            (_, TokenChange::SignIn(_)) if !self.pending.untrusted.is_empty() => self.sign_out(),
            (_, TokenChange::SignIn(_)) | (Some(true), TokenChange::Rotate) => self.mint(),
            (None, _) if self.creates() => {
                self.pending.token_change = TokenChange::No;
                self.mint()
            }
            (None, _) => {
                let directive = self.keep();
                self.done(Fate::Unchanged, directive)
            }
            (Some(true), TokenChange::No) if modified => self.mint(),
            (Some(true), TokenChange::No) if self.background => {
                self.done(Fate::Unchanged, Directive::Keep)
            }
            (Some(true), TokenChange::No) => self.touch(),
            (Some(false), _) if !modified => self.done(Fate::Unchanged, Directive::Keep),
            // Rule retiredmint: a plain write with a token from before a sign-in fails, and never
            // creates a session.
            (Some(false), _) if self.drops_superseded() => {
                self.done(Fate::Superseded, Directive::Keep)
            }
            (Some(false), _) => self.mint(),
        }
    }

    fn mint(self: Box<Self>) -> Commit {
        Commit::Mint(Mint { machine: self })
    }

    /// Makes this error the next answer, and writes nothing: `finish` itself never fails.
    #[cold]
    fn refuse(mut self: Box<Self>, error: Error) -> Commit {
        self.refused = Some(Box::new(error));
        self.mint()
    }

    fn signs_in(&self) -> bool {
        matches!(self.pending.token_change, TokenChange::SignIn(_))
    }

    fn replace_base(mut self: Box<Self>, write: Write, step: ReplaceStep) -> Result<Commit, Error> {
        // Rule: replace only what still equals the loaded record.
        let target = self.take_base()?;
        Ok(Commit::Replace(Replace {
            machine: self,
            target,
            write,
            step,
        }))
    }

    /// The base moves into the question, and returns with the answer.
    fn take_base(&mut self) -> Result<Target, Error> {
        self.pending
            .base
            .take()
            .map(Target::Base)
            .ok_or(Error::ProtocolMisuse)
    }

    fn restore(&mut self, target: Target) -> Key {
        match target {
            Target::Base(base) => self.pending.base.insert(base).key.clone(),
            Target::Other(other) => other.0,
        }
    }

    fn clear(&self) -> Directive {
        match self.keep() {
            // A cookie of a former Path may be there, and not be sent with this request.
            Directive::Keep if self.presented || self.config.has_former_scopes() => {
                Directive::Clear
            }
            directive => directive,
        }
    }

    /// Returns no directive, or the cookie for the forms of a visitor without a session.
    fn keep(&self) -> Directive {
        match &self.pending.form {
            None => Directive::Keep,
            Some(form) => Directive::Issue(Issued {
                token: form.token.clone(),
                max_age: None,
            }),
        }
    }

    /// Returns whether there is something to create where there is no session.
    fn creates(&self) -> bool {
        let pending = &self.pending;
        let empty = || {
            pending.token_change == TokenChange::No
                && pending.seed.is_none()
                && pending.journal.subject.is_none()
                && !pending.journal.sets()
        };
        pending.creates() && !(self.config.settings().delete_when_empty && empty())
    }

    fn done(self: Box<Self>, fate: Fate, directive: Directive) -> Commit {
        let base = self.pending.base.as_deref();
        let superseded = fate == Fate::Superseded || base.is_some_and(Loaded::is_superseded);
        let claimed = self.claimed().filter(|_| fate == Fate::Saved).map(Box::new);
        let at = |base: &Loaded| {
            Box::new(Place {
                key: base.key.clone(),
                opener: base.opener.clone(),
            })
        };
        let place = || self.place.clone().or_else(|| base.map(at));
        let place = self.resumes.then(place).flatten();
        Commit::Done(Outcome {
            superseded: superseded && directive == Directive::Keep,
            directive,
            accessed: self.accessed,
            fate,
            conflicts: self.conflicts,
            claimed,
            place,
        })
    }

    fn conflict(&mut self) -> Result<(), Error> {
        self.conflicts += 1;
        if self.conflicts > MAX_CONFLICTS {
            Err(Error::Contended)
        } else {
            Ok(())
        }
    }

    fn is_late(&self) -> bool {
        self.now.since(self.opened) >= self.config.hold()
    }
}
