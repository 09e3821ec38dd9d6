use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

use crate::exchange::{Base, Issue, Work};
use crate::journal::Encoded;
use crate::record::{Record, Seed, check_name};
use crate::{Config, Error, Expiry, Key, UnixTime, values};

/// Flash values stand among the others, under names that no other value can have.
const FLASH: &str = "\u{1}";
const MAX_SUBJECT: usize = 255;

/// A session while the handler runs: synchronous, as everything is loaded.
///
/// Values are anything that serde can serialize; they are kept encoded (CBOR), and decoded only when asked for. Every change
/// is noted, not applied: if another request changed the session meanwhile, the changes are replayed over what is there
/// then, so both requests' changes survive. On the same name the last writer wins, except with [`update`](Session::update).
///
/// ```
/// use cloakroom_core::{Config, Exchange, UnixTime};
///
/// let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
/// let mut session = exchange.session()?;
/// session.insert("theme", "dark")?;
/// let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
/// assert_eq!(visits, 1);
/// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub struct Session<'a> {
    config: &'a Config,
    opened: UnixTime,
    work: &'a mut Work,
}

impl<'a> Session<'a> {
    pub(crate) fn new(config: &'a Config, opened: UnixTime, work: &'a mut Work) -> Self {
        Self {
            config,
            opened,
            work,
        }
    }

    /// The value under this name.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is not a `T`.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
    /// assert_eq!(session.get::<String>("other")?, None);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match self.encoded(name) {
            Some(value) => values::decode(name, value).map(Some),
            None => Ok(None),
        }
    }

    /// Sets a value. To the value that is there already: no change.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`], [`Error::Encode`] if serde refuses the value, [`Error::TooLarge`] if the value alone is over the
    /// limit of the record (if the record as a whole is, committing says so).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("cart", ["tea", "milk"])?;
    /// assert!(session.insert("", 1).is_err());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn insert(&mut self, name: &str, value: impl Serialize) -> Result<(), Error> {
        check_name(name)?;
        let value = values::encode(&value, self.config.settings().limits)?;
        self.config.check_value(name, &value)?;
        self.set(name, Some(value));
        Ok(())
    }

    /// Removes a value; says whether it was there.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("cart", ["tea"])?;
    /// assert!(session.remove("cart"));
    /// assert!(!session.remove("cart"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn remove(&mut self, name: &str) -> bool {
        let there = self.encoded(name).is_some();
        self.set(name, None);
        there
    }

    /// Removes a value and returns it. Two requests at the same time may both get it: for a message, not for what must be used only once.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is not a `T`; then it stays.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("return_to", "/cart")?;
    /// assert_eq!(session.take::<String>("return_to")?.as_deref(), Some("/cart"));
    /// assert!(!session.contains("return_to"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let value = self.get(name)?;
        self.set(name, None);
        Ok(value)
    }

    /// Changes a value by a function of what is there, and returns the new value.
    ///
    /// If another request changed the session meanwhile, the function runs again over the value as it is then, so that
    /// n concurrent increments add n. What this call returned may then differ from what is saved.
    ///
    /// # Errors
    ///
    /// As [`get`](Session::get) and [`insert`](Session::insert).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// # let mut session = exchange.session()?;
    /// let cart = session.update("cart", |cart: Option<Vec<String>>| {
    ///     let mut cart = cart.unwrap_or_default();
    ///     cart.push("tea".into());
    ///     cart
    /// })?;
    /// assert_eq!(cart, ["tea"]);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn update<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        mut f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        check_name(name)?;
        let limits = self.config.settings().limits;
        let value = f(self.get(name)?);
        let encoded = values::encode(&value, limits)?;
        self.config.check_value(name, &encoded)?;
        let again = move |name: &str, value: Option<&[u8]>, limits| {
            let value = value.map(|value| values::decode(name, value)).transpose()?;
            values::encode(&f(value), limits).map(Some)
        };
        self.work
            .journal
            .update(name, Some(encoded), Box::new(again));
        Ok(value)
    }

    /// Whether there is a value under this name. Does not decode it.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// assert!(session.contains("theme"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.encoded(name).is_some()
    }

    /// The number of values (flash values not counted).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// assert_eq!(session.len(), 1);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys().count()
    }

    /// Whether there are no values (flash values not counted).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys().next().is_none()
    }

    /// The names of the values, in ascending order.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("b", 1)?;
    /// session.insert("a", 2)?;
    /// assert_eq!(session.keys().collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let names = self
            .values()
            .map(|(name, _)| name)
            .filter(|name| !is_hidden(name));
        names.filter_map(|name| std::str::from_utf8(name).ok())
    }

    /// Removes all values, also those that other requests add until this one is saved (if there is something to remove). The
    /// session itself stays: its token, its times, its subject.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// session.clear();
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn clear(&mut self) {
        let work = &mut *self.work;
        let base = work
            .base
            .as_ref()
            .filter(|_| !work.destroyed)
            .map(|base| &base.record);
        work.journal.clear(base);
    }

    /// Whether the client presented no living session (or this request destroyed it).
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
        self.work.record().is_none()
    }

    /// Whether this request changed something.
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
        self.work.is_modified()
    }

    /// A name for this session that can be shown and logged: it leads neither to the token nor to the record. `None` for a
    /// new session (and for one in a cookie that has no room for it). It changes with each rotation (in a cookie: with each sign-in). A
    /// request whose token has been rotated away is told the name of the session that took its place: so it finds itself in a listing, and
    /// does not end itself where it ends all others.
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
        let base = self.work.base.as_ref().filter(|_| !self.work.destroyed)?;
        public_name(self.config, base.chain.last().unwrap_or(&base.key), base)
    }

    /// Whom the session belongs to.
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
        match (&self.work.journal.subject, &self.work.issue) {
            (Some(subject), _) => subject.as_deref(),
            (None, Issue::SignIn(subject)) => Some(subject),
            (None, _) => self.work.record()?.subject(),
        }
    }

    /// When the session was created, or signed in last: what the absolute timeout counts from.
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
        match (&self.work.issue, self.work.record()) {
            (Issue::No | Issue::Rotate, Some(record)) => record.created,
            _ => self.opened,
        }
    }

    /// When the subject signed in, so that a step-up can be asked for (OWASP ASVS 5.0, 7.5.1).
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
        match self.work.issue {
            Issue::SignIn(_) => Some(self.opened),
            _ => self.work.record()?.authenticated,
        }
    }

    /// When the session ends if no further request comes.
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
        match (&self.work.base, self.work.is_modified()) {
            (Some(base), false) => base.record.stored.expires_at,
            _ => {
                let stored = self.work.carried().and_then(|record| record.expiry);
                let expiry = self.work.journal.expiry.unwrap_or(stored);
                self.config
                    .lifetime(expiry)
                    .expires_at(self.created_at(), self.opened)
            }
        }
    }

    /// Gives the session to a subject, after its credentials have been checked: a new token that reaches the new privilege;
    /// the old one reads the old data for the grace and is dead then (OWASP ASVS 5.0, 7.2.4). Sets the time of
    /// sign-in, starts the absolute timeout anew, changes the CSRF token. Values are kept, unless the session belongs to
    /// another subject.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSubject`]; an error of an update that has to run again without the other subject's values.
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
        let work = &mut *self.work;
        let anothers = work
            .record()
            .and_then(|record| record.subject())
            .is_some_and(|owner| owner != subject);
        if anothers {
            work.journal.forget_base();
            work.journal.replay(None, self.config.settings().limits)?;
        }
        work.issue = Issue::SignIn(subject.into());
        work.journal.subject = None;
        work.seed = None;
        Ok(())
    }

    /// The same as [`destroy`](Session::destroy), under the name that goes with [`sign_in`](Session::sign_in).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.sign_in("ada")?;
    /// session.sign_out();
    /// assert_eq!(session.subject(), None);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn sign_out(&mut self) {
        self.destroy();
    }

    /// Ends the session: its record is deleted, and nothing that is in flight brings it back. What is inserted afterwards in
    /// the same request belongs to a new session with a new token.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// session.destroy();
    /// assert!(session.is_new() && session.is_empty());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn destroy(&mut self) {
        self.work.forget_changes();
        self.work.destroyed = true;
    }

    /// A new token for the same session; the old one reads the old data for the grace. Nothing happens where there is no
    /// session, or where the token presented has been rotated already.
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
        if self.work.issue == Issue::No {
            self.work.issue = Issue::Rotate;
        }
    }

    /// Changes whom the session belongs to, without a new token: for bookkeeping. To sign somebody in use
    /// [`sign_in`](Session::sign_in).
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
            self.work.journal.subject = Some(subject.map(Box::from));
        }
        Ok(())
    }

    /// Gives this session a lifetime of its own, for all its further requests; `None` as configured.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// use cloakroom_core::Expiry;
    /// use std::time::Duration;
    ///
    /// session.set_expiry(Expiry::new().idle(Duration::from_secs(60)));
    /// assert_eq!(session.expires_at(), UnixTime::from_secs(160));
    /// session.set_expiry(None);
    /// assert_eq!(session.expires_at(), UnixTime::from_secs(100 + 1_800));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn set_expiry(&mut self, expiry: impl Into<Option<Expiry>>) {
        let (expiry, journal) = (expiry.into(), self.work.journal.expiry);
        let known = journal.unwrap_or_else(|| self.work.record().and_then(|record| record.expiry));
        // As configured already: that alone creates no session.
        if expiry.is_some() || known.is_some() {
            self.work.journal.expiry = Some(expiry);
        }
    }

    /// Leaves a value for the next request that asks for flash values, and for that one only: a message after a redirect.
    ///
    /// # Errors
    ///
    /// As [`insert`](Session::insert).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.flash("notice", "Saved.")?;
    /// assert_eq!(session.flashed::<String>("notice")?, None); // not yet: for the next request
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn flash(&mut self, name: &str, value: impl Serialize) -> Result<(), Error> {
        check_name(name)?;
        let value = values::encode(&value, self.config.settings().limits)?;
        let name = flash_name(name);
        self.config.check_value(&name, &value)?;
        self.set(&name, Some(value));
        Ok(())
    }

    /// The value that an earlier request left with [`flash`](Session::flash). Asking for one ends all that were there: later
    /// requests do not see them, this one can ask again.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is not a `T`.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// if let Some(notice) = session.flashed::<String>("notice")? {
    ///     // show it
    /// #   let _ = notice;
    /// }
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn flashed<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let Some(record) = self
            .work
            .base
            .as_ref()
            .filter(|_| !self.work.destroyed)
            .map(|base| &base.record)
        else {
            return Ok(None);
        };
        for (flash, seen) in record
            .values()
            .filter(|(name, _)| name.starts_with(FLASH.as_bytes()))
        {
            let Ok(flash) = std::str::from_utf8(flash) else {
                continue;
            };
            if !self.work.journal.has(flash) {
                // What another request leaves under the same name meanwhile is not what was seen here: it stays.
                let seen = Encoded::from_slice(seen);
                let end = move |_: &str, now: Option<&[u8]>, _| {
                    Ok(now.filter(|now| *now != &seen[..]).map(Encoded::from_slice))
                };
                self.work.journal.update(flash, None, Box::new(end));
            }
        }
        // After `clear`, or a sign-in of somebody else, they are not this session's any more.
        let record = self.work.journal.base(Some(record));
        let value = record.and_then(|record| record.value(&flash_name(name)));
        value.map(|value| values::decode(name, value)).transpose()
    }

    /// The whole session as one struct (or map): each field is the value under its name. Names that `T` does not know are
    /// ignored; give fields that may be missing `#[serde(default)]`.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the values do not make a `T`.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(default)]
    /// #[derive(Default)]
    /// struct Shop {
    ///     visits: u64,
    /// }
    ///
    /// session.insert("visits", 3)?;
    /// assert_eq!(session.typed::<Shop>()?.visits, 3);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let values = self.values().filter(|(name, _)| !is_hidden(name));
        values::decode_all(values)
    }

    /// Changes the session as one struct: of its fields only those that the function changed are written, so that other
    /// requests' changes of the others survive.
    ///
    /// # Errors
    ///
    /// As [`typed`](Session::typed) and [`insert`](Session::insert); [`Error::Encode`] if `T` is no struct or map.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Shop {
    ///     visits: u64,
    ///     cart: Vec<String>,
    /// }
    ///
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// # let mut session = exchange.session()?;
    /// session.update_typed(|shop: &mut Shop| shop.cart.push("tea".into()))?;
    /// assert_eq!(session.typed::<Shop>()?.cart, ["tea"]);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn update_typed<T: Serialize + DeserializeOwned>(
        &mut self,
        f: impl FnOnce(&mut T),
    ) -> Result<(), Error> {
        let limits = self.config.settings().limits;
        let mut value: T = self.typed()?;
        let before = values::encode_all(&value, limits)?;
        f(&mut value);
        let after = values::encode_all(&value, limits)?;
        for (name, value) in &after {
            check_name(name)?;
            self.config.check_value(name, value)?;
        }
        for (name, _) in before
            .iter()
            .filter(|(name, _)| after.iter().all(|(kept, _)| kept != name))
        {
            self.set(name, None);
        }
        for (name, value) in after {
            if before
                .iter()
                .all(|(known, old)| *known != name || *old != value)
            {
                self.set(&name, Some(value));
            }
        }
        Ok(())
    }

    /// A token for this session's forms, against cross-site request forgery (OWASP ASVS 5.0, 3.5.1). Works in the request that
    /// creates the session already; signing in changes it. Each call's text is different (masked, against BREACH), all are
    /// valid.
    ///
    /// `entropy` is fresh randomness. Asking for the token of a new session creates the session; of an existing one changes
    /// nothing.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// # let mut session = exchange.session()?;
    /// let token = session.csrf_token([7; 32]);
    /// assert!(session.verify_csrf(&token));
    /// assert!(!session.verify_csrf("forged"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn csrf_token(&mut self, entropy: [u8; 32]) -> String {
        let (mut mask, mut fresh) = (Seed::default(), Seed::default());
        for ((byte, mask), fresh) in entropy.chunks_exact(2).zip(&mut mask).zip(&mut fresh) {
            (*mask, *fresh) = (byte[0], byte[1]);
        }
        let seed = match self.seed() {
            Some(seed) => seed,
            None => *self.work.seed.insert(fresh),
        };
        let mut token = [0; 32];
        for (n, (mask, seed)) in mask.iter().zip(seed).enumerate() {
            (token[n], token[n + 16]) = (*mask, mask ^ seed);
        }
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Whether a form carries a token of this session. Compares in constant time.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// let token = session.csrf_token([7; 32]);
    /// assert!(session.verify_csrf(&token));
    /// assert!(!session.verify_csrf(""));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn verify_csrf(&self, token: &str) -> bool {
        let mut bytes = [0; 32];
        let decoded = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes);
        let (Some(seed), Ok(32)) = (self.seed(), decoded) else {
            return false;
        };
        let mut shown = Seed::default();
        for (n, shown) in shown.iter_mut().enumerate() {
            *shown = bytes[n] ^ bytes[n + 16];
        }
        shown.ct_eq(&seed).into()
    }

    fn seed(&self) -> Option<Seed> {
        let stays = !matches!(self.work.issue, Issue::SignIn(_));
        self.work
            .seed
            .or_else(|| self.work.record().filter(|_| stays).and_then(Record::seed))
    }

    fn encoded(&self, name: &str) -> Option<&[u8]> {
        self.work.journal.value(self.work.record(), name)
    }

    fn values(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.work.journal.values(self.work.record())
    }

    fn set(&mut self, name: &str, value: Option<Encoded>) {
        let work = &mut *self.work;
        let base = work
            .base
            .as_ref()
            .filter(|_| !work.destroyed)
            .map(|base| &base.record);
        work.journal.set(base, name, value);
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("is_new", &self.is_new())
            .finish_non_exhaustive()
    }
}

/// Names that no handler can give: flash values, and what a format keeps for itself.
fn is_hidden(name: &[u8]) -> bool {
    name.first().is_some_and(|first| *first < b' ')
}

fn flash_name(name: &str) -> String {
    format!("{FLASH}{name}")
}

/// Of the record under this key.
pub(crate) fn public_name(config: &Config, key: &Key, base: &Base) -> Option<String> {
    let seed = base.record.seed();
    let secret = match &config.settings().envelope {
        None => key.as_bytes(),
        Some(_) => seed.as_ref()?,
    };
    let digest = Sha256::new()
        .chain_update(b"cloakroom session id\0")
        .chain_update(secret)
        .finalize();
    Some(URL_SAFE_NO_PAD.encode(digest.get(..12)?))
}

fn check_subject(subject: &str) -> Result<(), Error> {
    let valid = !subject.is_empty()
        && subject.len() <= MAX_SUBJECT
        && !subject.chars().any(char::is_control);
    if valid {
        Ok(())
    } else {
        Err(Error::InvalidSubject)
    }
}
