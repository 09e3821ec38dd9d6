//! The end of a session, and of all that it was rotated into.

use crate::commit::{Delete, DeleteStep, Mint, Reload, ReloadStep, Target};
use crate::exchange::Base;
use crate::{Commit, Error, Fate, Key};

use super::{MAX_CHAIN, Machine};

impl Machine {
    pub(super) fn sign_out(mut self: Box<Self>) -> Commit {
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
    pub(super) fn chain(mut self: Box<Self>, base: Box<Base>) -> Commit {
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

    pub(super) fn delete_base(self: Box<Self>, base: Box<Base>, step: DeleteStep) -> Commit {
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

    pub(super) fn successor_gone(self: Box<Self>, key: Key) -> Result<Commit, Error> {
        // Nothing of the chain was seen to end: it may have been rotated on, beyond the grace.
        if self.is_late() && self.dead.is_none() {
            Err(Error::Late)
        } else {
            self.successor_deleted(key)
        }
    }

    pub(super) fn successor_deleted(mut self: Box<Self>, key: Key) -> Result<Commit, Error> {
        let mut base = self.work.base.take().ok_or(Error::Misuse)?;
        base.chain.pop();
        self.dead = Some(key);
        Ok(self.chain(base))
    }

    pub(super) fn reloaded_sign_out(
        mut self: Box<Self>,
        found: Option<Box<Base>>,
    ) -> Result<Commit, Error> {
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
    pub(super) fn found_gone(self: Box<Self>) -> Result<Commit, Error> {
        // After the grace it may have been a retired one, and its successor lives: that is no sign-out.
        if self.is_late() {
            Err(Error::Late)
        } else {
            Ok(self.ended(Fate::Gone))
        }
    }

    /// The session is signed out. What the handler did afterwards belongs to a new one.
    pub(super) fn ended(mut self: Box<Self>, fate: Fate) -> Commit {
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
}
