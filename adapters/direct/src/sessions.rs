use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom_core::{Config, Exchange, Outcome, Session as CoreSession, UnixTime};
use cloakroom_store::{Directory, Store};
use tracing::Instrument as _;

use crate::drive::{commit_span, load_key, load_span};
use crate::listed::Limit;
use crate::observe::Observer;
use crate::turns::Turns;
use crate::{Error, Event, Session};

type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;
type Entropy = Arc<dyn Fn(&mut [u8]) -> Result<(), Error> + Send + Sync>;

/// Sessions on a store: what an application makes once and shares. Cloning costs one reference count.
///
/// ```
/// use cloakroom::{Config, Sessions};
/// use cloakroom_memory::MemoryStore;
///
/// let config = Config::builder().cookie_name("__Host-shop").build()?;
/// let sessions = Sessions::new(MemoryStore::new()).with_config(config);
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
pub struct Sessions<S>(pub(crate) Arc<Inner<S>>);

pub(crate) struct Inner<S> {
    pub(crate) store: Arc<S>,
    pub(crate) config: Config,
    clock: Option<Clock>,
    entropy: Option<Entropy>,
    limit: Option<Arc<dyn Limit<S>>>,
    pub(crate) observer: Observer,
    pub(crate) turns: Arc<Turns>,
}

/// What happens to a sign-in over the limit of [`Sessions::with_limit`].
///
/// ```
/// use cloakroom::{Excess, Sessions};
/// use cloakroom_memory::MemoryStore;
///
/// let sessions = Sessions::new(MemoryStore::new()).with_limit(3, Excess::EndOldest);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Excess {
    /// It fails with [`Error::TooManySessions`], and changes nothing.
    Refuse,
    /// It succeeds, and the session that was signed in longest ago ends; never the one that signs in. If that one cannot be ended (a
    /// warning says so, with `tracing`), the next sign-in does it.
    EndOldest,
}

impl<S: Store> Sessions<S> {
    /// Sessions on this store, with the default configuration, the system's clock and randomness.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions = Sessions::new(MemoryStore::new());
    /// ```
    pub fn new(store: S) -> Self {
        Self(Arc::new(Inner {
            store: Arc::new(store),
            config: Config::default(),
            clock: None,
            entropy: None,
            limit: None,
            observer: Observer::default(),
            turns: Arc::default(),
        }))
    }

    /// With this configuration. Warns (once for each call, with `tracing`) if its cookie is sent without Secure.
    ///
    /// ```
    /// # use cloakroom::{Config, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions = Sessions::new(MemoryStore::new()).with_config(Config::default());
    /// ```
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        if config.is_insecure() {
            tracing::warn!(
                cookie = config.cookie_name(),
                "the session cookie is sent without Secure: for development only"
            );
        }
        self.change(|inner| inner.config = config)
    }

    /// With another clock than the system's: for tests.
    ///
    /// ```
    /// # use cloakroom::{Sessions, UnixTime};
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions = Sessions::new(MemoryStore::new()).with_clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.clock = Some(Arc::new(clock)))
    }

    /// With another source of randomness than the system's: for tests, or for a hardware generator. It must be
    /// cryptographically secure: tokens are made of it.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions = Sessions::new(MemoryStore::new()).with_entropy(|bytes| {
    ///     bytes.fill(7);
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn with_entropy(
        self,
        entropy: impl Fn(&mut [u8]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        self.change(|inner| inner.entropy = Some(Arc::new(entropy)))
    }

    /// At most this many sessions of one subject; what happens to a sign-in over that (OWASP ASVS 5.0, 7.1.2). Signing in again
    /// on the same session does not count twice. Costs a listing for each sign-in. Sign-ins at the very same moment may be
    /// over the limit together, until the next one. Sessions of another configuration in the same store do not count.
    ///
    /// ```
    /// # use cloakroom::{Excess, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions = Sessions::new(MemoryStore::new()).with_limit(1, Excess::Refuse);
    /// ```
    #[must_use]
    pub fn with_limit(self, sessions: usize, excess: Excess) -> Self
    where
        S: Directory,
    {
        let limit = crate::listed::limit::<S>(sessions, excess);
        self.change(|inner| inner.limit = Some(limit))
    }

    /// Tells this function what happens: for counters and histograms. It is called within requests, so it should only count. What
    /// there is to alert on: [`observability`](crate::observability). Without one nothing is measured.
    ///
    /// ```
    /// # use cloakroom::{Event, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// static FAILURES: AtomicU64 = AtomicU64::new(0);
    ///
    /// let sessions = Sessions::new(MemoryStore::new()).with_observer(|event| {
    ///     if let Event::Failed { .. } = event {
    ///         FAILURES.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn with_observer(self, observe: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.observer = Observer::new(observe))
    }

    fn change(self, change: impl FnOnce(&mut Inner<S>)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// Opens an exchange with the tokens presented. No store call.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// let sessions = Sessions::new(MemoryStore::new());
    /// let mut exchange = sessions.open([]);
    /// sessions.load(&mut exchange).await?;
    /// exchange.session()?.insert("theme", "dark")?;
    /// let outcome = sessions.commit(exchange).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open<'t>(&self, presented: impl IntoIterator<Item = &'t [u8]>) -> Exchange {
        Exchange::open(&self.0.config, presented, self.now())
    }

    /// Loads what the exchange wants. No store call without a well-formed token, usually one with.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot tell (transient failures are tried again twice), [`Error::Session`] if the record cannot be read.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let mut exchange = sessions.open([]);
    /// sessions.load(&mut exchange).await?;
    /// assert!(exchange.session()?.is_new());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn load(&self, exchange: &mut Exchange) -> Result<(), Error> {
        while let Some(key) = exchange.wants_load().cloned() {
            let found = load_key(&self.0, &key).instrument(load_span()).await;
            let loaded = found.and_then(|found| Ok(exchange.handle_loaded(&key, found)?));
            if let Err(error) = loaded {
                self.0.observer.failed(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes the exchange's changes real. Store calls as [`Exchange::finish`] says. Commits of these `Sessions` that were overtaken on the
    /// same record go on one after the other: so poll the future to its end, or drop it.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store failed: a transient failure of a write is looked into and repeated safely twice; after
    /// that it is unknown whether the changes were saved. [`Error::Session`] for limits and conflicts without end. [`Error::TooManySessions`].
    ///
    /// ```
    /// # use cloakroom::{Directive, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let outcome = sessions.commit(sessions.open([])).await?;
    /// assert_eq!(outcome.directive, Directive::Keep);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn commit(&self, exchange: Exchange) -> Result<Outcome, Error> {
        match &self.0.limit {
            Some(limit) if exchange.signs_in().is_some() => limit.commit(self, exchange).await,
            _ => {
                let commit = exchange.finish(self.now());
                self.clone().drive(commit).instrument(commit_span()).await
            }
        }
    }

    pub(crate) fn limits(&self, exchange: &Exchange) -> bool {
        self.0.limit.is_some() && exchange.signs_in().is_some()
    }

    /// One exchange from end to end: loads the session of `token`, runs the function, commits. If the function fails, nothing
    /// is changed.
    ///
    /// # Errors
    ///
    /// As [`load`](Sessions::load), [`commit`](Sessions::commit), and the function's own.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let (theme, _) = sessions.with(Some("whatever"), |session| session.get::<String>("theme")).await?;
    /// assert!(theme.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with<R>(
        &self,
        token: Option<&str>,
        f: impl FnOnce(&mut CoreSession<'_>) -> Result<R, cloakroom_core::Error>,
    ) -> Result<(R, Outcome), Error> {
        let mut exchange = self.open(token.map(str::as_bytes));
        self.load(&mut exchange).await?;
        let value = f(&mut exchange.session()?)?;
        Ok((value, self.commit(exchange).await?))
    }

    /// A handle for a handler and its adapter to share, on an exchange that is not loaded yet. `K` tells apart the independent
    /// sessions of one application.
    ///
    /// ```
    /// # use cloakroom::{Session, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let session: Session = sessions.session([]);
    /// ```
    pub fn session<'t, K>(&self, presented: impl IntoIterator<Item = &'t [u8]>) -> Session<K> {
        Session::new(self.open(presented), self.0.clone())
    }

    /// The same for an HTTP request: takes note of its Cookie lines, and looks at them only when the session is asked for.
    ///
    /// ```
    /// # use cloakroom::{Session, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let request = http::Request::new(());
    /// let session: Session = sessions.http_session(request.headers());
    /// ```
    pub fn http_session<K>(&self, request: &http::HeaderMap) -> Session<K> {
        Session::of_request(request, self.0.clone())
    }

    /// The store.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let store: &MemoryStore = sessions.store();
    /// ```
    #[must_use]
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// The configuration.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(Sessions::new(MemoryStore::new()).config().cookie_name(), "__Host-session");
    /// ```
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.0.now()
    }
}

impl<S> Inner<S> {
    pub(crate) fn now(&self) -> UnixTime {
        match &self.clock {
            Some(clock) => clock(),
            None => SystemTime::now().into(),
        }
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        match &self.entropy {
            Some(entropy) => entropy(&mut bytes)?,
            None => getrandom::fill(&mut bytes).map_err(|error| Error::Entropy(error.into()))?,
        }
        Ok(bytes)
    }
}

impl<S> Clone for Sessions<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Clone for Inner<S> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            config: self.config.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            limit: self.limit.clone(),
            observer: self.observer.clone(),
            turns: Arc::clone(&self.turns),
        }
    }
}

impl<S> fmt::Debug for Sessions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
