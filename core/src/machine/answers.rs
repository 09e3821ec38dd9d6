//! The transitions from each answer to the next question.

use crate::commit::{
    Create, Delete, DeleteStep, Mint, Reload, ReloadStep, Replace, ReplaceStep, Target, Touch,
};
use crate::pending::TokenChange;
use crate::seal::Opener;
use crate::{
    Commit, Created, Deleted, Directive, Error, Fate, Key, Replaced, Stored, Touched, UnixTime,
    Write,
};

use super::{Machine, New};

/// How many tokens are tried before the machine treats the randomness as broken.
const MAX_MINTS: u32 = 8;

impl Mint {
    /// Returns whether the first 48 bytes of [`with`](Self::with) become secrets: a token, the seed
    /// of CSRF tokens, or the nonce of a sealed cookie or of sealed values.
    ///
    /// A save over a record makes none. It only marks the write, so that a lost answer can be told
    /// from a lost write. [`with`](Self::with) then ignores the first 48 bytes, and a driver can
    /// save the call to the system's generator.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn bytes(mint: &Mint, fill: fn(&mut [u8]), mark: [u8; 16]) -> [u8; 64] {
    ///     let mut bytes = [0; 64];
    ///     if mint.needs_secrets() {
    ///         fill(&mut bytes[..48]);
    ///     }
    ///     bytes[48..].copy_from_slice(&mark);
    ///     bytes
    /// }
    /// ```
    #[must_use]
    pub fn needs_secrets(&self) -> bool {
        let (settings, pending) = (self.machine.config.settings(), &self.machine.pending);
        // Another format's records may lack a seed, which the save then adds.
        settings.envelope.is_some()
            || settings.format.is_some()
            || settings.seal_values
            || pending.token_change != TokenChange::No
            || pending.base.is_none()
    }

    /// Continues with 64 bytes. The first 48 come from a cryptographically secure generator, and
    /// must not be used again. The last 16 mark the write: they are no secret, but must differ from
    /// those of every other write.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if the session is over a limit, [`Error::TooManyTokens`] and
    /// [`Error::Superseded`] if a sign-in or sign-out cannot end what it should. Nothing was
    /// written then.
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
        if let Some(error) = machine.refused.take() {
            return Err(*error);
        }
        let part = |start: usize| move |n: usize| entropy[start + n];
        machine.writer = std::array::from_fn(part(48));
        if machine.config.settings().seal_values {
            machine.nonces.begin(&entropy);
        }
        machine.seed = std::array::from_fn(part(32));
        if machine.config.settings().envelope.is_some() {
            return machine.seal(&std::array::from_fn(part(0)));
        }
        if machine.pending.token_change == TokenChange::No && machine.pending.base.is_some() {
            return machine.save();
        }
        let rules = &machine.config.settings().tokens;
        let (token, key) = rules
            .mint(&std::array::from_fn(part(0)))
            .ok_or(Error::ProtocolMisuse)?;
        let settings = machine.config.settings();
        let opens = settings.seal_values || machine.resumes;
        let sealed = opens.then(|| token.as_bytes());
        let id = sealed.and_then(|token| settings.tokens.id(token));
        let opener = id.and_then(|id| Opener::of_id(&id));
        // Derived once, for all that this commit writes.
        let opener = opener.map(|opener| Opener::Secret(opener.secret(&key)));
        machine.new = Some(New { token, key, opener });
        machine.create()
    }
}

impl Create {
    /// Continues with the store's answer, at this time.
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
            Created::Taken => machine.again(),
        }
    }

    /// Continues after an error of the store: the record may or may not have been created.
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
    /// Continues with the store's answer, at this time.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] after too many conflicts.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn changed(replace: Replace, now: UnixTime) -> Result<Commit, Error> {
    ///     // The machine loads the record again and replays the changes.
    ///     replace.then(Replaced::Changed, now)
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
            (Replaced::Gone, ReplaceStep::Save) => machine.save_gone(),
            (Replaced::Gone, step) => machine.new_gone(step),
            (Replaced::Changed, _) => {
                machine.conflict()?;
                let lost = machine.uncertain.then_some(self.write);
                Ok(machine.reload(key, self.step, lost))
            }
        }
    }

    /// Continues after an error of the store: the record may or may not have been replaced.
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
    /// Continues with the record that the store found, at this time.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], [`Error::NewerRecord`]: the record cannot be read, and was left as it
    /// is. [`Error::UnknownOutcome`], [`Error::GraceExpired`], [`Error::Contended`]; an error of an
    /// update that had to run again.
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
        let opener = machine.opener(&key);
        match self.step {
            ReloadStep::Created(write) => {
                let landed = found.is_some_and(|found| found.bytes == write.bytes);
                machine.uncertain = false;
                match landed {
                    true => machine.created(),
                    // A new token, because the lost create may still happen later. Under a token
                    // that nobody has, its record stays out of reach. Under the same token it could
                    // come back after a sign-out.
                    false => Ok(machine.mint()),
                }
            }
            ReloadStep::Save(lost) => {
                let found = machine.config.existing(found, &key, opener, now)?;
                machine.reloaded_save(found, lost)
            }
            ReloadStep::Retire(lost) => {
                let found = machine.config.existing(found, &key, opener, now)?;
                machine.reloaded_retire(found, lost)
            }
            ReloadStep::New(step, lost) => machine.reloaded_new(key, found, step, lost),
            ReloadStep::Withdraw(then) => match found {
                Some(old) => Ok(Commit::Delete(Delete {
                    machine,
                    target: Target::Other(Box::new((key, old))),
                    step: DeleteStep::Withdraw(then),
                })),
                None => machine.withdrawn(then),
            },
            ReloadStep::Emptied => {
                let found = machine.config.existing(found, &key, opener, now)?;
                machine.reloaded_emptied(found)
            }
            ReloadStep::Renew => {
                let found = machine.config.existing(found, &key, opener, now)?;
                Ok(machine.reloaded_renewal(found))
            }
            ReloadStep::Follow(secret) => {
                let opener = secret.map(Opener::Secret);
                let found = machine.config.existing(found, &key, opener, now)?;
                machine.followed_up(found)
            }
            ReloadStep::SignOut => {
                let found = machine.config.existing(found, &key, opener, now)?;
                machine.reloaded_sign_out(found)
            }
            ReloadStep::Chain => {
                let found = machine.config.existing(found, &key, opener, now)?;
                machine.reloaded_chain(key, found)
            }
        }
    }
}

impl Touch {
    /// Continues with the store's answer, at this time.
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

    /// Continues after an error of the store, and asks again: repeating a touch is harmless.
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
    /// Continues with the store's answer, at this time.
    ///
    /// # Errors
    ///
    /// [`Error::GraceExpired`], [`Error::Contended`].
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn changed(delete: Delete, now: UnixTime) -> Result<Commit, Error> {
    ///     // The machine loads the record again and follows it to its successor.
    ///     delete.then(Deleted::Changed, now)
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
            (_, DeleteStep::Withdraw(then)) => machine.withdrawn(then),
            (_, DeleteStep::Emptied) => machine.reloaded_emptied(None),
            (Deleted::Gone, DeleteStep::SignOut) => machine.found_gone(),
            (Deleted::Deleted, DeleteStep::SignOut) | (_, DeleteStep::ChainStart) => {
                Ok(machine.ended(Fate::Saved))
            }
            (Deleted::Gone, DeleteStep::Chain) => machine.successor_gone(key),
            (Deleted::Deleted, DeleteStep::Chain) => machine.successor_deleted(key),
        }
    }

    /// Continues after an error of the store: the record may or may not have been deleted.
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
    /// Another token, for one that cannot be used.
    pub(super) fn again(mut self: Box<Self>) -> Result<Commit, Error> {
        self.mints += 1;
        if self.mints == MAX_MINTS {
            Err(Error::Contended)
        } else {
            Ok(self.mint())
        }
    }

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
            DeleteStep::Withdraw(then) => ReloadStep::Withdraw(then),
        };
        Commit::Reload(Reload {
            machine: self,
            key,
            step,
        })
    }
}
