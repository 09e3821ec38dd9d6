use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use cloakroom_core::http::tokens_of_line;
use cloakroom_core::{
    Config, Error as SessionError, Exchange, Expiry, Key, Outcome, Session as CoreSession, Stored,
    UnixTime,
};
use cloakroom_store::Store;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use crate::drive::{commit_span, load_key, load_span};
use crate::sessions::Inner;
use crate::slot::{Phase, Slot};
use crate::{Error, Sessions};

/// A handle on one exchange's session, shared by a handler and the adapter that commits it.
///
/// After [`load`](Session::load) (extractors do it) everything is synchronous. Once the adapter has taken the exchange to commit it, every
/// call answers [`Closed`](cloakroom_core::Error::Closed): a change that could not be saved any more is never silently lost.
///
/// Cloning costs one reference count; all clones are the same session. `K` is any type that tells apart the independent
/// sessions (cookies) of one application.
///
/// What is loaded and what each method means is in [`cloakroom_core::Session`]; each has the errors named there, and `Closed`.
///
/// ```
/// use cloakroom::{Session, Sessions};
/// use cloakroom_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom::Error> {
/// let session: Session = Sessions::new(MemoryStore::new()).session([]);
/// session.load().await?;
/// session.insert("theme", "dark")?;
/// let cloakroom::Committing::Pending(commit) = session.commit(true) else { panic!() };
/// commit.await?;
/// assert!(session.get::<String>("theme").is_err(), "closed");
/// # Ok(())
/// # }
/// ```
pub struct Session<K = ()> {
    slot: Slot,
    backend: Arc<dyn Backend>,
    kind: PhantomData<fn() -> K>,
}

/// `Sessions` without the store's type.
pub(crate) trait Backend: Send + Sync {
    fn open(&self, cookies: &[HeaderValue]) -> Exchange;
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>>;
    /// What has come of the exchange, if there is nothing to be done.
    fn settled(&self, exchange: &Exchange) -> Option<Outcome>;
    fn commit(self: Arc<Self>, exchange: Exchange) -> Committing;
    fn config(&self) -> &Config;
    fn entropy(&self) -> Result<[u8; 32], Error>;
    /// Says that the session could not be loaded.
    fn failed(&self, error: &Error);
}

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

impl<S: Store> Backend for Inner<S> {
    fn open(&self, cookies: &[HeaderValue]) -> Exchange {
        let now = self.now();
        match cookies {
            [line] => Exchange::open(&self.config, tokens_of_line(&self.config, line), now),
            lines => {
                let tokens = lines
                    .iter()
                    .flat_map(|line| tokens_of_line(&self.config, line));
                Exchange::open(&self.config, tokens, now)
            }
        }
    }

    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        let span = load_span();
        match span.is_disabled() {
            true => Box::pin(load_key(self, key)),
            false => Box::pin(load_key(self, key).instrument(span)),
        }
    }

    fn settled(&self, exchange: &Exchange) -> Option<Outcome> {
        let outcome = exchange.settled(self.now())?;
        self.observer.finished(&outcome, 0);
        Some(outcome)
    }

    fn commit(self: Arc<Self>, exchange: Exchange) -> Committing {
        let sessions = Sessions(self);
        if sessions.limits(&exchange) {
            return Committing::Pending(Box::pin(async move { sessions.commit(exchange).await }));
        }
        let commit = exchange.finish(sessions.now());
        let span = commit_span();
        Committing::Pending(match span.is_disabled() {
            true => Box::pin(sessions.drive(commit)),
            false => Box::pin(sessions.drive(commit).instrument(span)),
        })
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn entropy(&self) -> Result<[u8; 32], Error> {
        self.random()
    }

    fn failed(&self, error: &Error) {
        self.observer.failed(error);
    }
}

/// What an adapter gets from [`Session::commit`].
///
/// [`outcome`](Committing::outcome) is enough, if the adapter's hook is asynchronous; the variants are for those that would not have
/// a future where there is nothing to wait for.
///
/// ```
/// use cloakroom::{Committing, Outcome, Session};
///
/// fn at_once(session: &Session) -> Option<Outcome> {
///     match session.commit(true) {
///         Committing::Done(outcome) => Some(outcome),
///         Committing::Untouched | Committing::Pending(_) => None,
///     }
/// }
/// ```
pub enum Committing {
    /// Nobody asked for the session: there is nothing to commit and nothing to tell the client.
    Untouched,
    /// It was only read, or it could not be loaded. No store call was needed.
    Done(Outcome),
    /// There are store calls to make.
    Pending(Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>),
}

impl Committing {
    /// Makes the store calls, if there are any, and says what to tell the client: nothing, if nobody asked for the session.
    ///
    /// # Errors
    ///
    /// As [`Sessions::commit`].
    ///
    /// ```
    /// # use cloakroom::{Error, Session, http};
    /// async fn answer(session: &Session, response: &mut ::http::HeaderMap) -> Result<(), Error> {
    ///     let outcome = session.commit(true).outcome().await?;
    ///     http::apply(session.config(), &outcome, response);
    ///     Ok(())
    /// }
    /// ```
    pub async fn outcome(self) -> Result<Outcome, Error> {
        match self {
            Self::Untouched => Ok(Outcome::default()),
            Self::Done(outcome) => Ok(outcome),
            Self::Pending(commit) => commit.await,
        }
    }
}

impl<K> Session<K> {
    pub(crate) fn new<S: Store>(exchange: Exchange, sessions: Arc<Inner<S>>) -> Self {
        Self::from_slot(Slot::of_exchange(exchange), sessions)
    }

    pub(crate) fn of_request<S: Store>(request: &HeaderMap, sessions: Arc<Inner<S>>) -> Self {
        let cookies = request.get_all(COOKIE).iter().cloned().collect();
        Self::from_slot(Slot::of_request(cookies), sessions)
    }

    fn from_slot(slot: Slot, backend: Arc<dyn Backend>) -> Self {
        Self {
            slot,
            backend,
            kind: PhantomData,
        }
    }

    /// Loads what is to be loaded, once; further calls cost nothing. Store calls as [`Sessions::load`].
    ///
    /// # Errors
    ///
    /// As [`Sessions::load`], and `Closed`.
    ///
    /// ```
    /// # use cloakroom::{Error, Session};
    /// async fn visits(session: &Session) -> Result<u64, Error> {
    ///     session.load().await?;
    ///     Ok(session.get("visits")?.unwrap_or(0))
    /// }
    /// ```
    pub async fn load(&self) -> Result<(), Error> {
        while let Some(key) = self.wanted()? {
            let found = self.backend.load(&key).await;
            let loaded = found.and_then(|found| {
                let mut state = self.slot.lock();
                let exchange = state.exchange(&*self.backend)?;
                // A clone may have loaded it in the meantime.
                if exchange.wants_load() == Some(&key) {
                    exchange.handle_loaded(&key, found)?;
                }
                Ok(())
            });
            if let Err(error) = loaded {
                self.backend.failed(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// What is to be loaded next. Where nothing is, the session counts as accessed.
    fn wanted(&self) -> Result<Option<Key>, Error> {
        let mut state = self.slot.lock();
        let exchange = state.exchange(&*self.backend)?;
        let wanted = exchange.wants_load().cloned();
        if wanted.is_none() {
            exchange.session()?;
        }
        Ok(wanted)
    }

    /// Takes the exchange to be committed: for adapters. From here on the session is closed. With `keep_changes` false
    /// everything that the handler changed is dropped.
    ///
    /// ```
    /// use cloakroom::{Committing, Session, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// let session: Session = Sessions::new(MemoryStore::new()).session([]);
    /// assert!(matches!(session.commit(true), Committing::Untouched));
    /// ```
    pub fn commit(&self, keep_changes: bool) -> Committing {
        let mut state = self.slot.lock();
        let phase = std::mem::replace(&mut state.phase, Phase::Closed);
        if phase != Phase::Touched {
            state.exchange = None;
            return Committing::Untouched;
        }
        let Some(exchange) = &mut state.exchange else {
            return Committing::Untouched;
        };
        if !keep_changes {
            exchange.discard_changes();
        }
        if let Some(mut outcome) = self.backend.settled(exchange) {
            state.exchange = None;
            outcome.accessed = true;
            return Committing::Done(outcome);
        }
        match state.exchange.take() {
            Some(mut exchange) => {
                // Whoever has asked for it depends on it, also without having looked at it: `Vary`.
                let _ = exchange.session();
                self.backend.clone().commit(exchange)
            }
            None => Committing::Untouched,
        }
    }

    /// Drops all that has been changed so far, and goes on with the session as it was loaded: for what is tried and fails in a
    /// request that goes on.
    ///
    /// # Errors
    ///
    /// `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.sign_in("ada")?;
    /// session.discard_changes()?;
    /// assert_eq!(session.is_modified()?, false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn discard_changes(&self) -> Result<(), SessionError> {
        let mut state = self.slot.try_lock()?;
        if state.phase == Phase::Closed {
            return Err(SessionError::Closed);
        }
        // Nobody has asked for it, where there is none: that stays so.
        if let Some(exchange) = &mut state.exchange {
            exchange.discard_changes();
        }
        Ok(())
    }

    /// The configuration.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// fn cookie(session: &Session) -> &str {
    ///     session.config().cookie_name()
    /// }
    /// ```
    #[must_use]
    pub fn config(&self) -> &Config {
        self.backend.config()
    }

    fn read<R>(&self, f: impl FnOnce(&mut CoreSession<'_>) -> R) -> Result<R, SessionError> {
        let mut state = self.slot.try_lock()?;
        Ok(f(&mut state.exchange(&*self.backend)?.session()?))
    }

    /// The same, where a function of the application's runs, which may try to use this session.
    fn update_within<R>(
        &self,
        f: impl FnOnce(&mut CoreSession<'_>) -> R,
    ) -> Result<R, SessionError> {
        self.read(|session| {
            let _updating = self.slot.updating();
            f(session)
        })
    }
}

impl<K> Session<K> {
    /// The value under this name. See [`cloakroom_core::Session::get`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let theme: Option<String> = session.get("theme")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        self.read(|session| session.get(name))?
    }

    /// Sets a value. See [`cloakroom_core::Session::insert`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.insert("theme", "dark")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert(&self, name: &str, value: impl Serialize) -> Result<(), SessionError> {
        self.read(|session| session.insert(name, value))?
    }

    /// Removes a value; says whether it was there. See [`cloakroom_core::Session::remove`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let was_there = session.remove("theme")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove(&self, name: &str) -> Result<bool, SessionError> {
        self.read(|session| session.remove(name))
    }

    /// Removes a value and returns it. See [`cloakroom_core::Session::take`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let draft: Option<String> = session.take("draft")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn take<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        self.read(|session| session.take(name))?
    }

    /// Whether there is a value under this name. See [`cloakroom_core::Session::contains`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let chosen = session.contains("theme")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn contains(&self, name: &str) -> Result<bool, SessionError> {
        self.read(|session| session.contains(name))
    }

    /// The number of values. See [`cloakroom_core::Session::len`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let values = session.len()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn len(&self) -> Result<usize, SessionError> {
        self.read(|session| session.len())
    }

    /// Whether there are no values. See [`cloakroom_core::Session::is_empty`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let nothing = session.is_empty()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_empty(&self) -> Result<bool, SessionError> {
        self.read(|session| session.is_empty())
    }

    /// The names of the values, in ascending order. See [`cloakroom_core::Session::keys`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let names = session.keys()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn keys(&self) -> Result<Vec<String>, SessionError> {
        self.read(|session| session.keys().map(str::to_owned).collect())
    }

    /// Removes all values; token, times and subject stay. See [`cloakroom_core::Session::clear`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.clear()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&self) -> Result<(), SessionError> {
        self.read(|session| {
            session.clear();
        })
    }

    /// Whether the client presented no living session. See [`cloakroom_core::Session::is_new`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let first_visit = session.is_new()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_new(&self) -> Result<bool, SessionError> {
        self.read(|session| session.is_new())
    }

    /// Whether this request changed something. See [`cloakroom_core::Session::is_modified`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let dirty = session.is_modified()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_modified(&self) -> Result<bool, SessionError> {
        self.read(|session| session.is_modified())
    }

    /// The session's public name; `None` for a new one. See [`cloakroom_core::Session::id`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let id = session.id()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> Result<Option<String>, SessionError> {
        self.read(|session| session.id())
    }

    /// Whom the session belongs to. See [`cloakroom_core::Session::subject`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let user = session.subject()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn subject(&self) -> Result<Option<String>, SessionError> {
        self.read(|session| session.subject().map(str::to_owned))
    }

    /// When the session was created, or signed in last. See [`cloakroom_core::Session::created_at`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let since = session.created_at()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn created_at(&self) -> Result<UnixTime, SessionError> {
        self.read(|session| session.created_at())
    }

    /// When the subject signed in: for asking again before something that matters. See [`cloakroom_core::Session::authenticated_at`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let signed_in = session.authenticated_at()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn authenticated_at(&self) -> Result<Option<UnixTime>, SessionError> {
        self.read(|session| session.authenticated_at())
    }

    /// When the session ends if no further request comes. See [`cloakroom_core::Session::expires_at`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let until = session.expires_at()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn expires_at(&self) -> Result<UnixTime, SessionError> {
        self.read(|session| session.expires_at())
    }

    /// Gives the session to a subject whose credentials have been checked: a new token, a new CSRF token. See [`cloakroom_core::Session::sign_in`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.sign_in("ada")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sign_in(&self, subject: &str) -> Result<(), SessionError> {
        self.read(|session| session.sign_in(subject))?
    }

    /// Ends the session, for good. See [`cloakroom_core::Session::sign_out`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.sign_out()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sign_out(&self) -> Result<(), SessionError> {
        self.read(|session| {
            session.sign_out();
        })
    }

    /// Ends the session, for good: the same as `sign_out`. See [`cloakroom_core::Session::destroy`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.destroy()?;
    /// session.insert("in", "a new session")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn destroy(&self) -> Result<(), SessionError> {
        self.read(|session| {
            session.destroy();
        })
    }

    /// A new token for the same session. See [`cloakroom_core::Session::rotate`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.rotate()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rotate(&self) -> Result<(), SessionError> {
        self.read(|session| {
            session.rotate();
        })
    }

    /// Changes whom the session belongs to, without a new token: for bookkeeping. See [`cloakroom_core::Session::set_subject`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.set_subject(None)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_subject(&self, subject: Option<&str>) -> Result<(), SessionError> {
        self.read(|session| session.set_subject(subject))?
    }

    /// Gives this session a lifetime of its own. See [`cloakroom_core::Session::set_expiry`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.set_expiry(cloakroom::Expiry::new().persistent())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_expiry(&self, expiry: impl Into<Option<Expiry>>) -> Result<(), SessionError> {
        self.read(|session| session.set_expiry(expiry))
    }

    /// Leaves a value for the next request that asks for flash values, and for that one only. See [`cloakroom_core::Session::flash`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.flash("notice", "Saved.")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn flash(&self, name: &str, value: impl Serialize) -> Result<(), SessionError> {
        self.read(|session| session.flash(name, value))?
    }

    /// What an earlier request left with `flash`. Asking for one ends all. See [`cloakroom_core::Session::flashed`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let notice: Option<String> = session.flashed("notice")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn flashed<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        self.read(|session| session.flashed(name))?
    }

    /// The whole session as one struct. See [`cloakroom_core::Session::typed`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let all: std::collections::BTreeMap<String, u32> = session.typed()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, SessionError> {
        self.read(|session| session.typed())?
    }

    /// Changes the session as one struct; only the fields that changed are written. See [`cloakroom_core::Session::update_typed`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`. If the function uses this session, what it calls fails with `Nested`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// session.update_typed(|all: &mut std::collections::BTreeMap<String, u32>| all.clear())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_typed<T: Serialize + DeserializeOwned>(
        &self,
        f: impl FnOnce(&mut T),
    ) -> Result<(), SessionError> {
        self.update_within(|session| session.update_typed(f))?
    }

    /// Whether a form carries a CSRF token of this session. In constant time. See [`cloakroom_core::Session::verify_csrf`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let genuine = session.verify_csrf("from the form")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify_csrf(&self, token: &str) -> Result<bool, SessionError> {
        self.read(|session| session.verify_csrf(token))
    }

    /// Changes a value by a function of what is there, and returns the new value; if another request changed the session
    /// meanwhile, the function runs again. See [`cloakroom_core::Session::update`].
    ///
    /// # Errors
    ///
    /// Those named there, and `Closed`. If the function uses this session, what it calls fails with `Nested`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<T, SessionError> {
        self.update_within(|session| session.update(name, f))?
    }

    /// A token for this session's forms, against cross-site request forgery. See [`cloakroom_core::Session::csrf_token`].
    ///
    /// # Errors
    ///
    /// [`Error::Entropy`] if the system gave no randomness, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// # fn example(session: &Session) -> Result<(), cloakroom::Error> {
    /// let field = format!(r#"<input type="hidden" name="csrf" value="{}">"#, session.csrf_token()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn csrf_token(&self) -> Result<String, Error> {
        let entropy = self.backend.entropy()?;
        Ok(self.read(|session| session.csrf_token(entropy))?)
    }
}

impl<K> Clone for Session<K> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            backend: self.backend.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Session<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}

impl fmt::Debug for Committing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "Untouched",
            Self::Done(_) => "Done(..)",
            Self::Pending(_) => "Pending(..)",
        })
    }
}
