use cloakroom::adapter::{self, Kinds, RequestSession, SessionCommit};
use cloakroom::{Config, Error, Fate, Session, Sessions, Store, http as mapping};
use poem::error::ResponseError as _;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response};
use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;

type Page = dyn Fn(&Error) -> Response + Send + Sync;

/// Adds sessions to an endpoint: `.with(SessionMiddleware::new(store))`.
///
/// A clone costs two reference counts.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_poem::SessionMiddleware;
/// use poem::{EndpointExt as _, Route};
///
/// let app = Route::new().with(SessionMiddleware::new(MemoryStore::new()));
/// ```
///
/// An application with several independent sessions has a middleware for each, with a cookie name
/// and a type of its own:
///
/// ```
/// # use cloakroom_memory::MemoryStore;
/// # use cloakroom_poem::{Config, SessionMiddleware};
/// # use poem::{EndpointExt as _, Route};
/// struct Admin;
///
/// let store = MemoryStore::new();
/// let config = Config::builder().cookie_name("__Host-admin").build()?;
/// let shop = SessionMiddleware::new(store.clone());
/// let admin = SessionMiddleware::new(store).with_config(config).named::<Admin>();
/// let app = Route::new().with(shop).with(admin);
/// // In a handler: `Session` and `Session<Admin>`.
/// # Ok::<(), cloakroom_poem::ConfigError>(())
/// ```
///
/// A second kind of session needs a cookie name of its own. Otherwise every response is an error,
/// and no handler runs. Middlewares on separate routes do not see each other: there every request
/// is refused that presents a token of the other kind. A warning names the cookie at the start. Two
/// middlewares of the *same* kind on separate routes with two stores are not detected.
///
/// Two nested middlewares of the same cookie and kind share one session: the one of the outer
/// middleware, in its store.
pub struct SessionMiddleware<S, K = ()> {
    sessions: Sessions<S>,
    page: Arc<Page>,
    kind: PhantomData<fn() -> K>,
}

impl<S: Store> SessionMiddleware<S> {
    /// Returns the middleware of sessions on this store, with the default configuration.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_poem::SessionMiddleware;
    /// let sessions = SessionMiddleware::new(MemoryStore::new());
    /// ```
    pub fn new(store: S) -> Self {
        Self::from(Sessions::new(store))
    }
}

impl<S: Store> From<Sessions<S>> for SessionMiddleware<S> {
    /// Shares sessions that the application also uses elsewhere, to list and end a user's sessions.
    fn from(sessions: Sessions<S>) -> Self {
        Self {
            sessions,
            page: Arc::new(Error::as_response),
            kind: PhantomData,
        }
    }
}

impl<S: Store, K> SessionMiddleware<S, K> {
    /// Sets the configuration.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_poem::{Config, SessionMiddleware};
    /// let sessions =
    ///     SessionMiddleware::new(MemoryStore::new()).with_config(Config::default());
    /// ```
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self {
            sessions: self.sessions.with_config(config),
            ..self
        }
    }

    /// Makes it the middleware of `Session<N>`: for several independent sessions. Each has a cookie
    /// name of its own.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_poem::{Config, SessionMiddleware};
    /// struct Admin;
    /// let config = Config::builder().cookie_name("__Host-admin").build()?;
    /// let sessions = SessionMiddleware::new(MemoryStore::new())
    ///     .with_config(config)
    ///     .named::<Admin>();
    /// # Ok::<(), cloakroom_poem::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> SessionMiddleware<S, N> {
        SessionMiddleware {
            sessions: self.sessions,
            page: self.page,
            kind: PhantomData,
        }
    }

    /// Sets the response for a session that could not be saved. It replaces the handler's, whose
    /// claims are not true. Default: the error as a response, and in the log.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_poem::{Error, SessionMiddleware};
    /// let sessions = SessionMiddleware::new(MemoryStore::new()).on_commit_error(
    ///     |error: &Error| {
    ///         (error.status(), "That was not saved. Please try again.")
    ///     },
    /// );
    /// ```
    #[must_use]
    pub fn on_commit_error<R: IntoResponse>(
        self,
        page: impl Fn(&Error) -> R + Send + Sync + 'static,
    ) -> Self {
        Self {
            page: Arc::new(move |error| page(error).into_response()),
            ..self
        }
    }
}

impl<E: Endpoint, S: Store, K: 'static> Middleware<E> for SessionMiddleware<S, K> {
    type Output = SessionEndpoint<E, S, K>;

    fn transform(&self, inner: E) -> Self::Output {
        SessionEndpoint {
            inner,
            refused: Kinds::check::<K, S>(&self.sessions).err(),
            middleware: self.clone(),
        }
    }
}

/// The endpoint that [`SessionMiddleware`] wraps around another.
///
/// ```
/// use cloakroom_poem::SessionEndpoint;
///
/// fn name<E, S, K>(endpoint: &SessionEndpoint<E, S, K>) -> String {
///     format!("{endpoint:?}")
/// }
/// ```
pub struct SessionEndpoint<E, S, K = ()> {
    inner: E,
    middleware: SessionMiddleware<S, K>,
    /// The mistake in the set-up that keeps every request from being answered.
    refused: Option<Error>,
}

impl<E: Endpoint, S: Store, K: 'static> Endpoint for SessionEndpoint<E, S, K> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let SessionMiddleware { sessions, page, .. } = &self.middleware;
        let entered = match &self.refused {
            Some(error) => Err(error.clone()),
            None => Kinds::enter::<K>(request.extensions_mut(), sessions.config()),
        };
        if let Err(error) = entered {
            return Ok(page(&error));
        }
        let outer = request.extensions().get::<RequestSession<K>>();
        if outer.is_some_and(|outer| outer.config().shares_carrier(sessions.config())) {
            // Around a middleware of the same cookie there is one session, which the outer commits.
            return Ok(self.inner.call(request).await?.into_response());
        }
        let session = sessions.http_session::<K>(request.headers());
        let own = RequestSession::new(session.clone());
        request.extensions_mut().insert(own);
        let inner = pin!(self.inner.call(request));
        // Dropped before the handler, so a task that outlives it never finds the session open.
        let _closing = Closing(&session);
        match inner.await {
            Ok(output) => Ok(commit(&session, output.into_response(), &**page).await),
            // Passed on as it is, for a catcher of errors outside.
            Err(error) if !adapter::is_touched(&session) => Err(error),
            // Only a response has the headers that keep it out of shared caches.
            Err(error) => Ok(commit(&session, error.into_response(), &**page).await),
        }
    }
}

async fn commit<K>(session: &Session<K>, mut response: Response, page: &Page) -> Response {
    let config = session.config();
    let failed = response.status().is_server_error();
    let commit = adapter::commit(session, !failed || config.saves_on_server_error());
    if matches!(commit, SessionCommit::Untouched) {
        return response;
    }
    match commit.outcome().await {
        Ok(outcome) => {
            mapping::apply(config, &outcome, response.headers_mut());
            if matches!(outcome.fate, Fate::Superseded | Fate::Gone) {
                response.set_data(outcome.fate);
            }
        }
        Err(error) => {
            response = page(&error);
            mapping::vary(config, response.headers_mut());
        }
    }
    response
}

/// Closes a session whose handler gave no answer. Has no effect after the commit.
struct Closing<'s, K>(&'s Session<K>);

impl<K> Drop for Closing<'_, K> {
    fn drop(&mut self) {
        adapter::close(self.0);
    }
}

impl<S, K> Clone for SessionMiddleware<S, K> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            page: Arc::clone(&self.page),
            kind: PhantomData,
        }
    }
}

impl<S, K> fmt::Debug for SessionMiddleware<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionMiddleware")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl<E, S, K> fmt::Debug for SessionEndpoint<E, S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEndpoint")
            .field("middleware", &self.middleware)
            .finish_non_exhaustive()
    }
}
