use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use cloakroom_core::{Config, Exchange, Outcome, Session as CoreSession, UnixTime};
use cloakroom_store::{Directory, SharedStore, Store};
use tracing::Instrument as _;

use crate::drive::{load_key, load_span};
use crate::inner::Inner;
use crate::limit::LimitPolicy;
use crate::limited::SessionLimit;
use crate::observe::Observer;
use crate::{Error, Event, NoStore, Session};

/// The sessions of an application: a store with a configuration.
///
/// Make it once and share it. A clone costs one reference count.
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

impl<S: Store> Sessions<S> {
    /// Returns sessions on this store, with the default configuration, clock and randomness.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions = Sessions::new(MemoryStore::new());
    /// ```
    pub fn new(store: S) -> Self {
        let store_type = TypeId::of::<S>();
        Self(Arc::new(Inner {
            without_store: store_type == TypeId::of::<NoStore>(),
            // It may be a store that keeps nothing.
            may_be_unused: store_type == TypeId::of::<SharedStore>(),
            ..Inner::new(store)
        }))
    }

    /// Sets the configuration. Warns (`tracing`) if its cookie is sent without `Secure`.
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

    /// Permits a store beside an [envelope](cloakroom_core::ConfigBuilder::envelope), which never
    /// calls it: for tests that prove this. Default: such sessions cannot be loaded, and the error
    /// names [`NoStore`]. A [`SharedStore`] is always permitted.
    ///
    /// ```
    /// # use cloakroom::{Config, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_sealed::{Sealed, SealingKey};
    /// let envelope = Sealed::new(SealingKey::new([7; 32]));
    /// let config = Config::builder().envelope(envelope).build()?;
    /// let sessions = Sessions::new(MemoryStore::new())
    ///     .with_config(config)
    ///     .with_unused_store();
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_unused_store(self) -> Self {
        self.change(|inner| inner.may_be_unused = true)
    }

    /// Sets the clock: for tests. Default: the system's.
    ///
    /// The store needs the same clock. [`ManualClock`](crate::ManualClock) is one for both. It
    /// measures the lease of [`end_all`](Sessions::end_all) too.
    ///
    /// ```
    /// # use cloakroom::{ManualClock, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// let clock = ManualClock::new();
    /// let store = MemoryStore::builder().clock(clock.reader()).build();
    /// let sessions = Sessions::new(store).with_clock(clock.reader());
    /// ```
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.clock = Some(Arc::new(clock)))
    }

    /// Sets the source of randomness: for tests, or for a hardware generator. Default: the
    /// system's.
    ///
    /// It must be cryptographically secure, because tokens are made of it.
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

    /// Limits the number of sessions of one subject (OWASP ASVS 5.0, 7.1.2). Default: no limit.
    ///
    /// Signing in again on the same session does not count twice. Sessions of another configuration
    /// in the same store do not count. At least 1: with 0 no session can be loaded. Costs a listing
    /// for each sign-in. Sign-ins at the same
    /// moment may exceed the limit together, until the next one.
    ///
    /// ```
    /// # use cloakroom::{LimitPolicy, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions =
    ///     Sessions::new(MemoryStore::new()).with_limit(1, LimitPolicy::Refuse);
    /// ```
    #[must_use]
    pub fn with_limit(self, sessions: usize, excess: LimitPolicy) -> Self
    where
        S: Directory,
    {
        self.change(|inner| {
            inner.limit = Some(Arc::new(SessionLimit { sessions, excess }));
            inner.without_sessions = sessions == 0;
        })
    }

    /// Sets a function that receives every [`Event`]: for counters and histograms.
    ///
    /// It runs within requests, so it should only count. Without one nothing is measured.
    /// [`observability`](crate::observability) lists what to alert on.
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

    pub(crate) fn change(self, change: impl FnOnce(&mut Inner<S>)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// Opens an exchange with the presented tokens. Makes no store call.
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
        Exchange::open(&self.0.config, presented, self.0.now())
    }

    /// Loads the records that the exchange needs.
    ///
    /// Costs no store call without a well-formed token, and usually one with it.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store did not answer (transient failures are retried twice).
    /// [`Error::Session`] if the record cannot be read.
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
        self.0.check()?;
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

    /// Saves the exchange's changes. [`Exchange::finish`] lists the store calls.
    ///
    /// Commits of this process that lose a race for one record queue up for it. So poll the future
    /// to its end, or drop it.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store failed. After a transient failure of a write, the commit finds
    /// out whether the write happened, and repeats it safely, twice. After that it is unknown
    /// whether the changes were saved. [`Error::Session`] for limits and for endless conflicts.
    /// [`Error::TooManySessions`] for a sign-in over the limit.
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
        self.0.check()?;
        self.0.strangers.watch(&self.0.config, &exchange);
        Arc::clone(&self.0).limited_commit(exchange).await
    }

    /// Loads the session of `token`, runs the function, and commits. If the function fails, nothing
    /// is changed.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Sessions::load), of [`commit`](Sessions::commit) and of the function.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let (theme, _) = sessions
    ///     .with(Some("whatever"), |session| session.get::<String>("theme"))
    ///     .await?;
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

    /// Returns the handle that a handler and its adapter share, not loaded yet. `K` distinguishes
    /// an application's independent sessions.
    ///
    /// ```
    /// # use cloakroom::{Session, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let session: Session = sessions.session([]);
    /// ```
    pub fn session<'t, K>(&self, presented: impl IntoIterator<Item = &'t [u8]>) -> Session<K> {
        Session::of_exchange(self.open(presented), self.0.clone())
    }

    /// Returns the handle for an HTTP request. Reads its cookie or header when a handler first uses
    /// the session.
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

    /// Returns the store.
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

    /// Returns the configuration.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// assert_eq!(
    ///     Sessions::new(MemoryStore::new()).config().cookie_name(),
    ///     "__Host-session"
    /// );
    /// ```
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }
}

impl<S> Clone for Sessions<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Sessions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
