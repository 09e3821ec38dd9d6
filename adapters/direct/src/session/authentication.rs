//! How and when the subject was authenticated.

use std::time::Duration;

use cloakroom_core::Authentication;

use super::Session;
use crate::Error;

impl<K> Session<K> {
    /// Signs in like [`sign_in`](Session::sign_in), and keeps how the subject was authenticated.
    ///
    /// # Errors
    ///
    /// Those of [`sign_in`](Session::sign_in), and `InvalidAuthentication`.
    ///
    /// ```
    /// use cloakroom::Authentication;
    ///
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.sign_in_with("ada", &Authentication::new(1).method("pwd"))?;
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn sign_in_with(&self, subject: &str, how: &Authentication) -> Result<(), Error> {
        Ok(self.change(|session| session.sign_in_with(subject, how))??)
    }

    /// Notes that the subject has been authenticated again: a step-up (OWASP ASVS 5.0, 7.5.1 and
    /// 7.5.3). Check the credentials first.
    ///
    /// It is a sign-in of the same subject. The session gets a new token (7.2.4), a new time of
    /// sign-in and a new CSRF token, and keeps its values. What other requests saved before is
    /// carried along. A save that comes later with the old token fails with `Superseded`, so
    /// nothing is lost silently.
    ///
    /// # Errors
    ///
    /// `NotSignedIn` without a subject, and those of [`sign_in_with`](Session::sign_in_with).
    ///
    /// ```
    /// use cloakroom::Authentication;
    ///
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.sign_in("ada")?;
    /// session.reauthenticate(&Authentication::new(2).method("pwd").method("otp"))?;
    /// assert_eq!(session.authentication()?.map(|how| how.level()), Some(2));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn reauthenticate(&self, how: &Authentication) -> Result<(), Error> {
        Ok(self.change(|session| session.reauthenticate(how))??)
    }

    /// Returns how the subject was authenticated at the last sign-in. `None` if the sign-in kept
    /// nothing about it.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.sign_in("ada")?;
    /// assert_eq!(session.authentication()?, None);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn authentication(&self) -> Result<Option<Authentication>, Error> {
        self.read(|session| session.authentication())
    }

    /// Returns whether a subject is signed in, and was authenticated less than `age` ago.
    ///
    /// Times are whole seconds. At exactly `age` the result is false. The age counts up to the
    /// moment at which this request first used the session.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// assert!(!session.authenticated_within(Duration::from_secs(300))?);
    /// session.sign_in("ada")?;
    /// assert!(session.authenticated_within(Duration::from_secs(300))?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn authenticated_within(&self, age: Duration) -> Result<bool, Error> {
        self.read(|session| session.authenticated_within(age))
    }
}
