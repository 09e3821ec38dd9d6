//! The end of a session, and of all that it was rotated into.

use crate::commit::{Delete, DeleteStep, Mint, Reload, ReloadStep, Target};
use crate::pending::Loaded;
use crate::record::Record;
use crate::{Commit, Error, Fate, Key};

use super::{MAX_CHAIN, Machine};

impl Machine {
    /// Ends the session, or all that were presented; for a sign-in the latter.
    pub(super) fn sign_out(mut self: Box<Self>) -> Commit {
        self.pending.base = self
            .pending
            .base
            .or_else(|| self.pending.untrusted.pop().map(Box::new));
        match self.pending.base.take() {
            None => self.ended(Fate::Unchanged),
            // Rule: delete only what is still as it was loaded.
            Some(base) if base.chain.is_empty() => self.delete_base(base, DeleteStep::SignOut),
            Some(base) if !self.may_reach(&base.record) => self.crossing(),
            Some(base) => self.chain(base),
        }
    }

    /// Rule crossing: a token from before a sign-in never ends the session after it. A sign-in with
    /// fresh credentials goes on without it. A sign-out may not claim that the visitor is signed
    /// out. Neither deletes the retired records: they lead others to the session.
    #[cold]
    fn crossing(self: Box<Self>) -> Commit {
        match self.signs_in() {
            true => self.ended(Fate::Unchanged),
            false => self.refuse(Error::Superseded),
        }
    }

    /// Returns whether this request may end the session that took this one's place. The server
    /// itself, which chose the record, may.
    fn may_reach(&self, record: &Record) -> bool {
        self.may_cross || record.leads_to_itself()
    }

    /// A retired session is signed out by deleting its successors, newest first, then its own
    /// record.
    pub(super) fn chain(mut self: Box<Self>, base: Box<Loaded>) -> Commit {
        let Some(key) = base.chain.last().cloned() else {
            return self.delete_base(base, DeleteStep::ChainStart);
        };
        self.pending.base = Some(base);
        Commit::Reload(Reload {
            machine: self,
            key,
            step: ReloadStep::Chain,
        })
    }

    pub(super) fn delete_base(self: Box<Self>, base: Box<Loaded>, step: DeleteStep) -> Commit {
        let target = Target::Base(base);
        Commit::Delete(Delete {
            machine: self,
            target,
            step,
        })
    }

    pub(super) fn reloaded_chain(
        mut self: Box<Self>,
        key: Key,
        found: Option<Box<Loaded>>,
    ) -> Result<Commit, Error> {
        let Some(current) = found else {
            return self.successor_gone(key);
        };
        let stops = !self.may_reach(&current.record);
        match current.record.retired {
            Some(_) if stops => Ok(self.crossing()),
            Some(retired) if self.deleted_successor.as_deref() != Some(&retired.successor) => {
                let mut base = self.pending.base.take().ok_or(Error::ProtocolMisuse)?;
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

    pub(super) fn successor_gone(self: Box<Self>, key: Key) -> Result<Commit, Error> {
        // Nothing of the chain was seen to end: it may have been rotated on, beyond the grace.
        if self.is_late() && self.deleted_successor.is_none() {
            Err(Error::GraceExpired)
        } else {
            self.successor_deleted(key)
        }
    }

    pub(super) fn successor_deleted(mut self: Box<Self>, key: Key) -> Result<Commit, Error> {
        let mut base = self.pending.base.take().ok_or(Error::ProtocolMisuse)?;
        base.chain.pop();
        self.deleted_successor = Some(Box::new(key));
        Ok(self.chain(base))
    }

    pub(super) fn reloaded_sign_out(
        mut self: Box<Self>,
        found: Option<Box<Loaded>>,
    ) -> Result<Commit, Error> {
        let Some(current) = found else {
            return self.found_gone();
        };
        self.pending.base = Some(current);
        Ok(self.sign_out())
    }

    /// The record that was to be deleted is not there.
    pub(super) fn found_gone(self: Box<Self>) -> Result<Commit, Error> {
        // After the grace it may have been a retired one, and its successor lives: that is no
        // sign-out.
        if self.is_late() {
            Err(Error::GraceExpired)
        } else {
            Ok(self.ended(Fate::Gone))
        }
    }

    /// The session is signed out. What the handler did afterwards belongs to a new one.
    pub(super) fn ended(mut self: Box<Self>, fate: Fate) -> Commit {
        self.pending.base = None;
        self.deleted_successor = None;
        if !self.pending.untrusted.is_empty() {
            return self.sign_out();
        }
        if self.creates() {
            return Commit::Mint(Mint { machine: self });
        }
        let directive = self.clear();
        self.done(fate, directive)
    }
}
