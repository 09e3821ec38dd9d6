//! For drivers that report what happens to sessions: what an exchange is about to do, and to which.

use std::fmt;

use crate::pending::{Loaded, TokenChange};
use crate::session::public_name;
use crate::{Error, Exchange, Key};

/// The purpose of an exchange, by [`Exchange::aim`].
///
/// ```
/// use cloakroom_core::{Aim, Config, Exchange, UnixTime};
///
/// let mut exchange =
///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
/// assert_eq!(exchange.aim(), Aim::Keep);
/// exchange.session()?.sign_in("ada")?;
/// assert_eq!(exchange.aim(), Aim::SignIn("ada"));
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aim<'a> {
    /// Keeps it, with or without changes, or creates one.
    Keep,
    /// Gives it another token.
    Rotate,
    /// Signs this subject in.
    SignIn(&'a str),
    /// Signs out.
    SignOut,
}

impl fmt::Debug for Aim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Rotate => "Rotate",
            Self::SignIn(_) => "SignIn(..)",
            Self::SignOut => "SignOut",
        })
    }
}

/// A living session that an exchange has loaded, by [`Exchange::known`].
///
/// ```
/// fn name(known: &cloakroom_core::Known) -> &str {
///     &known.id
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known {
    /// Its public name ([`Session::id`](crate::Session::id)).
    pub id: String,
    /// Its subject, as it is stored.
    pub subject: Option<Box<str>>,
    /// Whether the presented token is from before a sign-in. Then the session is another one.
    pub is_before_sign_in: bool,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// Returns what this exchange is about to do with its session.
    ///
    /// ```
    /// # use cloakroom_core::{Aim, Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.sign_out();
    /// assert_eq!(exchange.aim(), Aim::SignOut);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn aim(&self) -> Aim<'_> {
        let pending = &self.0.pending;
        match &pending.token_change {
            TokenChange::SignIn(subject) => Aim::SignIn(subject),
            _ if pending.destroyed => Aim::SignOut,
            TokenChange::Rotate => Aim::Rotate,
            TokenChange::No => Aim::Keep,
        }
    }

    /// Returns the living sessions that were presented: usually one, and several if none of them is
    /// trusted.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// assert!(exchange.known().is_empty());
    /// ```
    #[must_use]
    pub fn known(&self) -> Vec<Known> {
        let pending = &self.0.pending;
        let known = |base: &Loaded| {
            Some(Known {
                id: public_name(&self.0.config, &base.key, base)?,
                subject: base.record.subject().map(Box::from),
                is_before_sign_in: !base.chain.is_empty(),
            })
        };
        let all = pending.base.as_deref().into_iter();
        all.chain(&pending.untrusted).filter_map(known).collect()
    }

    /// Returns the key of the session's record, as it was loaded, or `None` if there is no session.
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`] while a load is outstanding. [`Error::NeedsStore`] if the client keeps
    /// the session.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// assert!(exchange.place()?.is_none());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn place(&self) -> Result<Option<&Key>, Error> {
        if self.wants_load().is_some() {
            return Err(Error::NotLoaded);
        }
        if self.0.config.settings().envelope.is_some() {
            return Err(Error::NeedsStore);
        }
        Ok(self.0.pending.base.as_deref().map(|base| &base.key))
    }
}
