//! The commit protocol's vocabulary: the questions that the machine asks, one at a time, and what came of it all. How an
//! answer leads to the next question is in `machine`.

use std::fmt;
use std::time::Duration;

use crate::exchange::Base;
use crate::machine::Machine;
use crate::{Key, Stored, Token, UnixTime, Write};

/// What is to be done next to make an exchange's changes real. Carry it out, hand the answer to `then`, and go on with what
/// that returns, until it is [`Commit::Done`].
///
/// If the store failed and it is unknown whether the write happened (a time-out, a lost connection), call `lost` instead of `then`:
/// the machine finds out, and neither loses nor doubles the change. Dropping a commit halfway leaves the record as it was
/// or as it was to be.
///
/// ```
/// use cloakroom_core::{Commit, Error, Outcome, Stored, UnixTime, Created, Replaced, Deleted, Touched};
///
/// /// The whole driver, on a store that is a closure.
/// fn drive(mut commit: Commit, now: UnixTime, random: impl Fn() -> [u8; 64]) -> Result<Outcome, Error> {
///     loop {
///         commit = match commit {
///             Commit::Done(outcome) => return Ok(outcome),
///             Commit::Mint(mint) => mint.with(random())?,
///             Commit::Create(create) => create.then(Created::Stored, now)?, // store.create(create.key(), create.write())
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
    /// Randomness is wanted: something will be written.
    Mint(Mint),
    /// A record is to be created.
    Create(Create),
    /// A record is to be replaced.
    Replace(Replace),
    /// A record is to be loaded again.
    Reload(Reload),
    /// A record is to live longer.
    Touch(Touch),
    /// A record is to be deleted.
    Delete(Delete),
    /// That is all.
    Done(Outcome),
}

/// What came of an exchange. The default is what comes of one that nobody touched.
///
/// ```
/// use cloakroom_core::{Commit, Config, Directive, Exchange, Fate, Outcome, UnixTime};
///
/// let exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
/// let Commit::Done(outcome) = exchange.finish(UnixTime::from_secs(0)) else { panic!() };
/// assert_eq!(outcome, Outcome::default());
/// assert_eq!((outcome.directive, outcome.fate, outcome.accessed), (Directive::Keep, Fate::Unchanged, false));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What to tell the client.
    pub directive: Directive,
    /// Whether the handler looked at the session: if so, the response depends on the cookie.
    pub accessed: bool,
    /// What became of the changes.
    pub fate: Fate,
    /// The client's token has been rotated away, and this exchange issued none: within the grace it reads what it always led
    /// to, then nothing. Also where nothing was changed, so that a connection which lives long and only reads learns of it in
    /// time. A browser needs not be told: the answer that brought the newer cookie went to the same jar.
    pub superseded: bool,
    /// How often another request had changed the record first, or an answer of the store was lost.
    pub conflicts: u32,
}

/// What a transport must tell the client.
///
/// ```
/// use cloakroom_core::Directive;
///
/// fn describe(directive: &Directive) -> &'static str {
///     match directive {
///         Directive::Keep => "nothing",
///         Directive::Issue(_) => "keep this token from now on",
///         Directive::Clear => "forget the token",
///         _ => "ignore",
///     }
/// }
/// # assert_eq!(describe(&Directive::Keep), "nothing");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Directive {
    /// Nothing.
    #[default]
    Keep,
    /// Here is a token; present it from now on.
    Issue(Issued),
    /// Forget the token: the session has been signed out by this very request.
    Clear,
}

/// A token for the client.
///
/// ```
/// use cloakroom_core::Issued;
///
/// fn to_header(issued: &Issued) -> (&str, Option<u64>) {
///     (issued.token.expose(), issued.max_age.map(|age| age.as_secs()))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// How long the client should keep it; `None`: until it closes.
    pub max_age: Option<Duration>,
}

/// What became of an exchange's changes. The last two are no errors: the client is not at fault, and nothing is broken; but
/// an application may want to know.
///
/// ```
/// use cloakroom_core::Fate;
///
/// fn worth_a_word(fate: Fate) -> bool {
///     matches!(fate, Fate::Superseded | Fate::Gone)
/// }
/// # assert!(worth_a_word(Fate::Gone));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// There were none.
    #[default]
    Unchanged,
    /// They are saved (for a sign-out: the session is deleted).
    Saved,
    /// Dropped: the token had been rotated away, and within the grace it only reads. Nobody has seen any of them.
    Superseded,
    /// Dropped: the session was signed out or ended meanwhile. Nobody has seen any of them.
    Gone,
}

/// Wants randomness, for a token or for the mark of a write.
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

/// Wants a record created.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(create: Create, now: UnixTime) -> Result<Commit, Error> {
///     create.then(Created::Stored, now) // store.create(create.key(), create.write()).await?
/// }
/// ```
pub struct Create {
    pub(crate) machine: Box<Machine>,
    pub(crate) key: Key,
    pub(crate) write: Write,
}

/// Wants a record replaced, if it is still the one that was loaded.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(replace: Replace, now: UnixTime) -> Result<Commit, Error> {
///     replace.then(Replaced::Stored, now) // store.replace(replace.key(), replace.old(), replace.write()).await?
/// }
/// ```
pub struct Replace {
    pub(crate) machine: Box<Machine>,
    pub(crate) target: Target,
    pub(crate) write: Write,
    pub(crate) step: ReplaceStep,
}

/// A record as it was loaded.
pub(crate) enum Target {
    /// The one that the exchange was opened with.
    Base(Box<Base>),
    /// Another one of the protocol's.
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
    /// The session's own record, by its changed self.
    Save,
    /// The old record of a rotation, by a retired one.
    Retire,
    /// The new record of a rotation, because the old one had changed.
    Rewrite,
    /// The new record of a sign-in, because the old one was signed out.
    Strip,
}

/// Wants a record loaded again.
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
    /// Is there what was to be created?
    Created(Write),
    /// What became of the record that was to be replaced, and, if the answer was lost, of this write?
    Save(Option<Write>),
    Retire(Option<Write>),
    /// The new record of a rotation, to write it again; with a write whose answer was lost.
    New(ReplaceStep, Option<Write>),
    /// The new record of a rotation that cannot be completed.
    Withdraw(Fate),
    SignOut,
    /// A session that this request emptied.
    Emptied,
    /// Is the token still the session's, so that its cookie may be sent again?
    Renew,
    /// The next of a chain of successors.
    Chain,
}

/// Wants a record to live longer.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(touch: Touch, now: UnixTime) -> Result<Commit, Error> {
///     touch.then(Touched::Extended, now) // store.touch(touch.key(), touch.expires_at()).await?
/// }
/// ```
pub struct Touch {
    pub(crate) machine: Box<Machine>,
    pub(crate) key: Key,
    pub(crate) expires_at: UnixTime,
}

/// Wants a record deleted, if it is still the one that was loaded.
///
/// ```
/// # use cloakroom_core::*;
/// fn answer(delete: Delete, now: UnixTime) -> Result<Commit, Error> {
///     delete.then(Deleted::Deleted, now) // store.delete(delete.key(), delete.old()).await?
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
    /// A session that this request emptied.
    Emptied,
    Withdraw(Fate),
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
    /// Where to create it.
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

    /// What to write.
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
    /// Which record to replace.
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

    /// What it must still be.
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

    /// What to write.
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
    /// Which record to load.
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
    /// Which record is to live longer.
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

    /// Until when.
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
    /// Which record to delete.
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

    /// What it must still be.
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
