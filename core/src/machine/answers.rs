//! What each answer leads to.

use crate::commit::{
    Create, Delete, DeleteStep, Mint, Reload, ReloadStep, Replace, ReplaceStep, Target, Touch,
};
use crate::exchange::Issue;
use crate::{
    Commit, Created, Deleted, Directive, Error, Fate, Key, Replaced, Stored, Touched, UnixTime,
    Write,
};

use super::{Machine, New};

/// How many tokens are tried before the randomness is given up for broken.
const MAX_MINTS: u32 = 8;

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
