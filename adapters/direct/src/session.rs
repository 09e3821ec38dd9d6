//! The handle on one exchange's session.

mod authentication;
mod ended;
mod identity;
mod raw;
mod values;

use std::fmt;
use std::future::ready;
use std::marker::PhantomData;
use std::sync::Arc;

use cloakroom_core::{Config, Error as SessionError, Exchange, Fate, Key, Session as CoreSession};
use http::HeaderMap;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use crate::Error;
use crate::backend::Backend;
use crate::commit::{SessionCommit, also};
use crate::copies::Branch;
use crate::crossing;
use crate::ended::Spot;
use crate::inner::Inner;
use crate::no_store::NoStore;
use crate::refusal::Refusal;
use crate::slot::{Phase, Slot, State, after};

/// The session of one request or message, shared by its handler and its adapter.
///
/// A session is a set of named values of one visitor, with its times and an optional subject (the
/// signed-in user). Values are anything that serde can serialize. They are kept encoded, and each
/// read decodes them.
///
/// Loading is the only asynchronous step, and the extractors of the adapters do it. After
/// [`load`](Session::load) every method is synchronous and makes no store call. The adapter commits
/// the changes before it sends the head of the response. From then on every method returns
/// [`SessionError::Closed`](crate::SessionError::Closed), so a late change is never lost silently.
///
/// Changes are noted and replayed at the commit over whatever is stored then. So requests that
/// change different values at the same time both succeed. On the same value the last writer wins,
/// except with [`update`](Session::update).
///
/// A clone is another handle on the same session and costs two reference counts. `K` is any type.
/// It distinguishes an application's independent sessions (cookies).
///
/// Every method returns [`Error`], which is a response in each framework. All of them can fail with
/// `Closed`, and with `ReentrantUpdate` inside a function that the session itself is running. Each
/// method's own errors are named with it.
///
/// ```
/// use cloakroom::{Session, Sessions, adapter};
/// use cloakroom_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom::Error> {
/// let session: Session = Sessions::new(MemoryStore::new()).session([]);
/// session.load().await?;
/// session.insert("theme", "dark")?;
///
/// // What an adapter does when the handler has answered:
/// adapter::commit(&session, true).outcome().await?;
/// assert!(session.get::<String>("theme").is_err(), "closed");
/// # Ok(())
/// # }
/// ```
pub struct Session<K = ()> {
    slot: Slot,
    backend: Arc<dyn Backend>,
    branch: Branch,
    kind: PhantomData<fn() -> K>,
}

const ANOTHER_ATTEMPT: Error = Error::NotSetUp(
    "a layer inside the session's layer copied this request (a retry or a hedge), and an earlier \
     copy has changed the session, so nothing was saved; put that layer outside of the session's \
     layer",
);

impl<K> Session<K> {
    pub(crate) fn of_exchange(exchange: Exchange, backend: Arc<dyn Backend>) -> Self {
        Self::new(Slot::of_exchange(exchange), backend)
    }

    pub(crate) fn of_request(request: &HeaderMap, backend: Arc<dyn Backend>) -> Self {
        let config = backend.config();
        let lines = request.get_all(config.request_header()).iter();
        let cookies: SmallVec<_> = lines.cloned().collect();
        let refusal = match cookies.is_empty() && config.header().is_none() {
            true => Refusal::expected(request),
            false => None,
        };
        let session = Self::new(Slot::of_request(cookies), backend);
        if refusal.is_some() {
            session.slot.lock().refusal = refusal;
        }
        session
    }

    /// Returns a new, loaded session without a store: for unit tests of handlers.
    ///
    /// Every method works as in a request of a visitor without a session. A commit fails, because
    /// there is no store to save it in. Tests that need saved sessions use
    /// [`Sessions`](crate::Sessions) on a `MemoryStore`. See [`testing`](crate::testing).
    ///
    /// ```
    /// use cloakroom::{Error, Session};
    ///
    /// fn greet(session: &Session) -> Result<String, Error> {
    ///     Ok(match session.subject()? {
    ///         Some(name) => format!("Hello, {name}"),
    ///         None => "Hello, stranger".to_owned(),
    ///     })
    /// }
    ///
    /// let session = Session::for_tests();
    /// assert_eq!(greet(&session)?, "Hello, stranger");
    /// session.sign_in("ada")?;
    /// assert_eq!(greet(&session)?, "Hello, ada");
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn for_tests() -> Self {
        let inner = Inner::new(NoStore);
        let exchange = Exchange::open(&inner.config, [], inner.now());
        Self::of_exchange(exchange, Arc::new(inner))
    }

    /// The same session for a handler of this copy of its request.
    pub(crate) fn on(&self, branch: Branch) -> Self {
        let mut session = self.clone();
        session.branch = branch;
        session
    }

    /// Notes that a request is copied.
    pub(crate) fn split(&self, branch: Branch) -> [Branch; 2] {
        match self.slot.try_lock() {
            Ok(mut state) => state.copies.split(branch),
            Err(_) => [branch; 2],
        }
    }

    fn new(slot: Slot, backend: Arc<dyn Backend>) -> Self {
        Self {
            slot,
            backend,
            branch: 0,
            kind: PhantomData,
        }
    }

    /// Loads the session from the store. Further calls return at once.
    ///
    /// Costs no store call without a well-formed token, and usually one with it. A token that was
    /// rotated away costs one more for each rotation since.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store did not answer (transient failures are retried twice).
    /// [`Error::Session`] if the record cannot be read, or the session is closed.
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
                let mut state = self.slot.try_lock()?;
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

    /// Returns the record to load next. A session with nothing to load counts as accessed.
    fn wanted(&self) -> Result<Option<Key>, Error> {
        let mut state = self.slot.try_lock()?;
        if !state.copies.admits(self.branch) {
            return Err(ANOTHER_ATTEMPT);
        }
        self.backend.check()?;
        if state.phase == Phase::Untouched {
            crossing::presented::<K>(self.backend.config(), &state.cookies)?;
        }
        let exchange = state.exchange(&*self.backend)?;
        let wanted = exchange.wants_load().cloned();
        if wanted.is_none() {
            exchange.session()?;
        }
        Ok(wanted)
    }

    /// Saves all changes made so far, while the handler runs.
    ///
    /// After `Ok` the changes are in the store. They stay there even if the handler fails later, or
    /// its response has a 5xx status. Later changes are saved at the end, as usual. A cookie that
    /// the save issues is sent with the response, whatever its status, unless the commit at the end
    /// fails. A sign-in or rotation counts from here on.
    ///
    /// Without changes it costs no store call. Otherwise it costs those of a commit, and one load,
    /// because the handler goes on with the session as it is stored.
    ///
    /// # Errors
    ///
    /// The errors of a commit. `Ended` if the session was signed out or expired meanwhile,
    /// `Superseded` if a sign-in was first, `NeedsStore` for a session in its cookie. After an
    /// error, or if this future is dropped, the session is closed for the rest of the request, and
    /// its other changes are not saved. After `UnknownOutcome` or an error of the store the changes
    /// may be saved.
    ///
    /// ```
    /// # use cloakroom::{Error, Session};
    /// async fn pay(session: &Session) -> Result<(), Error> {
    ///     session.insert("payment", "pending")?;
    ///     session.save().await?;
    ///     // Now call the payment provider, and note what it answers.
    ///     session.insert("payment", "done")
    /// }
    /// ```
    pub async fn save(&self) -> Result<(), Error> {
        let exchange = {
            let mut state = self.slot.try_lock()?;
            if state.phase == Phase::Closed {
                return Err(SessionError::Closed.into());
            }
            if !state.copies.admits(self.branch) {
                return Err(ANOTHER_ATTEMPT);
            }
            match (state.phase, &mut state.exchange) {
                (Phase::Touched, None) => return Err(SessionError::Closed.into()),
                (_, Some(exchange)) if exchange.wants_load().is_none() => {
                    if !exchange.session()?.is_modified() {
                        return Ok(());
                    }
                    exchange.will_resume()?;
                }
                // Nothing is loaded, so nothing has changed.
                _ => return Ok(()),
            }
            state.exchange.take()
        };
        let Some(exchange) = exchange else {
            return Ok(());
        };
        let moving = self.slot.lock().spot.clone().map(Spot::moving);
        let now = self.backend.now();
        let outcome = self.backend.clone().commit(exchange, now).await?;
        if let Some(moving) = moving {
            moving.done(&outcome);
        }
        let ended = match outcome.fate {
            Fate::Gone => Some(SessionError::Ended),
            Fate::Superseded => Some(SessionError::Superseded),
            _ => None,
        };
        if let Some(error) = ended {
            return Err(error.into());
        }
        {
            let mut state = self.slot.lock();
            if state.phase == Phase::Closed {
                return Err(SessionError::Closed.into());
            }
            state.exchange = Some(self.backend.resume(&outcome));
            let earlier = state.saved.take();
            state.saved = Some(Box::new(after(earlier, outcome)));
        }
        // It is saved. If the load fails, the next call on the session returns the error.
        _ = self.load().await;
        Ok(())
    }

    /// Takes a value out of the stored session now, while the handler runs.
    ///
    /// Of any number of concurrent requests exactly one gets the value, on every store. Use it for
    /// OAuth's `state`, a WebAuthn challenge, or a payment's nonce. The others get `None`, as if
    /// there were no such value. The claim stands whatever becomes of the request, and saves none
    /// of its other changes. A value that this request set and did not save is not claimed.
    ///
    /// Costs no store call if there is no such value. Otherwise it costs one replace and one load,
    /// and more after conflicts.
    ///
    /// A sign-in takes the values along. Two concurrent sign-ins with one token, or a second one
    /// with the old token within the grace, make two sessions, each with its own copy of the value.
    ///
    /// # Errors
    ///
    /// `UnknownOutcome` or an error of the store: the value may be gone, and this request may not
    /// use it. Nobody else gets it then either, unless it is still there. `Decode` if the value is
    /// not a `T`: then it is still there. `Superseded` if the token is from before a sign-in,
    /// `NeedsStore` for a session in its cookie.
    ///
    /// ```
    /// # use cloakroom::{Error, Session};
    /// async fn callback(session: &Session, state: &str) -> Result<bool, Error> {
    ///     let expected: Option<String> = session.claim("oauth_state").await?;
    ///     Ok(expected.is_some_and(|expected| expected == state))
    /// }
    /// ```
    pub async fn claim<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.load().await?;
        let commit = {
            let mut state = self.slot.try_lock()?;
            let exchange = state.exchange(&*self.backend)?;
            // A value of another type is left where it is.
            exchange.session()?.get::<T>(name)?;
            exchange.claim(name, self.backend.now())?
        };
        let Some(commit) = commit else {
            return Ok(None);
        };
        let outcome = self.backend.clone().drive(commit).await?;
        let Some(claimed) = outcome.claimed else {
            return Ok(None);
        };
        let found = self.backend.load(claimed.key()).await.unwrap_or_default();
        if let Ok(exchange) = self.slot.lock().exchange(&*self.backend) {
            exchange.after_claim(&claimed, found);
        }
        Ok(claimed.get()?)
    }

    pub(crate) fn commit(&self, keep_changes: bool) -> SessionCommit {
        let commit = self.take_commit(keep_changes);
        match crossing::is_possible(self.backend.config()) {
            true => commit.noting(std::any::type_name::<K>()),
            false => commit,
        }
    }

    fn take_commit(&self, keep_changes: bool) -> SessionCommit {
        let mut state = match self.slot.try_lock() {
            Ok(state) => state,
            Err(error) => return SessionCommit::Pending(Box::pin(ready(Err(error.into())))),
        };
        let phase = std::mem::replace(&mut state.phase, Phase::Closed);
        let saved = state.saved.take();
        if phase != Phase::Touched {
            state.exchange = None;
            return SessionCommit::Untouched;
        }
        let conflict = state.copies.conflict();
        let state = &mut *state;
        let Some(exchange) = &mut state.exchange else {
            // A save failed or was cancelled. Earlier saves stand.
            return saved.map_or(SessionCommit::Untouched, |saved| {
                SessionCommit::Done(*saved)
            });
        };
        if !keep_changes {
            exchange.discard_changes();
        } else if conflict {
            state.exchange = None;
            return SessionCommit::Pending(Box::pin(std::future::ready(Err(ANOTHER_ATTEMPT))));
        }
        // One reading: it decides what is due, and dates what is written. Only a commit under a
        // limit reads the clock again.
        let now = self.backend.now();
        if let Some(mut outcome) = self.backend.settled(exchange, now) {
            state.exchange = None;
            outcome.accessed = true;
            return SessionCommit::Done(after(saved, outcome));
        }
        match state.exchange.take() {
            Some(mut exchange) => {
                // A handler that only asked for the session depends on it too: `Vary`.
                let _ = exchange.session();
                let moving = state.spot.take().map(|spot| {
                    // Without a store there is no place to report.
                    _ = exchange.will_resume();
                    spot.moving()
                });
                let mut commit = self.backend.clone().commit(exchange, now);
                if let Some(moving) = moving {
                    commit = also(commit, move |outcome| moving.done(outcome));
                }
                if let Some(refusal) = state.refusal {
                    let config = self.backend.config().clone();
                    commit = also(commit, move |outcome| refusal.report(&config, outcome));
                }
                if let Some(saved) = saved {
                    let made = commit;
                    commit = Box::pin(async move { Ok(after(Some(saved), made.await?)) });
                }
                SessionCommit::Pending(commit)
            }
            None => SessionCommit::Untouched,
        }
    }

    /// Drops all changes made so far and goes back to the session as it was loaded.
    ///
    /// Use it when a step of a request fails and the request goes on. Changes made afterwards are
    /// saved.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.sign_in("ada")?;
    /// session.discard_changes()?;
    /// assert!(!session.is_modified()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn discard_changes(&self) -> Result<(), Error> {
        let mut state = self.slot.try_lock()?;
        if state.phase == Phase::Closed {
            return Err(SessionError::Closed.into());
        }
        if !state.copies.admits(self.branch) {
            return Err(ANOTHER_ATTEMPT);
        }
        // A session that no handler has asked for stays untouched.
        if let Some(exchange) = &mut state.exchange {
            exchange.discard_changes();
        }
        Ok(())
    }

    /// Returns the configuration.
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

    /// Calls the session itself: for what only reads.
    fn read<R>(&self, f: impl FnOnce(&mut CoreSession<'_>) -> R) -> Result<R, Error> {
        let mut state = self.slot.try_lock()?;
        self.call(&mut state, f)
    }

    /// The same for what changes the session.
    fn change<R>(&self, f: impl FnOnce(&mut CoreSession<'_>) -> R) -> Result<R, Error> {
        let mut state = self.slot.try_lock()?;
        let (result, modified) = self.call(&mut state, |session| {
            let result = f(session);
            (result, session.is_modified())
        })?;
        if modified {
            state.copies.note_change(self.branch);
        }
        Ok(result)
    }

    fn call<R>(
        &self,
        state: &mut State,
        f: impl FnOnce(&mut CoreSession<'_>) -> R,
    ) -> Result<R, Error> {
        if !state.copies.admits(self.branch) {
            return Err(ANOTHER_ATTEMPT);
        }
        // Code of the application may run in it: `Serialize`, `Deserialize`, an update's function.
        Ok(f(&mut state.exchange(&*self.backend)?.session()?))
    }
}

impl<K> Clone for Session<K> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            backend: self.backend.clone(),
            branch: self.branch,
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Session<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}
