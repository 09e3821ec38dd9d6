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

use std::time::Duration;

use crate::commit::{
    Create, Delete, DeleteStep, Mint, Reload, ReloadStep, Replace, ReplaceStep, Target, Touch,
};
use crate::config::{Limits, MAX_MAX_AGE};
use crate::envelope::{self, MAX_COOKIE};
use crate::exchange::{Base, Candidates, Issue, Loading, Work};
use crate::expiry::SKEW;
use crate::record::{Changes, Head, Nonce, Record, Retired, Seed};
use crate::{
    Commit, Config, Created, Deleted, Directive, Error, Exchange, Fate, Issued, Key, Outcome,
    Replaced, Stored, Token, Touched, UnixTime, Write,
};

/// How many rotations may follow one another within a grace.
const MAX_CHAIN: usize = 16;
/// How many tokens are tried before the randomness is given up for broken.
const MAX_MINTS: u32 = 8;
/// How many conflicts and lost answers one commit may meet.
const MAX_CONFLICTS: u32 = 256;

impl Exchange {
    /// The answer to [`wants_load`](Exchange::wants_load): what the store found under `key`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::NewerRecord`] if the record cannot be read: the exchange then stays without a session,
    /// and leaves the record alone. [`Error::Misuse`] if nothing, or another key, was wanted.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    /// # let mut exchange = Exchange::open(&Config::default(), [token.as_bytes()], UnixTime::from_secs(0));
    /// while let Some(key) = exchange.wants_load() {
    ///     let key = key.clone();
    ///     let found = None; // store.load(&key).await?
    ///     exchange.handle_loaded(&key, found)?;
    /// }
    /// assert!(exchange.session()?.is_new());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn handle_loaded(&mut self, key: &Key, found: Option<Stored>) -> Result<(), Error> {
        self.0.handle_loaded(key, found)
    }

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
}

impl Machine {
    fn handle_loaded(&mut self, key: &Key, found: Option<Stored>) -> Result<(), Error> {
        if self.wants_load() != Some(key) {
            return Err(Error::Misuse);
        }
        let answer = self.loaded(found);
        if let Err(error) = &answer {
            self.work.base = None;
            self.loading = Loading::Failed(error.clone());
        }
        answer
    }

    fn loaded(&mut self, found: Option<Stored>) -> Result<(), Error> {
        if let Loading::Following(_) = self.loading {
            return self.followed(found);
        }
        let next = self.candidates.get_mut(self.at).ok_or(Error::Misuse)?;
        let key = next.key.take();
        let living = match found {
            None => None,
            Some(stored) => {
                let base = self.config.base(stored, key, self.opened)?;
                if let Some(retired) = &base.record.retired
                    && self.config.readable(retired, self.opened)
                {
                    self.loading = Loading::Following(base);
                    return Ok(());
                }
                Some(base).filter(|base| self.config.alive(&base.record, self.opened))
            }
        };
        self.settle(living);
        Ok(())
    }

    /// The end of a retired record's chain, or what follows in it.
    #[cold]
    fn followed(&mut self, found: Option<Stored>) -> Result<(), Error> {
        let found = found.map(|stored| self.config.read(stored, self.opened));
        let end = found.transpose()?;
        let Loading::Following(mut base) = std::mem::replace(&mut self.loading, Loading::Next)
        else {
            return Err(Error::Misuse);
        };
        // Rule nofollow: a retired record counts only while the end of its chain lives.
        match end {
            Some(Record {
                retired: Some(retired),
                ..
            }) => {
                if base.chain.len() == MAX_CHAIN {
                    return Err(Error::Contended);
                }
                base.chain.push(retired.successor);
                self.loading = Loading::Following(base);
            }
            end => {
                let lives = end.is_some_and(|end| self.config.alive(&end, self.opened));
                self.settle(lives.then_some(base));
            }
        }
        Ok(())
    }

    /// The candidate is dealt with.
    fn settle(&mut self, living: Option<Box<Base>>) {
        let candidate = self.candidates.get_mut(self.at);
        self.at += 1;
        let Some(living) = living else {
            return;
        };
        self.token = candidate.and_then(|candidate| candidate.token.take());
        // Two distinct living tokens: neither is trusted.
        if let Some(other) = self.work.base.take() {
            self.work.untrusted.push(*other);
        }
        match self.work.untrusted.is_empty() {
            true => self.work.base = Some(living),
            false => self.work.untrusted.push(*living),
        }
    }
}

impl Machine {
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
}

impl Machine {
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

    /// The same for a session that the client keeps: there is nothing to ask a store.
    #[cold]
    fn start_sealed(mut self: Box<Self>) -> Commit {
        if self.work.destroyed && self.work.base.take().is_some() && !self.creates() {
            let directive = self.clear();
            return self.done(Fate::Saved, directive);
        }
        if self.work.base.is_none() && self.work.issue == Issue::Rotate {
            self.work.issue = Issue::No;
        }
        let touch = self.work.base.as_ref();
        let touch = touch.and_then(|base| self.config.touch_due(base, self.now));
        match self.work.base.is_some() {
            true if self.work.is_modified() || touch.is_some() => self.mint(),
            false if self.creates() => self.mint(),
            _ => {
                let destroyed = self.work.destroyed;
                let directive = if destroyed {
                    self.clear()
                } else {
                    Directive::Keep
                };
                self.done(Fate::Unchanged, directive)
            }
        }
    }

    /// The client gets the session as it is now.
    #[cold]
    fn seal(mut self: Box<Self>, random: &[u8; 32]) -> Result<Commit, Error> {
        let fate = match self.work.is_modified() {
            true => Fate::Saved,
            false => Fate::Unchanged,
        };
        let stays = self.work.issue == Issue::No && self.work.base.is_some();
        if stays && self.is_emptied() {
            self.work.base = None;
            let directive = self.clear();
            return Ok(self.done(fate, directive));
        }
        let (write, (created, expiry)) = match &self.work.base {
            Some(base) if stays => {
                let expiry = self.work.journal.expiry.unwrap_or(base.record.expiry);
                (self.changed_record()?, (base.record.created, expiry))
            }
            _ => (self.new_record()?, self.new_times()),
        };
        let settings = self.config.settings();
        let (Some(envelope), name) = (&settings.envelope, &settings.cookie.name) else {
            return Err(Error::Misuse);
        };
        let text = envelope.0.seal(name, &write, random, self.now)?;
        let bytes = name.len() + text.len();
        if bytes > MAX_COOKIE {
            return Err(Error::CookieTooLarge { bytes });
        }
        let (token, max_age) = (Token::of(text.as_bytes()), self.max_age(created, expiry));
        Ok(self.done(fate, Directive::Issue(Issued { token, max_age })))
    }

    fn mint(self: Box<Self>) -> Commit {
        Commit::Mint(Mint { machine: self })
    }

    fn touch(self: Box<Self>) -> Commit {
        if let Some(base) = &self.work.base
            && let Some(expires_at) = self.config.touch_due(base, self.now)
        {
            let key = base.key.clone();
            return Commit::Touch(Touch {
                machine: self,
                key,
                expires_at,
            });
        }
        self.done(Fate::Unchanged, Directive::Keep)
    }

    /// Creates the new record of a creation, rotation or sign-in.
    fn create(mut self: Box<Self>) -> Result<Commit, Error> {
        let write = self.new_record()?;
        let key = self.new_key()?;
        Ok(Commit::Create(Create {
            machine: self,
            key,
            write,
        }))
    }

    /// The new record is there: now the old one is retired, if there is one.
    fn created(self: Box<Self>) -> Result<Commit, Error> {
        match &self.work.base {
            Some(base) if base.record.retired.is_none() => self.retire(),
            _ => self.issue(),
        }
    }

    /// Replaces the session's record by its changed self.
    fn save(mut self: Box<Self>) -> Result<Commit, Error> {
        if self.is_emptied() {
            let base = self.work.base.take().ok_or(Error::Misuse)?;
            return Ok(self.delete_base(base, DeleteStep::Emptied));
        }
        let write = self.changed_record()?;
        self.uncertain = false;
        self.replace_base(write, ReplaceStep::Save)
    }

    fn changed_record(&self) -> Result<Write, Error> {
        let (Some(base), limits) = (&self.work.base, self.config.settings().limits) else {
            return Err(Error::Misuse);
        };
        let (record, journal) = (&base.record, &self.work.journal);
        let subject = journal
            .subject
            .as_ref()
            .map_or_else(|| record.subject(), |subject| subject.as_deref());
        let expiry = journal.expiry.unwrap_or(record.expiry);
        let head = Head {
            writer: self.writer,
            after: Some(record),
            created: record.created,
            authenticated: record.authenticated,
            subject,
            retired: None,
            expiry,
            seed: record.seed().or(self.work.seed).unwrap_or(self.seed),
            marked: self.work.seed.is_some() || journal.has_updates(),
        };
        let bytes = self.config.write(
            &head,
            journal.base(Some(record)),
            &journal.changes(),
            limits,
        )?;
        let expires_at = self
            .config
            .lifetime(expiry)
            .expires_at(record.created, self.now);
        Ok(Write::new(bytes, expires_at, subject.map(Box::from)))
    }

    /// Whether this request leaves nothing behind, under a configuration that wants such a session deleted.
    fn is_emptied(&self) -> bool {
        let (Some(base), journal) = (&self.work.base, &self.work.journal) else {
            return false;
        };
        let record = &base.record;
        self.config.settings().delete_emptied
            && record.count() > 0
            && journal.values(Some(record)).next().is_none()
            && record.authenticated.is_none()
            && journal
                .subject
                .as_ref()
                .map_or_else(|| record.subject(), |subject| subject.as_deref())
                .is_none()
    }

    /// What became of a record that was to be deleted because it was empty.
    fn reloaded_emptied(mut self: Box<Self>, found: Option<Box<Base>>) -> Result<Commit, Error> {
        if found.is_some() {
            return self.reloaded_save(found, None);
        }
        // After the grace it may live on under a newer token.
        if self.is_late() {
            return Ok(self.done(Fate::Gone, Directive::Keep));
        }
        self.work.base = None;
        let directive = self.clear();
        Ok(self.done(Fate::Saved, directive))
    }

    /// Replaces the old record by a retired one: its data, read-only, and the key of its successor.
    fn retire(mut self: Box<Self>) -> Result<Commit, Error> {
        let (Some(base), Some(new)) = (&self.work.base, &self.new) else {
            return Err(Error::Misuse);
        };
        let (record, grace) = (&base.record, self.config.settings().grace);
        let retired = Retired {
            successor: new.key.clone(),
            until: self.now + grace,
        };
        let head = Head {
            writer: self.writer,
            after: Some(record),
            created: record.created,
            authenticated: record.authenticated,
            subject: record.subject(),
            retired: Some(&retired),
            expiry: record.expiry,
            seed: record.seed().unwrap_or(self.seed),
            marked: true,
        };
        let values = Some(record).filter(|_| !grace.is_zero());
        let bytes = self
            .config
            .write(&head, values, &Changes::new(), Limits::NONE)?;
        // Rule shortgrace: it outlasts every request that was in flight. No subject: a directory lists the new one.
        let write = Write::new(bytes, self.now + self.config.kept(), None);
        self.uncertain = false;
        self.replace_base(write, ReplaceStep::Retire)
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

    /// What became of the record that was to be replaced by its changed self.
    fn reloaded_save(
        mut self: Box<Self>,
        found: Option<Box<Base>>,
        lost: Option<Write>,
    ) -> Result<Commit, Error> {
        let Some(current) = found else {
            return self.save_gone();
        };
        if let Some(write) = lost.filter(|_| self.uncertain) {
            let base = self.work.base.as_ref().ok_or(Error::Misuse)?;
            let now = &current.record.as_stored().bytes;
            if current.record.written_by(&self.writer) || *now == write.bytes {
                return Ok(self.kept(Fate::Saved));
            }
            if *now == base.record.as_stored().bytes {
                self.work.base = Some(current);
                return self.replace_base(write, ReplaceStep::Save);
            }
            // Only if the record still remembers the writer before this one, all writers since are known, and this one is
            // not among them.
            if !current.record.written_by(&base.record.writer()) && !current.record.knows_all() {
                return Err(Error::Uncertain);
            }
        }
        if current.record.retired.is_some() {
            return Ok(self.done(Fate::Superseded, Directive::Keep));
        }
        let limits = self.config.settings().limits;
        self.work.journal.replay(Some(&current.record), limits)?;
        self.work.base = Some(current);
        self.save()
    }

    /// The record that was to be replaced is not there.
    fn save_gone(self: Box<Self>) -> Result<Commit, Error> {
        // A write of unknown outcome may have been seen until it was gone with its session; or it lives on under a successor, and the
        // retired record that leads there has expired, or was evicted.
        if self.uncertain {
            Err(Error::Uncertain)
        } else {
            Ok(self.done(Fate::Gone, Directive::Keep))
        }
    }

    /// What became of the old record that was to be retired.
    fn reloaded_retire(
        mut self: Box<Self>,
        found: Option<Box<Base>>,
        lost: Option<Write>,
    ) -> Result<Commit, Error> {
        let signs_in = matches!(self.work.issue, Issue::SignIn(_));
        let Some(current) = found else {
            // Signed out meanwhile. A sign-in has credentials of its own and goes on, without the old data.
            let step = match signs_in {
                true => ReloadStep::New(ReplaceStep::Strip, None),
                false => ReloadStep::Withdraw(Fate::Gone),
            };
            return self.reload_new(step);
        };
        if let Some(retired) = &current.record.retired {
            // By this very exchange, or another rotation was first: two sign-ins are two sessions.
            let own = self
                .new
                .as_ref()
                .is_some_and(|new| new.key == retired.successor);
            return match own || signs_in {
                true => self.issue(),
                false => self.reload_new(ReloadStep::Withdraw(Fate::Superseded)),
            };
        }
        let unchanged =
            self.work.base.as_ref().is_some_and(|base| {
                base.record.as_stored().bytes == current.record.as_stored().bytes
            });
        self.work.base = Some(current);
        match lost {
            Some(write) if unchanged => self.replace_base(write, ReplaceStep::Retire),
            _ => self.reload_new(ReloadStep::New(ReplaceStep::Rewrite, None)),
        }
    }

    /// Writes the new record again, over what it is.
    fn reloaded_new(
        mut self: Box<Self>,
        key: Key,
        found: Option<Stored>,
        step: ReplaceStep,
        lost: Option<Write>,
    ) -> Result<Commit, Error> {
        let Some(old) = found else {
            return Ok(self.done(Fate::Gone, Directive::Keep));
        };
        let write = match lost {
            Some(write) if write.bytes == old.bytes => return self.rewritten(step),
            Some(write) => write,
            None => {
                if step == ReplaceStep::Strip {
                    self.work.base = None;
                }
                let carried = carried(&self.work).map(|base| base.record.clone());
                let limits = self.config.settings().limits;
                self.work.journal.replay(carried.as_ref(), limits)?;
                self.new_record()?
            }
        };
        Ok(Commit::Replace(Replace {
            machine: self,
            target: Target::Other(Box::new((key, old))),
            write,
            step,
        }))
    }

    fn rewritten(self: Box<Self>, step: ReplaceStep) -> Result<Commit, Error> {
        if step == ReplaceStep::Strip {
            self.issue()
        } else {
            self.retire()
        }
    }

    fn reload_new(self: Box<Self>, step: ReloadStep) -> Result<Commit, Error> {
        let key = self.new_key()?;
        Ok(Commit::Reload(Reload {
            machine: self,
            key,
            step,
        }))
    }

    fn sign_out(mut self: Box<Self>) -> Commit {
        self.work.base = self
            .work
            .base
            .or_else(|| self.work.untrusted.pop().map(Box::new));
        match self.work.base.take() {
            None => self.ended(Fate::Unchanged),
            // Rule blinddelete: delete only what is still as it was loaded.
            Some(base) if base.chain.is_empty() => self.delete_base(base, DeleteStep::SignOut),
            Some(base) => self.chain(base),
        }
    }

    /// A retired session is signed out by deleting its successors, newest first, then its own record.
    fn chain(mut self: Box<Self>, base: Box<Base>) -> Commit {
        let Some(key) = base.chain.last().cloned() else {
            return self.delete_base(base, DeleteStep::ChainStart);
        };
        self.work.base = Some(base);
        Commit::Reload(Reload {
            machine: self,
            key,
            step: ReloadStep::Chain,
        })
    }

    fn delete_base(self: Box<Self>, base: Box<Base>, step: DeleteStep) -> Commit {
        let target = Target::Base(base);
        Commit::Delete(Delete {
            machine: self,
            target,
            step,
        })
    }

    fn reloaded_chain(
        mut self: Box<Self>,
        key: Key,
        found: Option<Box<Base>>,
    ) -> Result<Commit, Error> {
        let Some(current) = found else {
            return self.successor_gone(key);
        };
        match current.record.retired {
            Some(retired) if self.dead.as_ref() != Some(&retired.successor) => {
                let mut base = self.work.base.take().ok_or(Error::Misuse)?;
                if base.chain.len() == MAX_CHAIN {
                    return Err(Error::Contended);
                }
                base.chain.push(retired.successor);
                Ok(self.chain(base))
            }
            _ => Ok(Commit::Delete(Delete {
                machine: self,
                target: Target::Other(Box::new((key, current.record.into_stored()))),
                step: DeleteStep::Chain,
            })),
        }
    }

    fn successor_gone(self: Box<Self>, key: Key) -> Result<Commit, Error> {
        // Nothing of the chain was seen to end: it may have been rotated on, beyond the grace.
        if self.is_late() && self.dead.is_none() {
            Err(Error::Late)
        } else {
            self.successor_deleted(key)
        }
    }

    fn successor_deleted(mut self: Box<Self>, key: Key) -> Result<Commit, Error> {
        let mut base = self.work.base.take().ok_or(Error::Misuse)?;
        base.chain.pop();
        self.dead = Some(key);
        Ok(self.chain(base))
    }

    fn reloaded_sign_out(mut self: Box<Self>, found: Option<Box<Base>>) -> Result<Commit, Error> {
        let Some(mut current) = found else {
            return self.found_gone();
        };
        if let Some(retired) = &current.record.retired {
            current.chain = vec![retired.successor.clone()];
        }
        self.work.base = Some(current);
        Ok(self.sign_out())
    }

    /// The record that was to be deleted is not there.
    fn found_gone(self: Box<Self>) -> Result<Commit, Error> {
        // After the grace it may have been a retired one, and its successor lives: that is no sign-out.
        if self.is_late() {
            Err(Error::Late)
        } else {
            Ok(self.ended(Fate::Gone))
        }
    }

    fn is_late(&self) -> bool {
        self.now.since(self.opened) >= self.config.hold()
    }

    /// The session is signed out. What the handler did afterwards belongs to a new one.
    fn ended(mut self: Box<Self>, fate: Fate) -> Commit {
        self.work.base = None;
        self.dead = None;
        if !self.work.untrusted.is_empty() {
            return self.sign_out();
        }
        if self.creates() {
            return Commit::Mint(Mint { machine: self });
        }
        let directive = self.clear();
        self.done(fate, directive)
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

    /// The client gets the new token.
    fn issue(mut self: Box<Self>) -> Result<Commit, Error> {
        let token = self.new.take().ok_or(Error::Misuse)?.token;
        let (created, expiry) = self.new_times();
        let max_age = self.max_age(created, expiry);
        Ok(self.done(Fate::Saved, Directive::Issue(Issued { token, max_age })))
    }

    fn max_age(&self, created: UnixTime, expiry: Option<crate::Expiry>) -> Option<Duration> {
        let lifetime = self.config.lifetime(expiry);
        let rest = (created + lifetime.absolute).since(self.now);
        let rest = match self.config.settings().renew_cookie {
            true => rest.min(lifetime.idle),
            false => rest,
        };
        lifetime.persistent.then_some(rest.min(MAX_MAX_AGE))
    }

    /// The session stays; its cookie is sent again if it is to end with it.
    fn kept(self: Box<Self>, fate: Fate) -> Commit {
        let directive = self.renewed().map_or(Directive::Keep, Directive::Issue);
        self.done(fate, directive)
    }

    /// What became meanwhile of the session whose cookie is to be sent again.
    fn reloaded_renewal(mut self: Box<Self>, found: Option<Box<Base>>) -> Commit {
        match found {
            None => self.done(Fate::Gone, Directive::Keep),
            Some(found) if found.record.retired.is_none() => self.kept(Fate::Unchanged),
            found => {
                self.work.base = found;
                self.done(Fate::Unchanged, Directive::Keep)
            }
        }
    }

    fn renewed(&self) -> Option<Issued> {
        let (base, token) = (self.work.base.as_deref()?, self.token.as_deref()?);
        let (record, changed) = (&base.record, self.work.journal.expiry);
        let max_age = self.max_age(record.created, changed.unwrap_or(record.expiry));
        let due = max_age.is_some() && self.config.lags(base, self.now).is_some();
        let token = token.clone();
        (due || changed.is_some()).then_some(Issued { token, max_age })
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

    fn new_key(&self) -> Result<Key, Error> {
        self.new
            .as_ref()
            .map(|new| new.key.clone())
            .ok_or(Error::Misuse)
    }

    fn new_times(&self) -> (UnixTime, Option<crate::Expiry>) {
        let carried = carried(&self.work).map(|base| &base.record);
        let created = match (&self.work.issue, carried) {
            (Issue::Rotate, Some(record)) => record.created,
            _ => self.now,
        };
        (
            created,
            self.work
                .journal
                .expiry
                .unwrap_or_else(|| carried.and_then(|record| record.expiry)),
        )
    }

    fn new_record(&mut self) -> Result<Write, Error> {
        let (carried, journal) = (
            carried(&self.work).map(|base| &base.record),
            &self.work.journal,
        );
        let rotated = carried.filter(|_| self.work.issue == Issue::Rotate);
        let subject = match (&journal.subject, &self.work.issue) {
            (Some(subject), _) => subject.as_deref(),
            (None, Issue::SignIn(subject)) => Some(&**subject),
            (None, _) => carried.and_then(Record::subject),
        };
        let (created, expiry) = self.new_times();
        let authenticated = match self.work.issue {
            Issue::SignIn(_) => Some(self.opened),
            _ => rotated.and_then(|record| record.authenticated),
        };
        let seed = self
            .work
            .seed
            .or_else(|| rotated.and_then(Record::seed))
            .unwrap_or(self.seed);
        let head = Head {
            writer: self.writer,
            after: None,
            created,
            authenticated,
            subject,
            retired: None,
            expiry,
            seed,
            marked: self.work.seed.is_some() || rotated.is_some_and(Record::is_marked),
        };
        let bytes = self.config.write(
            &head,
            journal.base(carried),
            &journal.changes(),
            self.config.settings().limits,
        )?;
        let expires_at = self.config.lifetime(expiry).expires_at(created, self.now);
        Ok(Write::new(bytes, expires_at, subject.map(Box::from)))
    }
}

/// The record whose data the new session takes over.
fn carried(work: &Work) -> Option<&Base> {
    let base = work.base.as_ref()?;
    match (&work.issue, base.record.subject()) {
        (Issue::SignIn(subject), Some(owner)) if owner != &**subject => None,
        (Issue::No, _) => None,
        _ => Some(base),
    }
}

impl Config {
    fn base(&self, stored: Stored, key: Key, now: UnixTime) -> Result<Box<Base>, Error> {
        let record = self.read(stored, now)?;
        let chain = record
            .retired
            .iter()
            .map(|retired| retired.successor.clone())
            .collect();
        Ok(Box::new(Base { key, record, chain }))
    }

    /// A record that the client kept, if it lives.
    pub(crate) fn sealed(&self, stored: Stored, now: UnixTime) -> Result<Option<Box<Base>>, Error> {
        let base = self.base(stored, envelope::no_key(), now)?;
        Ok(Some(base).filter(|base| self.alive(&base.record, now)))
    }

    /// Until when the record is to be prolonged, if that is worth a store call.
    fn touch_due(&self, base: &Base, now: UnixTime) -> Option<UnixTime> {
        let settings = self.settings();
        let due = self.lags(base, now).filter(|_| settings.extend_on_read)?;
        // A cookie that holds the session ends with the browser's session, or is renewed; one of the two.
        let ends_otherwise = settings.renew_cookie && settings.envelope.is_some();
        (!ends_otherwise || self.lifetime(base.record.expiry).persistent).then_some(due)
    }

    /// When the record is to end, if it has an expiry that is far off.
    fn lags(&self, base: &Base, now: UnixTime) -> Option<UnixTime> {
        let (record, lifetime) = (&base.record, self.lifetime(base.record.expiry));
        let due = lifetime.touch_due(record.created, record.stored.expires_at, now);
        due.filter(|_| record.retired.is_none())
    }

    fn alive(&self, record: &Record, now: UnixTime) -> bool {
        let lifetime = self.lifetime(record.expiry);
        record.retired.is_none() && lifetime.alive(record.created, record.stored.expires_at, now)
    }

    /// Whether the grace lasts. A clock that was ahead when the record was retired, and is not any more, must not lengthen it.
    fn readable(&self, retired: &Retired, now: UnixTime) -> bool {
        let grace = self.settings().grace;
        // Without a grace there is nothing to read, whenever the request began.
        !grace.is_zero() && now < retired.until && retired.until <= now + grace + SKEW
    }

    /// What a reload found; a live record that has expired counts as none.
    fn existing(
        &self,
        found: Option<Stored>,
        key: &Key,
        now: UnixTime,
    ) -> Result<Option<Box<Base>>, Error> {
        let found = found
            .map(|stored| self.base(stored, key.clone(), now))
            .transpose()?;
        Ok(found.filter(|base| base.record.retired.is_some() || self.alive(&base.record, now)))
    }
}

impl Mint {
    /// 64 bytes from a cryptographically secure generator, used for this alone.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if the session is over a limit; nothing was written then.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # let now = UnixTime::from_secs(1);
    /// # let mut exchange = Exchange::open(&Config::default(), [], now);
    /// exchange.session()?.insert("theme", "dark")?;
    /// let Commit::Mint(mint) = exchange.finish(now) else { panic!() };
    /// assert!(matches!(mint.with([7; 64])?, Commit::Create(_)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn with(self, entropy: [u8; 64]) -> Result<Commit, Error> {
        let mut machine = self.machine;
        let part = |start: usize| move |n: usize| entropy[start + n];
        machine.writer = std::array::from_fn(part(48));
        machine.seed = std::array::from_fn(part(32));
        if machine.config.settings().envelope.is_some() {
            return machine.seal(&std::array::from_fn(part(0)));
        }
        if machine.work.issue == Issue::No && machine.work.base.is_some() {
            return machine.save();
        }
        let rules = &machine.config.settings().tokens;
        let (token, key) = rules
            .mint(&std::array::from_fn(part(0)))
            .ok_or(Error::Misuse)?;
        machine.new = Some(New { token, key });
        machine.create()
    }
}

impl Create {
    /// The store's answer, and the time.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] if every token so far was taken: the randomness is broken.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn taken(create: Create, now: UnixTime) -> Result<Commit, Error> {
    ///     create.then(Created::Taken, now) // another token will be minted
    /// }
    /// ```
    pub fn then(self, answer: Created, now: UnixTime) -> Result<Commit, Error> {
        let mut machine = self.machine;
        machine.now = now;
        match answer {
            Created::Stored => machine.created(),
            Created::Taken => {
                machine.mints += 1;
                if machine.mints == MAX_MINTS {
                    Err(Error::Contended)
                } else {
                    Ok(Commit::Mint(Mint { machine }))
                }
            }
        }
    }

    /// The store failed, and whether it created the record is unknown.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] after too many.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn timed_out(create: Create, now: UnixTime) -> Result<Commit, Error> {
    ///     create.lost(now) // it will be looked for
    /// }
    /// ```
    pub fn lost(self, now: UnixTime) -> Result<Commit, Error> {
        let mut machine = self.machine;
        machine.now = now;
        machine.uncertain = true;
        machine.conflict()?;
        let step = ReloadStep::Created(self.write);
        Ok(Commit::Reload(Reload {
            machine,
            key: self.key,
            step,
        }))
    }
}

impl Replace {
    /// The store's answer, and the time.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] after too many conflicts.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn changed(replace: Replace, now: UnixTime) -> Result<Commit, Error> {
    ///     replace.then(Replaced::Changed, now) // it will be loaded again, and the changes replayed
    /// }
    /// ```
    pub fn then(self, answer: Replaced, now: UnixTime) -> Result<Commit, Error> {
        let mut machine = self.machine;
        machine.now = now;
        let key = machine.restore(self.target);
        match (answer, self.step) {
            (Replaced::Stored, ReplaceStep::Save) => Ok(machine.kept(Fate::Saved)),
            (Replaced::Stored, ReplaceStep::Retire) => machine.issue(),
            (Replaced::Stored, step) => machine.rewritten(step),
            (Replaced::Gone, ReplaceStep::Retire) => machine.reloaded_retire(None, None),
            (Replaced::Gone, _) => machine.save_gone(),
            (Replaced::Changed, _) => {
                machine.conflict()?;
                let lost = machine.uncertain.then_some(self.write);
                Ok(machine.reload(key, self.step, lost))
            }
        }
    }

    /// The store failed, and whether it replaced the record is unknown.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] after too many.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn timed_out(replace: Replace, now: UnixTime) -> Result<Commit, Error> {
    ///     replace.lost(now) // it will be looked for
    /// }
    /// ```
    pub fn lost(self, now: UnixTime) -> Result<Commit, Error> {
        let mut machine = self.machine;
        machine.now = now;
        let key = machine.restore(self.target);
        machine.uncertain = true;
        machine.conflict()?;
        Ok(machine.reload(key, self.step, Some(self.write)))
    }
}

impl Machine {
    fn reload(self: Box<Self>, key: Key, step: ReplaceStep, lost: Option<Write>) -> Commit {
        let step = match step {
            ReplaceStep::Save => ReloadStep::Save(lost),
            ReplaceStep::Retire => ReloadStep::Retire(lost),
            ReplaceStep::Rewrite | ReplaceStep::Strip => ReloadStep::New(step, lost),
        };
        Commit::Reload(Reload {
            machine: self,
            key,
            step,
        })
    }
}

impl Reload {
    /// What the store found, and the time.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], [`Error::NewerRecord`]: the record cannot be read, and was left as it is. [`Error::Uncertain`], [`Error::Late`],
    /// [`Error::Contended`]; an error of an update that had to run again.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn gone(reload: Reload, now: UnixTime) -> Result<Commit, Error> {
    ///     reload.then(None, now)
    /// }
    /// ```
    pub fn then(self, found: Option<Stored>, now: UnixTime) -> Result<Commit, Error> {
        let (mut machine, key) = (self.machine, self.key);
        machine.now = now;
        match self.step {
            ReloadStep::Created(write) => {
                let landed = found.is_some_and(|found| found.bytes == write.bytes);
                machine.uncertain = false;
                match landed {
                    true => machine.created(),
                    // Under another token: should the lost create still happen, later, nobody can reach what it creates,
                    // whereas a second one under this token could come back after a sign-out.
                    false => Ok(machine.mint()),
                }
            }
            ReloadStep::Save(lost) => {
                let found = machine.config.existing(found, &key, now)?;
                machine.reloaded_save(found, lost)
            }
            ReloadStep::Retire(lost) => {
                let found = machine.config.existing(found, &key, now)?;
                machine.reloaded_retire(found, lost)
            }
            ReloadStep::New(step, lost) => machine.reloaded_new(key, found, step, lost),
            ReloadStep::Withdraw(fate) => match found {
                Some(old) => Ok(Commit::Delete(Delete {
                    machine,
                    target: Target::Other(Box::new((key, old))),
                    step: DeleteStep::Withdraw(fate),
                })),
                None => Ok(machine.done(fate, Directive::Keep)),
            },
            ReloadStep::Emptied => {
                let found = machine.config.existing(found, &key, now)?;
                machine.reloaded_emptied(found)
            }
            ReloadStep::Renew => {
                let found = machine.config.existing(found, &key, now)?;
                Ok(machine.reloaded_renewal(found))
            }
            ReloadStep::SignOut => {
                let found = machine.config.existing(found, &key, now)?;
                machine.reloaded_sign_out(found)
            }
            ReloadStep::Chain => {
                let found = machine.config.existing(found, &key, now)?;
                machine.reloaded_chain(key, found)
            }
        }
    }
}

impl Touch {
    /// The store's answer, and the time.
    ///
    /// # Errors
    ///
    /// None so far; the type leaves room.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn gone(touch: Touch, now: UnixTime) -> Result<Commit, Error> {
    ///     touch.then(Touched::Gone, now)
    /// }
    /// ```
    pub fn then(self, answer: Touched, _now: UnixTime) -> Result<Commit, Error> {
        Ok(match answer {
            // The cookie is sent again only if the token has not been rotated away meanwhile.
            Touched::Extended if self.machine.renewed().is_some() => Commit::Reload(Reload {
                machine: self.machine,
                key: self.key,
                step: ReloadStep::Renew,
            }),
            Touched::Extended => self.machine.done(Fate::Unchanged, Directive::Keep),
            Touched::Gone => self.machine.done(Fate::Gone, Directive::Keep),
        })
    }

    /// The store failed. It is asked again: a touch does no harm twice.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] after too many.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn timed_out(touch: Touch, now: UnixTime) -> Result<Commit, Error> {
    ///     touch.lost(now) // it will be asked again
    /// }
    /// ```
    pub fn lost(mut self, _now: UnixTime) -> Result<Commit, Error> {
        self.machine.conflict()?;
        Ok(Commit::Touch(self))
    }
}

impl Delete {
    /// The store's answer, and the time.
    ///
    /// # Errors
    ///
    /// [`Error::Late`], [`Error::Contended`].
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn changed(delete: Delete, now: UnixTime) -> Result<Commit, Error> {
    ///     delete.then(Deleted::Changed, now) // it will be followed to where it lives now
    /// }
    /// ```
    pub fn then(self, answer: Deleted, now: UnixTime) -> Result<Commit, Error> {
        let (mut machine, step) = (self.machine, self.step);
        machine.now = now;
        let key = machine.restore(self.target);
        match (answer, step) {
            (Deleted::Changed, _) => {
                machine.conflict()?;
                Ok(machine.reload_deleted(key, step))
            }
            (_, DeleteStep::Withdraw(fate)) => Ok(machine.done(fate, Directive::Keep)),
            (_, DeleteStep::Emptied) => machine.reloaded_emptied(None),
            (Deleted::Gone, DeleteStep::SignOut) => machine.found_gone(),
            (Deleted::Deleted, DeleteStep::SignOut) | (_, DeleteStep::ChainStart) => {
                Ok(machine.ended(Fate::Saved))
            }
            (Deleted::Gone, DeleteStep::Chain) => machine.successor_gone(key),
            (Deleted::Deleted, DeleteStep::Chain) => machine.successor_deleted(key),
        }
    }

    /// The store failed, and whether it deleted the record is unknown.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] after too many.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn timed_out(delete: Delete, now: UnixTime) -> Result<Commit, Error> {
    ///     delete.lost(now) // it will be looked for
    /// }
    /// ```
    pub fn lost(self, now: UnixTime) -> Result<Commit, Error> {
        let mut machine = self.machine;
        machine.now = now;
        let key = machine.restore(self.target);
        machine.conflict()?;
        Ok(machine.reload_deleted(key, self.step))
    }
}

impl Machine {
    fn reload_deleted(self: Box<Self>, key: Key, step: DeleteStep) -> Commit {
        let step = match step {
            DeleteStep::SignOut | DeleteStep::ChainStart => ReloadStep::SignOut,
            DeleteStep::Chain => ReloadStep::Chain,
            DeleteStep::Emptied => ReloadStep::Emptied,
            DeleteStep::Withdraw(fate) => ReloadStep::Withdraw(fate),
        };
        Commit::Reload(Reload {
            machine: self,
            key,
            step,
        })
    }
}
