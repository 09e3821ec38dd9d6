//! A session that was rotated while a request changed it: its successor gets the changes.

use crate::commit::{Reload, ReloadStep};
use crate::pending::{Loaded, TokenChange};
use crate::{Commit, Directive, Error, Fate};

use super::Machine;

/// The next step after a rotation's new record has been withdrawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withdrawn {
    /// Nothing: the session ended meanwhile.
    Ended,
    /// Another plain rotation was first. The base is what it made.
    Rotated,
    /// A sign-in was first.
    Overtaken,
}

impl Machine {
    /// Looks at the successor of a record that was retired after it was loaded.
    pub(super) fn follow(mut self: Box<Self>, retired: Box<Loaded>) -> Result<Commit, Error> {
        // Rule follow: a plain rotation drops nothing, and nothing crosses a sign-in.
        if !retired.record.leads_to_itself() {
            return self.overtaken();
        }
        let key = retired.chain.last().cloned().ok_or(Error::ProtocolMisuse)?;
        // Rule successor: the retired record has the key of the values that took its place.
        let secret = retired.record.successor_secret();
        self.conflict()?;
        Ok(Commit::Reload(Reload {
            machine: self,
            key,
            step: ReloadStep::Follow(secret),
        }))
    }

    /// Continues after the reload of the successor.
    pub(super) fn followed_up(
        mut self: Box<Self>,
        found: Option<Box<Loaded>>,
    ) -> Result<Commit, Error> {
        let Some(mut current) = found else {
            return self.end_missing();
        };
        if current.record.retired.is_some() {
            return self.follow(current);
        }
        current.via = true;
        match self.pending.token_change {
            TokenChange::No => self.replay(current),
            // The sign-in takes the place of the session as it is now.
            TokenChange::SignIn(_) => {
                self.pending.base = Some(current);
                self.rewrite_new()
            }
            // One session needs one new token. The other rotation issues it.
            TokenChange::Rotate => {
                self.pending.base = Some(current);
                self.withdraw(Withdrawn::Rotated)
            }
        }
    }

    /// A sign-in was first.
    fn overtaken(self: Box<Self>) -> Result<Commit, Error> {
        match self.pending.token_change {
            TokenChange::No => self.superseded(),
            // Two sign-ins are two sessions.
            TokenChange::SignIn(_) => self.issue(),
            TokenChange::Rotate => self.withdraw(Withdrawn::Overtaken),
        }
    }

    /// The session was signed out after its rotation.
    fn end_missing(self: Box<Self>) -> Result<Commit, Error> {
        match self.pending.token_change {
            TokenChange::No => self.save_gone(),
            TokenChange::SignIn(_) | TokenChange::Rotate => self.retire_gone(),
        }
    }

    pub(super) fn withdraw(self: Box<Self>, then: Withdrawn) -> Result<Commit, Error> {
        self.reload_new(ReloadStep::Withdraw(then))
    }

    /// The new record of a rotation is gone again.
    pub(super) fn withdrawn(mut self: Box<Self>, then: Withdrawn) -> Result<Commit, Error> {
        self.new = None;
        self.pending.token_change = TokenChange::No;
        let mut base = self.pending.base.take();
        if let Some(base) = &mut base {
            base.via = true;
        }
        // An update that changed nothing in the old record may change the successor.
        let changes = self.pending.is_modified() || self.pending.journal.has_entries();
        match (then, changes, base) {
            (Withdrawn::Ended, ..) => self.ended_meanwhile(),
            (Withdrawn::Overtaken, true, _) => self.superseded(),
            (Withdrawn::Rotated, true, Some(base)) => self.replay(base),
            (_, _, base) => {
                self.pending.base = base;
                Ok(self.done(Fate::Unchanged, Directive::Keep))
            }
        }
    }

    /// The record is not there any more.
    pub(super) fn ended_meanwhile(self: Box<Self>) -> Result<Commit, Error> {
        // After the grace it may have been a retired one, and its session lives.
        match self.is_late() {
            true => Err(Error::GraceExpired),
            false => Ok(self.done(Fate::Gone, Directive::Keep)),
        }
    }

    /// Drops the changes: a sign-in has replaced the session that they were made on.
    pub(super) fn superseded(self: Box<Self>) -> Result<Commit, Error> {
        match self.drops_superseded() {
            true => Ok(self.done(Fate::Superseded, Directive::Keep)),
            false => Err(Error::Superseded),
        }
    }

    pub(super) fn drops_superseded(&self) -> bool {
        self.config.settings().drop_superseded
    }
}
