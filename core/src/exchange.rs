use smallvec::SmallVec;
use std::fmt;

use crate::envelope::{self, Sealed};
use crate::journal::Journal;
use crate::machine::Machine;
use crate::record::{Record, Seed};
use crate::session::public_name;
use crate::{Config, Error, Key, Session, Token, UnixTime};

/// One request (or message) and its session.
///
/// - **Open** it with what the client presented: [`open`](Exchange::open).
/// - **Ask** what it wants to have loaded, load that, and answer: [`wants_load`](Exchange::wants_load),
///   [`handle_loaded`](Exchange::handle_loaded), until nothing is wanted. Only if the handler wants the session: an exchange
///   that nobody touches costs nothing.
/// - **Change** the session: [`session`](Exchange::session), as often as needed.
/// - **Finish** when the handler has answered: [`finish`](Exchange::finish) turns it into a [`Commit`](crate::Commit), to be carried out
///   before the response head leaves. Dropping an exchange instead changes nothing.
///
/// `open`, `wants_load` and `finish` never fail, whatever a client presents.
///
/// ```
/// use cloakroom_core::{Commit, Config, Exchange, Fate, UnixTime};
///
/// let config = Config::default();
/// let mut exchange = Exchange::open(&config, [&b"not a token"[..]], UnixTime::from_secs(100));
/// assert!(exchange.wants_load().is_none());
/// assert!(exchange.session()?.get::<u32>("visits")?.is_none());
/// let Commit::Done(outcome) = exchange.finish(UnixTime::from_secs(101)) else { panic!() };
/// assert_eq!(outcome.fate, Fate::Unchanged);
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub struct Exchange(pub(crate) Box<Machine>);

/// More distinct tokens than this under one name: none is trusted, and nothing is loaded.
const MAX_CANDIDATES: usize = 4;
/// The same for well-formed ones, be they forged or repeated: each is hashed.
const MAX_HASHED: usize = 16;

pub(crate) type Candidates = SmallVec<[Candidate; 1]>;

/// What a token presented leads to.
pub(crate) struct Candidate {
    pub(crate) key: Key,
    /// The token itself, if it may have to be sent again.
    pub(crate) token: Option<Box<Token>>,
}

pub(crate) enum Loading {
    /// The next candidate is wanted, if there is one.
    Next,
    /// The record of the candidate is a retired one: its chain of successors must have a living end.
    Following(Box<Base>),
    /// The session itself, as the client keeps it.
    Sealed(Sealed),
    /// A record could not be read.
    Failed(Error),
}

/// What a request is about to do, and to what.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) base: Option<Box<Base>>,
    /// The records of several distinct living tokens: none of them is the session, but a sign-out ends them all.
    pub(crate) untrusted: Vec<Base>,
    pub(crate) journal: Journal,
    /// The base is to be destroyed; what the journal says belongs to a session that comes after it.
    pub(crate) destroyed: bool,
    pub(crate) issue: Issue,
    /// The seed of the session that will be created, if somebody asked for its CSRF token already.
    pub(crate) seed: Option<Seed>,
}

/// A record as it was loaded.
pub(crate) struct Base {
    pub(crate) key: Key,
    pub(crate) record: Record,
    /// For a retired record: its successors, the living one last.
    pub(crate) chain: Vec<Key>,
}

#[derive(Default, PartialEq, Eq)]
pub(crate) enum Issue {
    #[default]
    No,
    Rotate,
    SignIn(Box<str>),
}

impl Exchange {
    /// Opens an exchange with the tokens that a client presented: under one cookie name there may be several.
    ///
    /// Anything may be presented. What is not a well-formed token of this configuration is passed over; of several distinct
    /// living ones none is trusted (a sign-out ends them all). Hashes the well-formed ones (16 at most). One allocation.
    ///
    /// ```
    /// use cloakroom_core::{Config, Exchange, UnixTime};
    ///
    /// let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    /// let exchange = Exchange::open(&Config::default(), [token.as_bytes()], UnixTime::from_secs(0));
    /// assert_eq!(exchange.wants_load().unwrap().as_str().len(), "session:".len() + 43);
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

    /// An exchange on a record whose key is known, as a directory lists it: to look at somebody's other sessions, or to
    /// revoke one (`session()?.destroy()`). Nothing is wanted if the key is none of this configuration (its prefix is another one): two
    /// cookies whose sessions are in one store do not see each other's.
    ///
    /// ```
    /// use cloakroom_core::{Config, Exchange, Key, UnixTime};
    ///
    /// let key = Key::new("session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").unwrap();
    /// let exchange = Exchange::open_key(&Config::default(), key.clone(), UnixTime::from_secs(0));
    /// assert_eq!(exchange.wants_load(), Some(&key));
    /// ```
    #[must_use]
    pub fn open_key(config: &Config, key: Key, now: UnixTime) -> Self {
        let mut machine = Box::new(Machine::open(config, now));
        if config.settings().tokens.made(&key) {
            machine.candidates.push(Candidate { key, token: None });
        }
        Self(machine)
    }

    /// The key whose record is wanted next, until the session can be used. Can be asked twice. At most one load for a usual request; one more for each rotation that a retired token is behind, and for each
    /// further token presented.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// assert!(Exchange::open(&Config::default(), [], UnixTime::from_secs(0)).wants_load().is_none());
    /// ```
    #[must_use]
    pub fn wants_load(&self) -> Option<&Key> {
        self.0.wants_load()
    }

    /// The session, once loaded. From here on the exchange counts as accessed (`Vary: Cookie`).
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`] while something is wanted; the error of [`handle_loaded`](Exchange::handle_loaded), if that failed.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.insert("cart", ["tea"])?;
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn session(&mut self) -> Result<Session<'_>, Error> {
        self.0.session()
    }

    /// Whom this request signs in, if it does: for those who limit sign-ins.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.sign_in("ada")?;
    /// assert_eq!(exchange.signs_in(), Some("ada"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn signs_in(&self) -> Option<&str> {
        match &self.0.work.issue {
            Issue::SignIn(subject) => Some(subject),
            Issue::No | Issue::Rotate => None,
        }
    }

    /// The public name ([`Session::id`]) of the session that ends with this request's sign-in or sign-out, if there is one: for those
    /// who limit sign-ins. Where the token has been rotated away a sign-in alone ends none: it makes one session more.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.sign_in("ada")?;
    /// assert_eq!(exchange.replaces(), None); // there was none
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn replaces(&self) -> Option<String> {
        let work = &self.0.work;
        let ends = work.destroyed || work.issue != Issue::No;
        let base = work.base.as_ref().filter(|_| ends)?;
        let key = match base.chain.last() {
            None => &base.key,
            Some(successor) if work.destroyed => successor,
            Some(_) => return None,
        };
        public_name(&self.0.config, key, base)
    }

    /// Forgets every change, sign-in and sign-out so far, as if the handler had only read. For a handler that failed.
    ///
    /// ```
    /// # use cloakroom_core::{Commit, Config, Exchange, UnixTime};
    /// let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    /// exchange.session()?.insert("half", "done")?;
    /// exchange.discard_changes();
    /// assert!(matches!(exchange.finish(UnixTime::from_secs(0)), Commit::Done(_)));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn discard_changes(&mut self) {
        self.0.work.forget_changes();
    }
}

impl Machine {
    fn present<'t>(&mut self, presented: impl IntoIterator<Item = &'t [u8]>) {
        let settings = self.config.settings();
        if settings.envelope.is_some() {
            let (any, sealed) = envelope::presented(presented);
            self.presented = any;
            self.loading = Loading::Sealed(sealed);
            return;
        }
        let mut well_formed = 0;
        for bytes in presented {
            self.presented = true;
            if !settings.tokens.is_well_formed(bytes) {
                continue;
            }
            well_formed += 1;
            let known = |key: &Key| self.candidates.iter().any(|known| known.key == *key);
            if let Some(key) = settings.tokens.key(bytes).filter(|key| !known(key)) {
                let token = settings.renew_cookie.then(|| Box::new(Token::of(bytes)));
                self.candidates.push(Candidate { key, token });
            }
            if well_formed > MAX_HASHED || self.candidates.len() > MAX_CANDIDATES {
                self.candidates.clear();
                break;
            }
        }
    }

    pub(crate) fn wants_load(&self) -> Option<&Key> {
        match &self.loading {
            Loading::Next => self.candidates.get(self.at).map(|next| &next.key),
            Loading::Following(base) => base.chain.last(),
            Loading::Sealed(_) | Loading::Failed(_) => None,
        }
    }

    fn session(&mut self) -> Result<Session<'_>, Error> {
        if self.wants_load().is_some() {
            return Err(Error::NotLoaded);
        }
        if let Some(sealed) = self.take_sealed()
            && let Err(error) = self.unseal(&sealed)
        {
            self.loading = Loading::Failed(error);
        }
        if let Loading::Failed(error) = &self.loading {
            return Err(error.clone());
        }
        self.accessed = true;
        Ok(Session::new(&self.config, self.opened, &mut self.work))
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

impl Work {
    /// As it was loaded.
    pub(crate) fn forget_changes(&mut self) {
        self.journal = Journal::default();
        self.destroyed = false;
        self.issue = Issue::No;
        self.seed = None;
    }

    /// The record that the handler sees.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.base
            .as_ref()
            .filter(|_| !self.destroyed)
            .map(|base| &base.record)
    }

    /// The same, if this request leaves it to its owner.
    pub(crate) fn carried(&self) -> Option<&Record> {
        self.record().filter(|record| match &self.issue {
            Issue::SignIn(subject) => record.subject().is_none_or(|owner| owner == &**subject),
            Issue::No | Issue::Rotate => true,
        })
    }

    pub(crate) fn is_modified(&self) -> bool {
        self.destroyed || self.issue != Issue::No || !self.journal.is_empty() || self.seed.is_some()
    }

    /// Whether there is something to be created where there is no session.
    pub(crate) fn creates(&self) -> bool {
        matches!(self.issue, Issue::SignIn(_)) || !self.journal.is_empty() || self.seed.is_some()
    }
}
