//! How and when the subject was authenticated: for a step-up before something that matters.

use std::time::Duration;

use super::Session;
use crate::expiry::SKEW;
use crate::pending::TokenChange;
use crate::{Authentication, Error};

impl Session<'_> {
    /// Signs in like [`sign_in`](Session::sign_in), and keeps how the subject was authenticated.
    ///
    /// # Errors
    ///
    /// Those of [`sign_in`](Session::sign_in), and [`Error::InvalidAuthentication`].
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// use cloakroom_core::Authentication;
    ///
    /// let how = Authentication::new(1).method("pwd");
    /// session.sign_in_with("ada", &how)?;
    /// assert_eq!(session.authentication(), Some(how));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn sign_in_with(
        &mut self,
        subject: &str,
        authentication: &Authentication,
    ) -> Result<(), Error> {
        let encoded = authentication.encode()?;
        self.sign_in(subject)?;
        self.pending.assurance = Some(encoded);
        Ok(())
    }

    /// Notes that the subject has been authenticated again: a step-up (OWASP ASVS 5.0, 7.5.1 and
    /// 7.5.3). Check the credentials first.
    ///
    /// It is a sign-in of the same subject. The session gets a new token (7.2.4), a new time of
    /// sign-in and a new CSRF token, and keeps its values. Changes that other requests saved before
    /// are carried along. Those that come later with the old token fail with
    /// [`Error::Superseded`], so none is lost silently.
    ///
    /// # Errors
    ///
    /// [`Error::NotSignedIn`] without a subject, and those of
    /// [`sign_in_with`](Session::sign_in_with).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// use cloakroom_core::Authentication;
    ///
    /// let both = Authentication::new(2).method("pwd").method("otp");
    /// assert!(session.reauthenticate(&both).is_err(), "nobody is signed in");
    /// session.sign_in("ada")?;
    /// session.reauthenticate(&both)?;
    /// assert_eq!(session.authentication().map(|how| how.level()), Some(2));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn reauthenticate(&mut self, authentication: &Authentication) -> Result<(), Error> {
        let subject = self.subject().ok_or(Error::NotSignedIn)?.to_owned();
        self.sign_in_with(&subject, authentication)
    }

    /// Returns how the subject was authenticated at the last sign-in. `None` if the sign-in kept
    /// nothing about it.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.sign_in("ada")?;
    /// assert_eq!(session.authentication(), None);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn authentication(&self) -> Option<Authentication> {
        Authentication::decode(self.assurance()?)
    }

    /// Returns whether a subject is signed in, and was authenticated less than `age` ago.
    ///
    /// Times are whole seconds. At exactly `age` the result is false, so a result of true never
    /// stands for more than `age`. It is also false for a time more than a minute in the future.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// use std::time::Duration;
    ///
    /// let few_minutes = Duration::from_secs(300);
    /// assert!(!session.authenticated_within(few_minutes));
    /// session.sign_in("ada")?;
    /// assert!(session.authenticated_within(few_minutes));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn authenticated_within(&self, age: Duration) -> bool {
        let recent = self
            .authenticated_at()
            .is_some_and(|at| self.opened < at + age && at <= self.opened + SKEW);
        recent && self.subject().is_some()
    }

    pub(super) fn assurance(&self) -> Option<&[u8]> {
        match self.pending.token_change {
            _ if self.pending.has_another_subject() => None,
            TokenChange::SignIn(_) => self.pending.assurance.as_deref(),
            _ => self.pending.record()?.assurance(),
        }
    }
}
