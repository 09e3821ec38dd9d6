//! The types of the commit protocol: the questions that the machine asks, one at a time. `machine`
//! holds the transitions from each answer to the next question.

use std::fmt;

use crate::machine::{Machine, Withdrawn};
use crate::pending::Loaded;
use crate::seal::Secret;
use crate::{Key, Outcome, Stored, UnixTime, Write};

/// The next step that makes an exchange's changes real.
///
/// Carry it out, pass the answer to `then`, and go on with what that returns, until it is
/// [`Commit::Done`].
///
/// If the store failed and the write may have happened (a time-out, a lost connection), call `lost`
/// instead of `then`. The machine then finds out, and neither loses nor doubles the change. If you
/// drop a commit halfway, the record is either unchanged or fully written.
///
/// ```
/// use cloakroom_core::{
///     Commit, Created, Deleted, Error, Outcome, Replaced, Stored, Touched,
///     UnixTime,
/// };
///
/// /// The whole driver, on a store that is a closure.
/// fn drive(
///     mut commit: Commit,
///     now: UnixTime,
///     random: impl Fn() -> [u8; 64],
/// ) -> Result<Outcome, Error> {
///     loop {
///         commit = match commit {
///             Commit::Done(outcome) => return Ok(outcome),
///             Commit::Mint(mint) => mint.with(random())?,
///             // A real driver calls `store.create(create.key(), create.write())`.
///             Commit::Create(create) => create.then(Created::Stored, now)?,
///             Commit::Replace(replace) => replace.then(Replaced::Stored, now)?,
///             Commit::Reload(reload) => reload.then(None, now)?,
///             Commit::Touch(touch) => touch.then(Touched::Extended, now)?,
///             Commit::Delete(delete) => delete.then(Deleted::Deleted, now)?,
///             _ => unreachable!("no other questions in this version"),
///         }
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "nothing is saved until the commit has been carried out"]
#[non_exhaustive]
pub enum Commit {
    /// Needs randomness: something will be written.
    Mint(Mint),
    /// Creates a record.
    Create(Create),
    /// Replaces a record, by compare-and-swap.
    Replace(Replace),
    /// Loads a record again.
    Reload(Reload),
    /// Extends a record's life.
    Touch(Touch),
    /// Deletes a record.
    Delete(Delete),
    /// Ends the commit.
    Done(Outcome),
}

/// Asks for randomness, for a token or for the mark of a write.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(mint: Mint, random: [u8; 64]) -> Result<Commit, Error> {
///     mint.with(random)
/// }
/// ```
pub struct Mint {
    pub(crate) machine: Box<Machine>,
}

/// Asks the store to create a record.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(create: Create, now: UnixTime) -> Result<Commit, Error> {
///     // store.create(create.key(), create.write()).await?
///     create.then(Created::Stored, now)
/// }
/// ```
pub struct Create {
    pub(crate) machine: Box<Machine>,
    pub(crate) key: Key,
    pub(crate) write: Write,
}

/// Asks the store to replace a record, if it is still the one that was loaded.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(replace: Replace, now: UnixTime) -> Result<Commit, Error> {
///     // store.replace(replace.key(), replace.old(), replace.write()).await?
///     replace.then(Replaced::Stored, now)
/// }
/// ```
pub struct Replace {
    pub(crate) machine: Box<Machine>,
    pub(crate) target: Target,
    pub(crate) write: Write,
    pub(crate) step: ReplaceStep,
}

/// A record as loaded.
pub(crate) enum Target {
    /// The record that the exchange was opened with.
    Base(Box<Loaded>),
    /// Another record of the protocol.
    Other(Box<(Key, Stored)>),
}

impl Target {
    fn key(&self) -> &Key {
        match self {
            Self::Base(base) => &base.key,
            Self::Other(other) => &other.0,
        }
    }

    fn stored(&self) -> &Stored {
        match self {
            Self::Base(base) => base.record.as_stored(),
            Self::Other(other) => &other.1,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplaceStep {
    /// The session's own record, with the changed one.
    Save,
    /// The old record of a rotation, with a retired one.
    Retire,
    /// The new record of a rotation, because the old one had changed.
    Rewrite,
    /// The new record of a sign-in, because the old one was signed out.
    Strip,
}

/// Asks the store to load a record again.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(reload: Reload, now: UnixTime) -> Result<Commit, Error> {
///     reload.then(None, now) // store.load(reload.key()).await?
/// }
/// ```
pub struct Reload {
    pub(crate) machine: Box<Machine>,
    pub(crate) key: Key,
    pub(crate) step: ReloadStep,
}

pub(crate) enum ReloadStep {
    /// Does the record that was to be created exist?
    Created(Write),
    /// Loads the record again after a conflict. After a lost answer, the machine also finds out
    /// whether the write happened.
    Save(Option<Write>),
    Retire(Option<Write>),
    /// The new record of a rotation, to write it again. Holds a write whose answer was lost.
    New(ReplaceStep, Option<Write>),
    /// The new record of a rotation that cannot be completed.
    Withdraw(Withdrawn),
    /// The successor of a record that was rotated away meanwhile, and what opens its values.
    Follow(Option<Secret>),
    SignOut,
    /// A session that lost its last value in this request.
    Emptied,
    /// Does the token still belong to the session, so that its cookie may be sent again?
    Renew,
    /// The next record in a chain of successors.
    Chain,
}

/// Asks the store to extend a record's life.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(touch: Touch, now: UnixTime) -> Result<Commit, Error> {
///     // store.touch(touch.key(), touch.expires_at()).await?
///     touch.then(Touched::Extended, now)
/// }
/// ```
pub struct Touch {
    pub(crate) machine: Box<Machine>,
    pub(crate) key: Key,
    pub(crate) expires_at: UnixTime,
}

/// Asks the store to delete a record, if it is still the one that was loaded.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(delete: Delete, now: UnixTime) -> Result<Commit, Error> {
///     // store.delete(delete.key(), delete.old()).await?
///     delete.then(Deleted::Deleted, now)
/// }
/// ```
pub struct Delete {
    pub(crate) machine: Box<Machine>,
    pub(crate) target: Target,
    pub(crate) step: DeleteStep,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeleteStep {
    SignOut,
    /// A successor.
    Chain,
    /// The retired record at the start of a chain that is gone.
    ChainStart,
    /// A session that lost its last value in this request.
    Emptied,
    Withdraw(Withdrawn),
}

macro_rules! opaque {
    ($($type:ident)+) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(..)"))
            }
        }
    )+};
}

opaque!(Mint Create Replace Reload Touch Delete);

impl Create {
    /// Returns the key to create the record under.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn which(create: &Create) -> &str {
    ///     create.key().as_str()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Returns the record to write.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn size(create: &Create) -> usize {
    ///     create.write().bytes.len()
    /// }
    /// ```
    #[must_use]
    pub fn write(&self) -> &Write {
        &self.write
    }
}

impl Replace {
    /// Returns the key of the record to replace.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn which(replace: &Replace) -> &str {
    ///     replace.key().as_str()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> &Key {
        self.target.key()
    }

    /// Returns what the record must still be.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn version(replace: &Replace) -> u64 {
    ///     replace.old().version
    /// }
    /// ```
    #[must_use]
    pub fn old(&self) -> &Stored {
        self.target.stored()
    }

    /// Returns whether this write ends the use of the record's token: a rotation or a sign-in.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn is_news(replace: &Replace) -> bool {
    ///     replace.retires()
    /// }
    /// ```
    #[must_use]
    pub fn retires(&self) -> bool {
        self.step == ReplaceStep::Retire
    }

    /// Returns the record to write.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn size(replace: &Replace) -> usize {
    ///     replace.write().bytes.len()
    /// }
    /// ```
    #[must_use]
    pub fn write(&self) -> &Write {
        &self.write
    }
}

impl Reload {
    /// Returns the key of the record to load.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn which(reload: &Reload) -> &str {
    ///     reload.key().as_str()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl Touch {
    /// Returns the key of the record whose life to extend.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn which(touch: &Touch) -> &str {
    ///     touch.key().as_str()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Returns the new expiry.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn end(touch: &Touch) -> u64 {
    ///     touch.expires_at().as_secs()
    /// }
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl Delete {
    /// Returns the key of the record to delete.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn which(delete: &Delete) -> &str {
    ///     delete.key().as_str()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> &Key {
        self.target.key()
    }

    /// Returns what the record must still be.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn version(delete: &Delete) -> u64 {
    ///     delete.old().version
    /// }
    /// ```
    #[must_use]
    pub fn old(&self) -> &Stored {
        self.target.stored()
    }
}
