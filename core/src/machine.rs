//! All transitions, from what was loaded to the outcome.
//!
//! Loading (`Exchange::handle_loaded`):
//!
//! ```text
//! candidate ── none, expired ──▶ next candidate ──▶ … ──▶ ready: no session
//!     │ live ────────────────────▶ next candidate ──▶ … ──▶ ready: this one, if it is the only living one
//!     └ retired ──▶ follow the successors ── living end ──▶ as live     ── end missing ──▶ as none
//! ```
//!
//! Committing (`Exchange::finish`, then one arrow for each answer; `✗` is a lost answer, which is looked into by a reload):
//!
//! ```text
//! nothing changed ─────▶ Touch, if due ─▶ done
//!                          └ cookie to be renewed: Reload ─ live ─▶ done: issue the same again
//! changed, no session ─▶ Mint ─▶ Create ─ Stored ─▶ done: issue
//!                          ▲─────── Taken
//! changed, live ───────▶ Mint ─▶ Replace ─ Stored ─▶ done: saved
//!                                 ▲   └ Changed, ✗ ─▶ Reload ─ gone ─▶ done: gone, or, after a ✗, uncertain
//!                                 └── live: replay ─────┴ retired ─▶ done: superseded
//! changed, retired ────▶ done: superseded                 (never a new session: a late answer must not undo a sign-in)
//! rotation, sign-in ───▶ Mint ─▶ Create new ─▶ Replace old by retired ─ Stored ─▶ done: issue
//!                                                ▲   └ Changed, Gone, ✗ ─▶ Reload old
//!                                                │        ├ live: Reload new, Replace new by the replayed ─┐
//!                                                └────────┼──────────────────────────────────────────┘
//!                                                         ├ gone, rotation: Reload new, Delete new ─▶ done: gone
//!                                                         ├ gone, sign-in: Reload new, Replace it without the old data ─▶ done: issue
//!                                                         ├ retired, rotation: Reload new, Delete new ─▶ done: superseded
//!                                                         └ retired, sign-in ─▶ done: issue
//! sign-out ────────────▶ Delete ─ Deleted, Gone ─▶ done: clear
//!                         ▲ └ Changed, ✗ ─▶ Reload ─ gone ─▶ done: clear
//!                         └────── live ───────┘└ retired: Reload along the chain to its end, Delete newest first ─▶ done: clear
//! emptied, if configured so ─▶ Mint ─▶ Delete ─ Deleted, Gone ─▶ done: clear
//!                                    └ Changed, ✗ ─▶ Reload ─▶ as changed, live
//! in the cookie itself ─▶ Mint, if changed or the end is to be put off ─▶ done: issue      (no store is asked)
//! ```
//!
//! The rules that `protocol.py` calls nocas, blinddelete, nofollow, retiredmint and shortgrace are the comments that begin with
//! "Rule".

mod answers;
mod creating;
mod in_cookie;
mod loading;
mod saving;
mod signing_out;

use crate::commit::{Mint, Replace, ReplaceStep, Target};
use crate::exchange::{Candidates, Issue, Loading, Work};
use crate::record::{Nonce, Seed};
use crate::{
    Commit, Config, Directive, Error, Exchange, Fate, Key, Outcome, Token, UnixTime, Write,
};

/// How many rotations may follow one another within a grace.
const MAX_CHAIN: usize = 16;
/// How many conflicts and lost answers one commit may meet.
const MAX_CONFLICTS: u32 = 256;

impl Exchange {
    /// The handler has answered: what is to be done to make its changes real? `now` is the time of this call.
    ///
    /// Store calls: none if nothing was changed (one `touch` after a tenth of the idle timeout, and a load
    /// more if that renews the cookie); one to create or to save; two for
    /// a rotation or sign-in; one for a sign-out. More only after conflicts and lost answers.
    ///
    /// ```
    /// # use cloakroom_core::{Commit, Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.insert("theme", "dark")?;
    /// assert!(matches!(exchange.finish(UnixTime::from_secs(1)), Commit::Mint(_)));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn finish(self, now: UnixTime) -> Commit {
        if let Some(outcome) = self.settled(now) {
            return Commit::Done(outcome);
        }
        let mut machine = self.0;
        machine.now = now;
        machine.start()
    }

    /// What [`finish`](Exchange::finish) comes to if nothing is to be done, as after most requests; `None` if something is. For drivers
    /// that keep the exchange in its place until then: dropping it instead of finishing it changes nothing.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, Fate, UnixTime};
    /// let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// assert_eq!(exchange.settled(UnixTime::from_secs(1)).unwrap().fate, Fate::Unchanged);
    /// exchange.session()?.insert("theme", "dark")?;
    /// assert!(exchange.settled(UnixTime::from_secs(1)).is_none());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn settled(&self, now: UnixTime) -> Option<Outcome> {
        self.0.settled(now)
    }
}

/// An exchange, from when it is opened until its outcome.
pub(crate) struct Machine {
    pub(crate) config: Config,
    pub(crate) opened: UnixTime,
    now: UnixTime,
    pub(crate) presented: bool,
    pub(crate) accessed: bool,
    /// Where the session may be, in the order of the tokens presented; those before `at` are dealt with.
    pub(crate) candidates: Candidates,
    pub(crate) at: usize,
    pub(crate) loading: Loading,
    /// The living token, if it may have to be sent again.
    token: Option<Box<Token>>,
    pub(crate) work: Work,
    /// The session that is being created.
    new: Option<New>,
    /// The mark of this exchange's writes.
    writer: Nonce,
    /// For a record that has no seed yet.
    seed: Seed,
    mints: u32,
    conflicts: u32,
    /// An answer was lost: a write of this exchange may have happened, or may still happen.
    uncertain: bool,
    /// The successor that was deleted last.
    dead: Option<Key>,
}

struct New {
    token: Token,
    key: Key,
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
            token: None,
            work: Work::default(),
            new: None,
            writer: Nonce::default(),
            seed: Seed::default(),
            mints: 0,
            conflicts: 0,
            uncertain: false,
            dead: None,
        }
    }

    fn settled(&self, now: UnixTime) -> Option<Outcome> {
        let base = self.work.base.as_deref();
        let touch = || self.config.touch_due(base?, now);
        (!self.work.is_modified() && touch().is_none()).then(|| Outcome {
            superseded: base.is_some_and(|base| base.record.retired.is_some()),
            directive: Directive::Keep,
            accessed: self.accessed,
            fate: Fate::Unchanged,
            conflicts: 0,
        })
    }

    /// What to do first.
    fn start(mut self: Box<Self>) -> Commit {
        if self.config.settings().envelope.is_some() {
            return self.start_sealed();
        }
        let live = self
            .work
            .base
            .as_ref()
            .map(|base| base.record.retired.is_none());
        let modified = self.work.is_modified();
        match (live, &self.work.issue) {
            _ if self.work.destroyed => self.sign_out(),
            (_, Issue::SignIn(_)) | (Some(true), Issue::Rotate) => self.mint(),
            (None, _) if self.creates() => {
                self.work.issue = Issue::No;
                self.mint()
            }
            (None, _) => self.done(Fate::Unchanged, Directive::Keep),
            (Some(true), Issue::No) if modified => self.mint(),
            (Some(true), Issue::No) => self.touch(),
            // Rule retiredmint: a plain write with a retired token is dropped, and never creates a session.
            (Some(false), Issue::No) if !modified => self.done(Fate::Unchanged, Directive::Keep),
            (Some(false), _) => self.done(Fate::Superseded, Directive::Keep),
        }
    }

    fn mint(self: Box<Self>) -> Commit {
        Commit::Mint(Mint { machine: self })
    }

    fn replace_base(mut self: Box<Self>, write: Write, step: ReplaceStep) -> Result<Commit, Error> {
        // Rule nocas: replace only what is still as it was loaded.
        let target = self.take_base()?;
        Ok(Commit::Replace(Replace {
            machine: self,
            target,
            write,
            step,
        }))
    }

    /// The base goes into the question, and comes back with the answer.
    fn take_base(&mut self) -> Result<Target, Error> {
        self.work.base.take().map(Target::Base).ok_or(Error::Misuse)
    }

    fn restore(&mut self, target: Target) -> Key {
        match target {
            Target::Base(base) => self.work.base.insert(base).key.clone(),
            Target::Other(other) => other.0,
        }
    }

    fn clear(&self) -> Directive {
        if self.presented {
            Directive::Clear
        } else {
            Directive::Keep
        }
    }

    /// Whether there is something to be created where there is no session.
    fn creates(&self) -> bool {
        let work = &self.work;
        let empty = || {
            work.issue == Issue::No
                && work.seed.is_none()
                && work.journal.subject.is_none()
                && !work.journal.sets()
        };
        work.creates() && !(self.config.settings().delete_emptied && empty())
    }

    fn done(self: Box<Self>, fate: Fate, directive: Directive) -> Commit {
        let base = self.work.base.as_ref();
        let retired = base.is_some_and(|base| base.record.retired.is_some());
        Commit::Done(Outcome {
            superseded: matches!(directive, Directive::Keep)
                && (retired || fate == Fate::Superseded),
            directive,
            accessed: self.accessed,
            fate,
            conflicts: self.conflicts,
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
