//! A session under a new token: creation, rotation and sign-in.

use crate::commit::{Create, Reload, ReloadStep, Replace, ReplaceStep, Target};
use crate::config::Limits;
use crate::exchange::{Base, Issue, Work};
use crate::record::{Changes, Head, Record, Retired};
use crate::{Commit, Directive, Error, Fate, Issued, Key, Stored, UnixTime, Write};

use super::Machine;

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
        match &self.work.base {
            Some(base) if base.record.retired.is_none() => self.retire(),
            _ => self.issue(),
        }
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

    /// What became of the old record that was to be retired.
    pub(super) fn reloaded_retire(
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
    pub(super) fn reloaded_new(
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

    pub(super) fn rewritten(self: Box<Self>, step: ReplaceStep) -> Result<Commit, Error> {
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

    /// The client gets the new token.
    pub(super) fn issue(mut self: Box<Self>) -> Result<Commit, Error> {
        let token = self.new.take().ok_or(Error::Misuse)?.token;
        let (created, expiry) = self.new_times();
        let max_age = self.max_age(created, expiry);
        Ok(self.done(Fate::Saved, Directive::Issue(Issued { token, max_age })))
    }

    fn new_key(&self) -> Result<Key, Error> {
        self.new
            .as_ref()
            .map(|new| new.key.clone())
            .ok_or(Error::Misuse)
    }

    pub(super) fn new_times(&self) -> (UnixTime, Option<crate::Expiry>) {
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

    pub(super) fn new_record(&mut self) -> Result<Write, Error> {
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
