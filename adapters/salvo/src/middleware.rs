use cloakroom::adapter::{self, Kinds, RequestSession};
use cloakroom::{Config, Error, Fate, Session, Sessions, Store, http as mapping};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

type Page = dyn Fn(&Error, &mut Response) + Send + Sync;
type Check = dyn Fn() -> Option<Error> + Send + Sync;

/// The checks of middlewares that no request has reached. salvo does not announce its start.
static NEW: Mutex<Vec<Weak<Check>>> = Mutex::new(Vec::new());

/// Adds sessions to a router, a handler or a service: `.hoop(SessionMiddleware::new(store))`.
///
/// Clones share the store.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_salvo::SessionMiddleware;
/// use salvo::Router;
///
/// let router = Router::new().hoop(SessionMiddleware::new(MemoryStore::new()));
/// ```
///
/// An application with several independent sessions has a middleware for each, with a cookie name
/// and a type of its own:
///
/// ```
/// # use cloakroom_memory::MemoryStore;
/// # use cloakroom_salvo::{Config, SessionMiddleware};
/// # use salvo::Router;
/// struct Admin;
///
/// let store = MemoryStore::new();
/// let config = Config::builder().cookie_name("__Host-admin").build()?;
/// let shop = SessionMiddleware::new(store.clone());
/// let admin = SessionMiddleware::new(store).with_config(config).named::<Admin>();
/// let router = Router::new().hoop(shop).hoop(admin);
/// // In a handler: `Session` and `Session<Admin>`.
/// # Ok::<(), cloakroom_salvo::ConfigError>(())
/// ```
///
/// With one name for both, requests are refused: around one handler all of them, and in separate
/// routers those that present a token of the other kind. A warning names the cookie.
/// Two middlewares of the *same* kind in separate routers with two stores are not detected.
pub struct SessionMiddleware<S, K = ()> {
    sessions: Sessions<S>,
    page: Arc<Page>,
    check: Arc<Check>,
    refused: OnceLock<Option<Error>>,
    kind: PhantomData<fn() -> K>,
}

impl<S: Store> SessionMiddleware<S> {
    /// Returns the middleware of sessions on this store, with the default configuration.
    ///
    /// ```
    /// # use cloakroom_salvo::SessionMiddleware;
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions = SessionMiddleware::new(MemoryStore::new());
    /// ```
    pub fn new(store: S) -> Self {
        Self::from(Sessions::new(store))
    }
}

impl<S: Store> From<Sessions<S>> for SessionMiddleware<S> {
    /// Shares sessions that the application also uses elsewhere, to list and end a user's sessions.
    fn from(sessions: Sessions<S>) -> Self {
        Self::of(sessions, Arc::new(|error, res| res.render(error.clone())))
    }
}

impl<S: Store, K: 'static> SessionMiddleware<S, K> {
    /// Sets the configuration.
    ///
    /// ```
    /// # use cloakroom_salvo::{Config, SessionMiddleware};
    /// # use cloakroom_memory::MemoryStore;
    /// let sessions =
    ///     SessionMiddleware::new(MemoryStore::new()).with_config(Config::default());
    /// ```
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self::of(self.sessions.with_config(config), self.page)
    }

    /// Makes it the middleware of `Session<N>`: for several independent sessions. Each has a cookie
    /// name of its own. With the default name every request fails with status 500.
    ///
    /// ```
    /// # use cloakroom_salvo::{Config, SessionMiddleware};
    /// # use cloakroom_memory::MemoryStore;
    /// struct Admin;
    /// let config = Config::builder().cookie_name("__Host-admin").build()?;
    /// let sessions = SessionMiddleware::new(MemoryStore::new())
    ///     .with_config(config)
    ///     .named::<Admin>();
    /// # Ok::<(), cloakroom_salvo::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N: 'static>(self) -> SessionMiddleware<S, N> {
        SessionMiddleware::of(self.sessions, self.page)
    }

    /// Sets the response for a session that could not be saved. The function writes it into an
    /// empty response, which replaces the handler's: its claims are not true. Default: the error,
    /// as a handler renders it.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_salvo::{Error, SessionMiddleware};
    /// use salvo::Response;
    ///
    /// let sessions = SessionMiddleware::new(MemoryStore::new()).on_commit_error(
    ///     |error: &Error, res: &mut Response| {
    ///         let text = "That was not saved. Please try again.";
    ///         res.render_with_status(error.status(), text);
    ///     },
    /// );
    /// ```
    #[must_use]
    pub fn on_commit_error(
        self,
        page: impl Fn(&Error, &mut Response) + Send + Sync + 'static,
    ) -> Self {
        Self::of(self.sessions, Arc::new(page))
    }
}

#[async_trait]
impl<S: Store, K: 'static> Handler for SessionMiddleware<S, K> {
    async fn handle(
        &self,
        req: &mut Request,
        depot: &mut Depot,
        res: &mut Response,
        ctrl: &mut FlowCtrl,
    ) {
        if let Err(error) = self.enter(req) {
            self.fail(&error, res);
            return ctrl.skip_rest();
        }
        let outer = depot.get_typed::<Session<K>>().ok();
        let config = self.sessions.config();
        if outer.is_some_and(|outer| outer.config().shares_carrier(config)) {
            // Around a middleware of the same cookie there is one session, which the outer commits.
            ctrl.call_next(req, depot, res).await;
            return;
        }
        let session: Session<K> = self.sessions.http_session(req.headers());
        // For tower services that a router mounts.
        req.extensions_mut()
            .insert(RequestSession::new(session.clone()));
        depot.insert_typed(session.clone());
        {
            let inner = pin!(ctrl.call_next(req, depot, res));
            // Dropped before the handler, so a task that outlives it never finds the session open.
            let closing = Closing(&session);
            inner.await;
            // The commit closes it.
            mem::forget(closing);
        }
        let status = res.status_code.unwrap_or_default();
        let keep_changes = !status.is_server_error() || config.saves_on_server_error();
        // After an abort, the client gets no response.
        let keep_changes = keep_changes && !ctrl.conn().is_aborted();
        match adapter::commit(&session, keep_changes).outcome().await {
            Ok(outcome) => {
                mapping::apply(config, &outcome, res.headers_mut());
                if matches!(outcome.fate, Fate::Superseded | Fate::Gone) {
                    res.extensions.insert(outcome.fate);
                }
            }
            Err(error) => self.fail(&error, res),
        }
    }
}

impl<S: Store, K: 'static> SessionMiddleware<S, K> {
    fn of(sessions: Sessions<S>, page: Arc<Page>) -> Self {
        let own = sessions.clone();
        let check: Arc<Check> = Arc::new(move || Kinds::check::<K, S>(&own).err());
        let mut new = NEW.lock().unwrap_or_else(PoisonError::into_inner);
        new.retain(|check| check.strong_count() > 0);
        new.push(Arc::downgrade(&check));
        Self {
            sessions,
            page,
            check,
            refused: OnceLock::new(),
            kind: PhantomData,
        }
    }
    /// Refuses a request around which two kinds of session have one cookie name.
    fn enter(&self, req: &mut Request) -> Result<(), Error> {
        let refused = self.refused.get_or_init(|| {
            // The kinds of all routers are known before the first token is issued.
            let mut new = NEW.lock().unwrap_or_else(PoisonError::into_inner);
            let checks = new.drain(..).filter_map(|check| check.upgrade());
            checks.for_each(|check| drop(check()));
            (self.check)()
        });
        match refused {
            Some(error) => Err(error.clone()),
            None => Kinds::enter::<K>(req.extensions_mut(), self.sessions.config()),
        }
    }

    fn fail(&self, error: &Error, res: &mut Response) {
        *res = Response::new();
        (self.page)(error, res);
        mapping::vary(self.sessions.config(), res.headers_mut());
    }
}

/// Closes a session whose handler gave no answer.
struct Closing<'s, K>(&'s Session<K>);

impl<K> Drop for Closing<'_, K> {
    fn drop(&mut self) {
        adapter::close(self.0);
    }
}

impl<S: Store, K: 'static> Clone for SessionMiddleware<S, K> {
    fn clone(&self) -> Self {
        Self::of(self.sessions.clone(), Arc::clone(&self.page))
    }
}

impl<S, K> fmt::Debug for SessionMiddleware<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionMiddleware")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
