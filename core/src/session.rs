mod authentication;
mod binding;
mod flash;
mod typed;
mod values;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;

use crate::pending::{Loaded, Pending, TokenChange};
use crate::{Config, Error, Expiry, Key, UnixTime};

const MAX_SUBJECT: usize = 1_024;

/// A session while the handler runs. Synchronous, because everything is loaded.
///
/// A value can be anything that serde serializes. Values stay encoded (CBOR) until you read them.
///
/// A change is recorded, not applied. If another request changed the session meanwhile, the changes
/// are replayed over the newer record, so both requests' changes survive. On the same name the last
/// writer wins, except with [`update`](Session::update).
///
/// ```
/// use cloakroom_core::{Config, Exchange, UnixTime};
///
/// let mut exchange =
///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
/// let mut session = exchange.session()?;
/// session.insert("theme", "dark")?;
/// let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
/// assert_eq!(visits, 1);
/// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub struct Session<'a> {
    pub(crate) config: &'a Config,
    opened: UnixTime,
    pub(crate) pending: &'a mut Pending,
}

impl<'a> Session<'a> {
    pub(crate) fn new(config: &'a Config, opened: UnixTime, pending: &'a mut Pending) -> Self {
        Self {
            config,
            opened,
            pending,
        }
    }

    /// Returns whether the client presented no living session (or this request destroyed it).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert!(session.is_new());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.pending.record().is_none()
    }

    /// Returns whether this request changed something.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert!(!session.is_modified());
    /// session.insert("theme", "dark")?;
    /// assert!(session.is_modified());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_modified(&self) -> bool {
        self.pending.is_modified()
    }

    /// Returns a name for this session that you can show and log: it leads neither to the token nor
    /// to the record.
    ///
    /// `None` for a new session, and for one in a cookie that has no room for it. It changes with
    /// each rotation (in a cookie: with each sign-in).
    ///
    /// A request whose token has been rotated away gets the name of the session that took its
    /// place. So it finds itself in a listing, and "sign out everywhere else" does not end it. A
    /// token that a sign-in replaced keeps its own name.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert_eq!(session.id(), None); // a new session
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let base = self
            .pending
            .base
            .as_ref()
            .filter(|_| !self.pending.destroyed)?;
        public_name(self.config, &base.key, base)
    }

    /// Returns the subject that the session belongs to.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.sign_in("ada")?;
    /// assert_eq!(session.subject(), Some("ada"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match (&self.pending.journal.subject, &self.pending.token_change) {
            (Some(subject), _) => subject.as_deref(),
            (None, TokenChange::SignIn(subject)) => Some(subject),
            (None, _) => self.pending.record()?.subject(),
        }
    }

    /// Returns when the session was created, or last signed in. The absolute timeout counts from
    /// here.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert_eq!(session.created_at(), UnixTime::from_secs(100));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn created_at(&self) -> UnixTime {
        match (&self.pending.token_change, self.pending.record()) {
            (TokenChange::No | TokenChange::Rotate, Some(record)) => record.created,
            _ => self.opened,
        }
    }

    /// Returns when the subject signed in, so that you can ask for a step-up (OWASP ASVS 5.0,
    /// 7.5.1).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert_eq!(session.authenticated_at(), None);
    /// session.sign_in("ada")?;
    /// assert_eq!(session.authenticated_at(), Some(UnixTime::from_secs(100)));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn authenticated_at(&self) -> Option<UnixTime> {
        match self.pending.token_change {
            _ if self.pending.has_another_subject() => None,
            TokenChange::SignIn(_) => Some(self.opened),
            _ => self.pending.record()?.authenticated,
        }
    }

    /// Returns when the session ends if no further request comes.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert_eq!(session.expires_at(), UnixTime::from_secs(100 + 1_800));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        match (&self.pending.base, self.pending.is_modified()) {
            (Some(base), false) => base.record.stored.expires_at,
            _ => {
                let stored = self.pending.carried().and_then(|record| record.expiry);
                let expiry = self.pending.journal.expiry.unwrap_or(stored);
                self.config
                    .lifetime(expiry)
                    .expires_at(self.created_at(), self.opened)
            }
        }
    }

    /// Returns when the session was last used, according to its record: for listings.
    ///
    /// It lags behind by up to a tenth of the idle timeout, or by the
    /// [`touch_interval`](crate::ConfigBuilder::touch_interval), because not every request that
    /// only reads is recorded. It lags further near the absolute timeout, and after the session got
    /// another lifetime. For a new session it is the time of the request.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let now = UnixTime::from_secs(100);
    /// let mut exchange = Exchange::open(&Config::default(), [], now);
    /// assert_eq!(exchange.session()?.last_seen(), now);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn last_seen(&self) -> UnixTime {
        let Some(record) = self.pending.record() else {
            return self.opened;
        };
        let idle = self.config.lifetime(record.expiry).idle.as_secs();
        let end = record.stored.expires_at.as_secs();
        let seen = UnixTime::from_secs(end.saturating_sub(idle));
        seen.max(record.created).min(self.opened)
    }

    /// Gives the session to a subject whose credentials have been checked (OWASP ASVS 5.0, 7.2.4).
    ///
    /// Issues a new token, and only that token reaches the new privilege. The old token reads the
    /// old data during the grace, and is dead afterwards.
    ///
    /// Changes made with the old token never reach the signed-in session, even those of requests in
    /// flight. Such a request fails with [`Error::Superseded`], or as
    /// [`drop_superseded`](crate::ConfigBuilder::drop_superseded) sets it.
    ///
    /// Sets the time of sign-in, restarts the absolute timeout, and changes the CSRF token. Keeps
    /// the values, unless the session belongs to another subject. Ends a
    /// [binding](Session::binding) to a device.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSubject`]. Also the error of an update that has to run again without the
    /// other subject's values.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.sign_in("ada")?;
    /// assert_eq!(session.subject(), Some("ada"));
    /// assert!(session.sign_in("").is_err());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn sign_in(&mut self, subject: &str) -> Result<(), Error> {
        check_subject(subject)?;
        self.config.check_writable()?;
        let pending = &mut *self.pending;
        let anothers = pending
            .record()
            .and_then(|record| record.subject())
            .is_some_and(|owner| owner != subject);
        if anothers {
            pending.journal.forget_base();
            pending
                .journal
                .replay(None, self.config.settings().limits)?;
        }
        let base = pending.base.as_ref().filter(|_| !pending.destroyed);
        pending.journal.drop_binding(base.map(|base| &base.record));
        pending.token_change = TokenChange::SignIn(subject.into());
        (pending.journal.subject, pending.assurance) = (None, None);
        (pending.seed, pending.form) = (None, None);
        Ok(())
    }

    /// Signs out: deletes the session's record, and no request in flight can bring it back.
    ///
    /// Values inserted afterwards in the same request belong to a new session with a new token.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// session.sign_out();
    /// assert!(session.is_new() && session.is_empty());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn sign_out(&mut self) {
        self.pending.forget_changes();
        self.pending.destroyed = true;
    }

    /// Replaces the token of this session. A rotation changes no privilege, so nothing is lost.
    ///
    /// During the grace, the old token stands for the session. It reads the current session, and
    /// its changes are kept, including those of requests in flight. It never gets the new token,
    /// and cannot rotate again. So a stolen old token works as the visitor's until the grace ends,
    /// but no longer.
    ///
    /// To cut a thief off at once, sign the visitor in again, sign out, or set a
    /// [`rotation_grace`](crate::ConfigBuilder::rotation_grace) of 0. With 0, requests in flight
    /// keep their changes, and the old token cannot be presented any more.
    ///
    /// Does nothing without a session, or if the presented token has been rotated already.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.rotate();
    /// assert!(session.is_modified());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn rotate(&mut self) {
        if self.pending.token_change == TokenChange::No {
            self.pending.token_change = TokenChange::Rotate;
        }
    }

    /// Changes the subject without a new token: for bookkeeping. To sign a user in, use
    /// [`sign_in`](Session::sign_in).
    ///
    /// Another subject has not been authenticated, however the earlier one was.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSubject`]
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.set_subject(Some("guest-17"))?;
    /// assert_eq!(session.subject(), Some("guest-17"));
    /// assert_eq!(session.authenticated_at(), None);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn set_subject(&mut self, subject: Option<&str>) -> Result<(), Error> {
        subject.map_or(Ok(()), check_subject)?;
        self.config.check_writable()?;
        if self.subject() != subject {
            self.pending.journal.subject = Some(subject.map(Box::from));
        }
        Ok(())
    }

    /// Gives this session its own lifetime for all its further requests. `None` restores the
    /// configured one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidExpiry`] for an idle timeout over the absolute one, fractions of a second,
    /// and a Max-Age over 400 days.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// use cloakroom_core::Expiry;
    /// use std::time::Duration;
    ///
    /// session.set_expiry(Expiry::new().idle(Duration::from_secs(60)))?;
    /// assert_eq!(session.expires_at(), UnixTime::from_secs(160));
    /// session.set_expiry(None)?;
    /// assert_eq!(session.expires_at(), UnixTime::from_secs(100 + 1_800));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn set_expiry(&mut self, expiry: impl Into<Option<Expiry>>) -> Result<(), Error> {
        let (expiry, journal) = (expiry.into(), self.pending.journal.expiry);
        expiry.map_or(Ok(()), |expiry| expiry.check(self.config))?;
        let known =
            journal.unwrap_or_else(|| self.pending.record().and_then(|record| record.expiry));
        // Equals the configuration already: that alone creates no session.
        if expiry.is_some() || known.is_some() {
            self.pending.journal.expiry = Some(expiry);
        }
        Ok(())
    }

    /// Ends this session at a time, whatever activity there is until then. Whether the cookie has a
    /// Max-Age stays as it was.
    ///
    /// Sets both timeouts of this session with [`set_expiry`](Session::set_expiry). A later sign-in
    /// restarts the absolute timeout, so call it after [`sign_in`](Session::sign_in). A session
    /// that this request creates ends later by as long as its handler takes.
    ///
    /// # Errors
    ///
    /// Those of [`set_expiry`](Session::set_expiry).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// let midnight = UnixTime::from_secs(86_400);
    /// session.expire_at(midnight)?;
    /// assert_eq!(session.expires_at(), midnight);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn expire_at(&mut self, end: UnixTime) -> Result<(), Error> {
        let life = end.since(self.created_at());
        let stored = self.pending.carried().and_then(|record| record.expiry);
        let known = self.pending.journal.expiry.unwrap_or(stored);
        self.set_expiry(Expiry {
            persistent: known.and_then(|known| known.persistent),
            ..Expiry::new().idle(life).absolute(life)
        })
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("is_new", &self.is_new())
            .finish_non_exhaustive()
    }
}

/// The public name of the record under this key.
pub(crate) fn public_name(config: &Config, key: &Key, base: &Loaded) -> Option<String> {
    let seed = base.record.seed();
    Some(match &config.settings().envelope {
        None => name_of_key(key),
        Some(_) => name(seed.as_ref()?),
    })
}

/// The public name of a session whose record is under this key.
pub(crate) fn name_of_key(key: &Key) -> String {
    name(key.as_bytes())
}

fn name(secret: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(b"cloakroom session id\0")
        .chain_update(secret)
        .finalize();
    let (short, _) = digest.split_at(12);
    URL_SAFE_NO_PAD.encode(short)
}

pub(crate) fn check_subject(subject: &str) -> Result<(), Error> {
    let valid = !subject.is_empty()
        && subject.len() <= MAX_SUBJECT
        && !subject.chars().any(char::is_control);
    if valid {
        Ok(())
    } else {
        Err(Error::InvalidSubject)
    }
}
