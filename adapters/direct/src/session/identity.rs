//! The session's subject, lifetime and forms.

use cloakroom_core::{Expiry, UnixTime};

use super::Session;
use crate::Error;

impl<K> Session<K> {
    /// Returns whether the client presented no living session, or this request signed it out.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// assert!(session.is_new()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn is_new(&self) -> Result<bool, Error> {
        self.read(|session| session.is_new())
    }

    /// Returns whether this request changed something.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// assert!(!session.is_modified()?);
    /// session.insert("theme", "dark")?;
    /// assert!(session.is_modified()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn is_modified(&self) -> Result<bool, Error> {
        self.read(|session| session.is_modified())
    }

    /// Returns the session's public id, which may be shown and logged: it leads neither to the
    /// token nor to the record.
    ///
    /// `None` for a new session, and for a session in a cookie that has no room for it. Each
    /// rotation changes it (in a cookie: each sign-in). A request whose token has been rotated away
    /// sees the id of the newer session, so it finds itself in a listing.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// assert_eq!(session.id()?, None, "a new session");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn id(&self) -> Result<Option<String>, Error> {
        self.read(|session| session.id())
    }

    /// Returns the subject: the user who is signed in.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.sign_in("ada")?;
    /// assert_eq!(session.subject()?.as_deref(), Some("ada"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn subject(&self) -> Result<Option<String>, Error> {
        self.read(|session| session.subject().map(str::to_owned))
    }

    /// Returns the time of the session's creation, or of its last sign-in. The absolute timeout
    /// counts from it.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// assert!(session.created_at()? < session.expires_at()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn created_at(&self) -> Result<UnixTime, Error> {
        self.read(|session| session.created_at())
    }

    /// Returns the time of the sign-in, for a step-up before something that matters (OWASP ASVS
    /// 5.0, 7.5.1).
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// assert_eq!(session.authenticated_at()?, None);
    /// session.sign_in("ada")?;
    /// assert!(session.authenticated_at()?.is_some());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn authenticated_at(&self) -> Result<Option<UnixTime>, Error> {
        self.read(|session| session.authenticated_at())
    }

    /// Returns the time at which the session ends if no further request comes.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// let idle = session.expires_at()?.since(session.created_at()?);
    /// assert_eq!(idle.as_secs(), 30 * 60);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn expires_at(&self) -> Result<UnixTime, Error> {
        self.read(|session| session.expires_at())
    }

    /// Gives the session to a subject. Check the credentials first.
    ///
    /// The client gets a new token that reaches the new privilege. The old token reads the old data
    /// for the grace (default: 30 seconds) and is dead then (OWASP ASVS 5.0, 7.2.4). Sets the time
    /// of sign-in, restarts the absolute timeout and changes the CSRF token. The values stay,
    /// unless the session belongs to another subject.
    ///
    /// # Errors
    ///
    /// `InvalidSubject`. The error of an [`update`](Session::update) that has to run again without
    /// the other subject's values.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.sign_in("ada")?;
    /// assert_eq!(session.subject()?.as_deref(), Some("ada"));
    /// assert!(session.sign_in("").is_err(), "an empty subject");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn sign_in(&self, subject: &str) -> Result<(), Error> {
        Ok(self.change(|session| session.sign_in(subject))??)
    }

    /// Ends the session: the commit deletes its record, and nothing in flight brings it back.
    ///
    /// Values inserted afterwards in the same request belong to a new session with a new token.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("theme", "dark")?;
    /// session.sign_out()?;
    /// assert!(session.is_new()? && session.is_empty()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn sign_out(&self) -> Result<(), Error> {
        self.change(|session| {
            session.sign_out();
        })
    }

    /// Gives the session a new token. The old token reads the old data for the grace.
    ///
    /// Does nothing for a new session, or if the presented token has already been rotated away.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.rotate()?;
    /// assert!(session.is_modified()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn rotate(&self) -> Result<(), Error> {
        self.change(|session| {
            session.rotate();
        })
    }

    /// Changes the subject without a new token: for bookkeeping. To sign a user in, call
    /// [`sign_in`](Session::sign_in).
    ///
    /// Another subject has not been authenticated, however the earlier one was.
    ///
    /// # Errors
    ///
    /// `InvalidSubject`
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.set_subject(Some("guest-17"))?;
    /// assert_eq!(session.subject()?.as_deref(), Some("guest-17"));
    /// assert_eq!(session.authenticated_at()?, None);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set_subject(&self, subject: Option<&str>) -> Result<(), Error> {
        Ok(self.change(|session| session.set_subject(subject))??)
    }

    /// Gives this session a lifetime of its own for all its further requests. `None` goes back to
    /// the configured one.
    ///
    /// # Errors
    ///
    /// [`InvalidExpiry`](crate::SessionError::InvalidExpiry) for an idle timeout over the absolute
    /// one, fractions of a second, and a Max-Age over 400 days.
    ///
    /// ```
    /// use cloakroom::Expiry;
    /// use std::time::Duration;
    ///
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.set_expiry(Expiry::new().idle(Duration::from_secs(60)))?;
    /// assert_eq!(session.expires_at()?.since(session.created_at()?).as_secs(), 60);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set_expiry(&self, expiry: impl Into<Option<Expiry>>) -> Result<(), Error> {
        Ok(self.change(|session| session.set_expiry(expiry))??)
    }

    /// Ends this session at a time, whatever activity there is until then. Whether the cookie has a
    /// Max-Age stays as it was.
    ///
    /// A later sign-in restarts the absolute timeout, so call it after [`sign_in`](Self::sign_in).
    /// A session that this request creates ends later by as long as its handler takes.
    ///
    /// # Errors
    ///
    /// Those of [`set_expiry`](Self::set_expiry).
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// let tomorrow = session.created_at()? + std::time::Duration::from_secs(86_400);
    /// session.expire_at(tomorrow)?;
    /// assert_eq!(session.expires_at()?, tomorrow);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn expire_at(&self, end: UnixTime) -> Result<(), Error> {
        Ok(self.change(|session| session.expire_at(end))??)
    }

    /// Returns a token for this session's forms, against cross-site request forgery (OWASP ASVS
    /// 5.0, 3.5.1).
    ///
    /// Each call returns another text, all of them valid (masked, against BREACH). Signing in
    /// changes the token. Asking for the token of a new session creates the session.
    ///
    /// # Errors
    ///
    /// [`Error::Entropy`] if the system returned no randomness.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// let token = session.csrf_token()?;
    /// let field = format!(r#"<input type="hidden" name="csrf" value="{token}">"#);
    /// # drop(field);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn csrf_token(&self) -> Result<String, Error> {
        let entropy = self.backend.entropy()?;
        let mut state = self.slot.try_lock()?;
        let (token, creates) = self.call(&mut state, |session| {
            let creates = session.is_new();
            (session.csrf_token(entropy), creates)
        })?;
        if creates {
            state.copies.note_change(self.branch);
        }
        Ok(token)
    }

    /// Returns whether a form carries a CSRF token of this session. Compares in constant time.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// let token = session.csrf_token()?;
    /// assert!(session.verify_csrf(&token)?);
    /// assert!(!session.verify_csrf("forged")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn verify_csrf(&self, token: &str) -> Result<bool, Error> {
        self.read(|session| session.verify_csrf(token))
    }
}
