//! A session under a new token: creation, rotation and sign-in.

use crate::commit::{Create, Reload, ReloadStep, Replace, ReplaceStep, Target};
use crate::limits::Limits;
use crate::pending::{Loaded, Pending, TokenChange};
use crate::record::{Changes, Head, Record, Retired, SUCCESSOR};
use crate::{Commit, Directive, Error, Fate, Issued, Key, Stored, UnixTime, Write};

use super::following::Withdrawn;
use super::{Machine, New, Place};

impl Machine {
    /// Creates the new record of a creation, rotation or sign-in.
    pub(super) fn create(mut self: Box<Self>) -> Result<Commit, Error> {
        let write = self.new_record()?;
        let key = self.new_key()?;
        Ok(Commit::Create(Create {
            machine: self,
            key,
            write,
        }))
    }

    /// The new record is there: now the old one is retired, if there is one.
    pub(super) fn created(self: Box<Self>) -> Result<Commit, Error> {
        match &self.pending.base {
            Some(base) if base.record.retired.is_none() => self.retire(),
            _ => self.issue(),
        }
    }

    /// Replaces the old record by a retired one: its data, read-only, and the key of its successor.
    fn retire(mut self: Box<Self>) -> Result<Commit, Error> {
        let seal = self.seal_base()?;
        let (Some(base), Some(new)) = (&self.pending.base, &self.new) else {
            return Err(Error::ProtocolMisuse);
        };
        let (record, grace) = (&base.record, self.config.settings().grace);
        let retired = Retired {
            successor: new.key.clone(),
            until: self.now + grace,
            signs_in: matches!(self.pending.token_change, TokenChange::SignIn(_)),
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
            epoch: record.epoch,
            assurance: record.assurance(),
            marked: true,
        };
        let values = Some(record).filter(|_| !grace.is_zero());
        // Rule successor: the old token opens the values of the session that it stands for. Across
        // a sign-in it does not.
        let opener = new.opener.as_ref().filter(|_| !retired.signs_in);
        let secret = opener.map(|opener| opener.secret(&new.key));
        let secret = secret.as_ref().filter(|_| seal.is_some());
        let carried = secret.map(|secret| (SUCCESSOR.as_bytes(), Some(&secret.as_bytes()[..])));
        let changes: Changes<'_> = carried.into_iter().collect();
        let bytes = self
            .config
            .write(&head, values, &changes, Limits::NONE, seal)?;
        // Rule: it outlasts every request that was in flight. No subject: a directory lists the new
        // one.
        let write = Write::new(bytes, self.now + self.config.kept(), None);
        self.uncertain = false;
        self.replace_base(write, ReplaceStep::Retire)
    }

    /// Continues after the reload of the old record that was to be retired.
    pub(super) fn reloaded_retire(
        mut self: Box<Self>,
        found: Option<Box<Loaded>>,
        lost: Option<Write>,
    ) -> Result<Commit, Error> {
        let Some(current) = found else {
            return self.retire_gone();
        };
        if let Some(retired) = &current.record.retired {
            let own = self
                .new
                .as_ref()
                .is_some_and(|new| new.key == retired.successor);
            return match own {
                true => self.issue(),
                false => self.follow(current),
            };
        }
        let unchanged =
            self.pending.base.as_ref().is_some_and(|base| {
                base.record.as_stored().bytes == current.record.as_stored().bytes
            });
        self.pending.base = Some(current);
        match lost {
            Some(write) if unchanged => self.replace_base(write, ReplaceStep::Retire),
            _ => self.rewrite_new(),
        }
    }

    /// The old record is gone: the session was signed out meanwhile.
    pub(super) fn retire_gone(self: Box<Self>) -> Result<Commit, Error> {
        match self.pending.token_change {
            // A sign-in has credentials of its own and goes on, without the old data.
            TokenChange::SignIn(_) => self.reload_new(ReloadStep::New(ReplaceStep::Strip, None)),
            _ => self.withdraw(Withdrawn::Ended),
        }
    }

    /// The new record takes over the session as it is by now.
    pub(super) fn rewrite_new(self: Box<Self>) -> Result<Commit, Error> {
        self.reload_new(ReloadStep::New(ReplaceStep::Rewrite, None))
    }

    /// Writes the new record again, over what it is.
    pub(super) fn reloaded_new(
        mut self: Box<Self>,
        key: Key,
        found: Option<Stored>,
        step: ReplaceStep,
        lost: Option<Write>,
    ) -> Result<Commit, Error> {
        let Some(old) = found else {
            return self.new_gone(step);
        };
        let write = match lost {
            Some(write) if write.bytes == old.bytes => return self.rewritten(step),
            Some(write) => write,
            None => {
                self.carry(step)?;
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

    /// The changes over what the new record takes over by now.
    fn carry(&mut self, step: ReplaceStep) -> Result<(), Error> {
        if step == ReplaceStep::Strip {
            self.pending.base = None;
        }
        let carried = carried(&self.pending).map(|base| base.record.clone());
        let limits = self.config.settings().limits;
        self.pending.journal.replay(carried.as_ref(), limits)
    }

    /// The store dropped the new record before anybody had its token. Another one takes its place.
    pub(super) fn new_gone(mut self: Box<Self>, step: ReplaceStep) -> Result<Commit, Error> {
        self.conflict()?;
        self.carry(step)?;
        self.again()
    }

    pub(super) fn rewritten(self: Box<Self>, step: ReplaceStep) -> Result<Commit, Error> {
        if step == ReplaceStep::Strip {
            self.issue()
        } else {
            self.retire()
        }
    }

    pub(super) fn reload_new(self: Box<Self>, step: ReloadStep) -> Result<Commit, Error> {
        let key = self.new_key()?;
        Ok(Commit::Reload(Reload {
            machine: self,
            key,
            step,
        }))
    }

    /// The client gets the new token.
    pub(super) fn issue(mut self: Box<Self>) -> Result<Commit, Error> {
        let New { token, key, opener } = self.new.take().ok_or(Error::ProtocolMisuse)?;
        self.place = self.resumes.then(|| Box::new(Place { key, opener }));
        let (created, expiry) = self.new_times();
        let max_age = self.max_age(created, expiry);
        Ok(self.done(Fate::Saved, Directive::Issue(Issued { token, max_age })))
    }

    fn new_key(&self) -> Result<Key, Error> {
        self.new
            .as_ref()
            .map(|new| new.key.clone())
            .ok_or(Error::ProtocolMisuse)
    }

    pub(super) fn new_times(&self) -> (UnixTime, Option<crate::Expiry>) {
        let carried = carried(&self.pending).map(|base| &base.record);
        let created = match (&self.pending.token_change, carried) {
            (TokenChange::Rotate, Some(record)) => record.created,
            _ => self.now,
        };
        (
            created,
            self.pending
                .journal
                .expiry
                .unwrap_or_else(|| carried.and_then(|record| record.expiry)),
        )
    }

    pub(super) fn new_record(&mut self) -> Result<Write, Error> {
        let seal = self.seal_new()?;
        let (carried, journal) = (
            carried(&self.pending).map(|base| &base.record),
            &self.pending.journal,
        );
        let rotated = carried.filter(|_| self.pending.token_change == TokenChange::Rotate);
        let subject = match (&journal.subject, &self.pending.token_change) {
            (Some(subject), _) => subject.as_deref(),
            (None, TokenChange::SignIn(subject)) => Some(&**subject),
            (None, _) => carried.and_then(Record::subject),
        };
        let (created, expiry) = self.new_times();
        let (signed_in, authenticated, assurance) = match &self.pending.token_change {
            TokenChange::SignIn(subject) => {
                let assurance = self.pending.assurance.as_deref();
                (Some(&**subject), Some(self.opened), assurance)
            }
            _ => (
                rotated.and_then(Record::subject),
                rotated.and_then(|record| record.authenticated),
                rotated.and_then(Record::assurance),
            ),
        };
        // A sign-in is not another subject's.
        let is_same = subject == signed_in;
        let seed = self
            .pending
            .seed
            .or_else(|| rotated.and_then(Record::seed))
            .or_else(|| self.pending.inherited_seed(&self.config))
            .unwrap_or(self.seed);
        let head = Head {
            writer: self.writer,
            after: None,
            created,
            authenticated: authenticated.filter(|_| is_same),
            subject,
            retired: None,
            expiry,
            seed,
            epoch: self.pending.epoch,
            assurance: assurance.filter(|_| is_same),
            marked: self.pending.seed.is_some()
                || self.pending.form.is_some()
                || rotated.is_some_and(Record::is_marked),
        };
        let bytes = self.config.write(
            &head,
            journal.base(carried),
            &journal.changes(),
            self.config.settings().limits,
            seal,
        )?;
        let lifetime = self.config.lifetime(expiry);
        let signs_in = matches!(self.pending.token_change, TokenChange::SignIn(_));
        let expires_at = match self.unpresented && signs_in {
            true => lifetime.unpresented_until(created, self.now),
            false => lifetime.expires_at(created, self.now),
        };
        Ok(Write::new(bytes, expires_at, subject.map(Box::from)))
    }
}

/// Returns the record whose data the new session takes over.
fn carried(pending: &Pending) -> Option<&Loaded> {
    let base = pending.base.as_ref()?;
    match (&pending.token_change, base.record.subject()) {
        (TokenChange::SignIn(subject), Some(owner)) if owner != &**subject => None,
        (TokenChange::No, _) => None,
        _ => Some(base),
    }
}
