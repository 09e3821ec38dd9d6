use std::fmt;

use crate::machine::Machine;
use crate::pending::{Candidate, TokenChange};
use crate::session::public_name;
use crate::{Claimed, Commit, Config, Error, Key, Outcome, Session, Stored, UnixTime};

/// One request (or message) and its session.
///
/// - **Open** it with what the client presented: [`open`](Exchange::open).
/// - **Load** the records: call [`wants_load`](Exchange::wants_load), load that key, and answer
///   with [`handle_loaded`](Exchange::handle_loaded), until it returns `None`. Load only if the
///   handler uses the session: an unused exchange costs no store call.
/// - **Change** the session: [`session`](Exchange::session), as often as needed.
/// - **Finish** when the handler has answered: [`finish`](Exchange::finish) turns it into a
///   [`Commit`](crate::Commit). Carry that out before the response head leaves. If you drop an
///   exchange instead, nothing changes.
///
/// `open`, `wants_load` and `finish` never fail, whatever a client presents.
///
/// ```
/// use cloakroom_core::{Commit, Config, Exchange, Fate, UnixTime};
///
/// let config = Config::default();
/// let mut exchange =
///     Exchange::open(&config, [&b"not a token"[..]], UnixTime::from_secs(100));
/// assert!(exchange.wants_load().is_none());
/// assert!(exchange.session()?.get::<u32>("visits")?.is_none());
/// let Commit::Done(outcome) = exchange.finish(UnixTime::from_secs(101)) else {
///     panic!()
/// };
/// assert_eq!(outcome.fate, Fate::Unchanged);
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub struct Exchange(pub(crate) Box<Machine>);

impl Exchange {
    /// Opens an exchange with the tokens that a client presented. One cookie name can bring
    /// several.
    ///
    /// The tokens may be any bytes. Skips what is not a well-formed token of this configuration,
    /// and hashes the well-formed ones. If several distinct living sessions remain, it trusts none,
    /// and a sign-in or sign-out ends them all. If there are more than 16 tokens, it uses none, and
    /// a sign-in or sign-out is [`Error::TooManyTokens`]. One allocation.
    ///
    /// ```
    /// use cloakroom_core::{Config, Exchange, UnixTime};
    ///
    /// let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    /// let exchange = Exchange::open(
    ///     &Config::default(),
    ///     [token.as_bytes()],
    ///     UnixTime::from_secs(0),
    /// );
    /// assert_eq!(
    ///     exchange.wants_load().unwrap().as_str().len(),
    ///     "__Host-session:".len() + 43
    /// );
    /// ```
    pub fn open<'t>(
        config: &Config,
        presented: impl IntoIterator<Item = &'t [u8]>,
        now: UnixTime,
    ) -> Self {
        let mut machine = Box::new(Machine::open(config, now));
        machine.present(presented);
        Self(machine)
    }

    /// Opens an exchange on a record whose key you have, for example from a directory's listing.
    /// Use it to inspect another session of a subject, or to revoke one (`session()?.sign_out()`).
    ///
    /// Loads nothing if the key has another configuration's prefix: two cookies with sessions in
    /// one store do not see each other's.
    ///
    /// ```
    /// use cloakroom_core::{Config, Exchange, Key, UnixTime};
    ///
    /// let key = "__Host-session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    /// let key = Key::new(key).unwrap();
    /// let exchange =
    ///     Exchange::open_key(&Config::default(), key.clone(), UnixTime::from_secs(0));
    /// assert_eq!(exchange.wants_load(), Some(&key));
    /// ```
    #[must_use]
    pub fn open_key(config: &Config, key: Key, now: UnixTime) -> Self {
        let mut machine = Box::new(Machine::open(config, now));
        machine.may_cross = true;
        if config.settings().tokens.made(&key) {
            machine.candidates.push(Candidate {
                key,
                token: None,
                opener: None,
            });
        }
        Self(machine)
    }

    /// Returns the key of the record to load next, until the session can be used. Calling it twice
    /// is fine. A usual request needs at most one load. Each rotation behind a retired token, and
    /// each further token presented, costs one more.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// assert!(
    ///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0))
    ///         .wants_load()
    ///         .is_none()
    /// );
    /// ```
    #[must_use]
    pub fn wants_load(&self) -> Option<&Key> {
        self.0.wants_load()
    }

    /// Returns the session, once loaded. From here on the exchange counts as accessed (`Vary:
    /// Cookie`).
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`] while a load is outstanding, and the error of
    /// [`handle_loaded`](Exchange::handle_loaded), if that failed.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let mut exchange =
    ///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.insert("cart", ["tea"])?;
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn session(&mut self) -> Result<Session<'_>, Error> {
        self.0.session()
    }

    /// Returns the subject that this request signs in, if it does, for a limit on sign-ins.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let mut exchange =
    ///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.sign_in("ada")?;
    /// assert_eq!(exchange.signs_in(), Some("ada"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn signs_in(&self) -> Option<&str> {
        match &self.0.pending.token_change {
            TokenChange::SignIn(subject) => Some(subject),
            TokenChange::No | TokenChange::Rotate => None,
        }
    }

    /// Returns the public name ([`Session::id`]) of the session that ends with this request's
    /// sign-in or sign-out, if there is one. Use it to limit sign-ins.
    ///
    /// With a token from before a sign-in, another sign-in ends no session: it adds one.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let mut exchange =
    ///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.sign_in("ada")?;
    /// assert_eq!(exchange.replaces(), None); // there was none
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn replaces(&self) -> Option<String> {
        let pending = &self.0.pending;
        let ends = pending.destroyed || pending.token_change != TokenChange::No;
        let base = pending.base.as_ref().filter(|_| ends)?;
        // A token from before a sign-in ends no other session.
        if !base.chain.is_empty() {
            return None;
        }
        public_name(&self.0.config, &base.key, base)
    }

    /// Answers [`wants_load`](Exchange::wants_load) with what the store found under `key`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::NewerRecord`] if the record cannot be read: the exchange then
    /// stays without a session, and leaves the record alone. [`Error::ProtocolMisuse`] if no load,
    /// or one of another key, was outstanding.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    /// # let config = Config::default();
    /// # let now = UnixTime::from_secs(0);
    /// # let mut exchange = Exchange::open(&config, [token.as_bytes()], now);
    /// while let Some(key) = exchange.wants_load() {
    ///     let key = key.clone();
    ///     let found = None; // store.load(&key).await?
    ///     exchange.handle_loaded(&key, found)?;
    /// }
    /// assert!(exchange.session()?.is_new());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn handle_loaded(&mut self, key: &Key, found: Option<Stored>) -> Result<(), Error> {
        self.0.handle_loaded(key, found)
    }

    /// Marks this exchange as a background job's, which is no use of the session. Its commit does
    /// not extend the idle timeout.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.in_background();
    /// ```
    pub fn in_background(&mut self) {
        self.0.background = true;
    }

    /// Marks the session of this exchange's sign-in until its token is presented, for a limit on
    /// sign-ins. Costs no store call.
    ///
    /// The record first gets three quarters of its idle timeout. The first request that presents
    /// the token gives it the rest, as any request may. See
    /// [`is_unpresented`](Exchange::is_unpresented).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.sign_in("ada")?;
    /// exchange.mark_unpresented();
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn mark_unpresented(&mut self) {
        self.0.unpresented = true;
    }

    /// Returns whether no client has presented the token of this session's sign-in.
    ///
    /// It is known only of a sign-in that [`mark_unpresented`](Exchange::mark_unpresented) marked,
    /// with an idle timeout of 4 s or more. Otherwise the result is `false`. Such a session may
    /// have no owner: the client disconnected before the response arrived.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// assert!(!exchange.is_unpresented());
    /// ```
    #[must_use]
    pub fn is_unpresented(&self) -> bool {
        let Some(record) = self.0.pending.record() else {
            return false;
        };
        let lifetime = self.0.config.lifetime(record.expiry);
        record.authenticated.is_some_and(|authenticated| {
            lifetime.is_unpresented(record.created, authenticated, record.stored.expires_at)
        })
    }

    /// Announces that the handler goes on after this exchange's commit, with
    /// [`resume`](Exchange::resume).
    ///
    /// # Errors
    ///
    /// [`Error::NeedsStore`] if the client keeps the session.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let mut exchange =
    ///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.will_resume()?;
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn will_resume(&mut self) -> Result<(), Error> {
        if self.0.config.settings().envelope.is_some() {
            return Err(Error::NeedsStore);
        }
        self.0.resumes = true;
        Ok(())
    }

    /// Opens the exchange with which a handler goes on after a commit that [was to be followed by
    /// one](Exchange::will_resume). It needs one load.
    ///
    /// That commit's directive has not been sent yet. If this exchange ends with
    /// [`Directive::Keep`](crate::Directive::Keep), send the earlier one.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, Outcome, UnixTime};
    /// fn go_on(config: &Config, outcome: &Outcome, now: UnixTime) -> Exchange {
    ///     Exchange::resume(config, outcome, now)
    /// }
    /// ```
    #[must_use]
    pub fn resume(config: &Config, outcome: &Outcome, now: UnixTime) -> Self {
        let mut machine = Box::new(Machine::open(config, now));
        (machine.presented, machine.accessed) = (true, true);
        machine.rotated_away = outcome.superseded;
        let place = outcome.place.as_deref().cloned();
        let candidate = place.map(|place| Candidate {
            key: place.key,
            token: None,
            opener: place.opener,
        });
        machine.candidates.extend(candidate);
        Self(machine)
    }

    /// Returns the commit that takes one value out of the stored session now, while the handler
    /// runs. Returns `None` if the session has no such value.
    ///
    /// Of any number of concurrent claims exactly one gets the value: only its outcome has
    /// [`claimed`](crate::Outcome::claimed). If an answer is lost, the machine reloads the record.
    /// If that does not settle it, the claim fails with [`Error::UnknownOutcome`], and no request
    /// gets the value. The commit takes only the value: this exchange's other changes stay pending.
    /// One store call, and more after conflicts.
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`] while a load is outstanding. [`Error::NeedsStore`] if the client keeps
    /// the session.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let now = UnixTime::from_secs(0);
    /// let exchange = Exchange::open(&Config::default(), [], now);
    /// assert!(exchange.claim("state", now)?.is_none()); // there is no session
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn claim(&self, name: &str, now: UnixTime) -> Result<Option<Commit>, Error> {
        if self.wants_load().is_some() {
            return Err(Error::NotLoaded);
        }
        self.0.claim(name, now)
    }

    /// Continues after a claim, with the record that is now under [`Claimed::key`], so that the
    /// handler no longer sees the value. Updates run again over that record.
    ///
    /// ```
    /// # use cloakroom_core::{Claimed, Exchange, Stored};
    /// fn go_on(exchange: &mut Exchange, claimed: &Claimed, found: Option<Stored>) {
    ///     exchange.after_claim(claimed, found); // store.load(claimed.key()).await?
    /// }
    /// ```
    pub fn after_claim(&mut self, claimed: &Claimed, found: Option<Stored>) {
        self.0.after_claim(claimed, found);
    }

    /// Returns whether the client presented something, and nothing of it is of this configuration:
    /// in another form, or signed or sealed with other keys. Returns `None` if it presented
    /// nothing, and for a session in the cookie that no handler has asked for.
    ///
    /// If that is so for every client, the keys or the cookie's name are most likely wrong. A
    /// driver reports it.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let open =
    ///     |token| Exchange::open(&Config::default(), token, UnixTime::from_secs(0));
    /// assert_eq!(open(None).is_foreign(), None);
    /// assert_eq!(open(Some(&b"another system's"[..])).is_foreign(), Some(true));
    /// ```
    #[must_use]
    pub fn is_foreign(&self) -> Option<bool> {
        self.0.is_foreign()
    }

    /// Turns the exchange into the commit of its changes, once the handler has answered. `now` is
    /// the time of this call.
    ///
    /// Store calls:
    ///
    /// - None if nothing changed. After a tenth of the idle timeout one `touch`, and one more load
    ///   if that renews the cookie.
    /// - One to create or to save.
    /// - Two for a rotation or sign-in.
    /// - One for a sign-out.
    ///
    /// Conflicts and lost answers cost more.
    ///
    /// ```
    /// # use cloakroom_core::{Commit, Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.insert("theme", "dark")?;
    /// assert!(matches!(exchange.finish(UnixTime::from_secs(1)), Commit::Mint(_)));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn finish(self, now: UnixTime) -> Commit {
        if let Some(outcome) = self.settled(now) {
            return Commit::Done(outcome);
        }
        let mut machine = self.0;
        machine.now = now;
        machine.start()
    }

    /// Returns the outcome of [`finish`](Exchange::finish) if there is nothing to do, as after most
    /// requests. Returns `None` otherwise.
    ///
    /// For drivers that keep the exchange in place until then: dropping it instead of finishing it
    /// changes nothing.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, Fate, UnixTime};
    /// let mut exchange =
    ///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// assert_eq!(
    ///     exchange.settled(UnixTime::from_secs(1)).unwrap().fate,
    ///     Fate::Unchanged
    /// );
    /// exchange.session()?.insert("theme", "dark")?;
    /// assert!(exchange.settled(UnixTime::from_secs(1)).is_none());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn settled(&self, now: UnixTime) -> Option<Outcome> {
        self.0.settled(now)
    }

    /// Drops every change, sign-in and sign-out so far, as if the handler had only read. Use it
    /// when a handler failed.
    ///
    /// ```
    /// # use cloakroom_core::{Commit, Config, Exchange, UnixTime};
    /// let mut exchange =
    ///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.insert("half", "done")?;
    /// exchange.discard_changes();
    /// assert!(matches!(
    ///     exchange.finish(UnixTime::from_secs(0)),
    ///     Commit::Done(_)
    /// ));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn discard_changes(&mut self) {
        self.0.pending.forget_changes();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("opened", &self.0.opened)
            .field("accessed", &self.0.accessed)
            .finish_non_exhaustive()
    }
}
