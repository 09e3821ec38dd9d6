use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{HttpMessage as _, HttpResponse, ResponseError as _};
use cloakroom::adapter::{self, Kinds, SessionCommit};
use cloakroom::{Config, Error, Fate, Session, Sessions, Store, http as mapping};
use std::any::TypeId;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use crate::headers;

type Page = dyn Fn(&Error) -> HttpResponse + Send + Sync;

/// Adds sessions to an application, a scope or a resource: `.wrap(SessionMiddleware::new(store))`.
///
/// Make it outside of the application's factory and clone it inside, so that all workers share one
/// store. A clone costs two reference counts.
///
/// ```
/// use actix_web::App;
/// use cloakroom_actix::SessionMiddleware;
/// use cloakroom_memory::MemoryStore;
///
/// let sessions = SessionMiddleware::new(MemoryStore::new());
/// let factory = move || App::new().wrap(sessions.clone());
/// ```
///
/// An application with several independent sessions has a middleware for each, with a cookie name
/// and a type of its own:
///
/// ```
/// # use actix_web::App;
/// # use cloakroom_actix::{Config, SessionMiddleware};
/// # use cloakroom_memory::MemoryStore;
/// struct Admin;
///
/// let store = MemoryStore::new();
/// let config = Config::builder().cookie_name("__Host-admin").build()?;
/// let shop = SessionMiddleware::new(store.clone());
/// let admin = SessionMiddleware::new(store).with_config(config).named::<Admin>();
/// let factory = move || App::new().wrap(shop.clone()).wrap(admin.clone());
/// // In a handler: `Session` and `Session<Admin>`.
/// # Ok::<(), cloakroom_actix::ConfigError>(())
/// ```
///
/// With one name for both, requests are refused: around one handler all of them, and in separate
/// scopes those that present a token of the other kind. A warning names the cookie at the start.
/// Two middlewares of the *same* kind in separate scopes with two stores are not detected.
pub struct SessionMiddleware<S, K = ()> {
    sessions: Sessions<S>,
    page: Arc<Page>,
    kind: PhantomData<fn() -> K>,
}

impl<S: Store> SessionMiddleware<S> {
    /// Returns the middleware of sessions on this store, with the default configuration.
    ///
    /// ```
    /// # use cloakroom_actix::SessionMiddleware;
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
        Self {
            sessions,
            page: Arc::new(Error::error_response),
            kind: PhantomData,
        }
    }
}

impl<S: Store, K> SessionMiddleware<S, K> {
    /// Sets the configuration.
    ///
    /// ```
    /// # use cloakroom_actix::{Config, SessionMiddleware};
    /// # use cloakroom_memory::MemoryStore;
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
    /// name of its own. With the default name the application does not start.
    ///
    /// ```
    /// # use cloakroom_actix::{Config, SessionMiddleware};
    /// # use cloakroom_memory::MemoryStore;
    /// struct Admin;
    /// let config = Config::builder().cookie_name("__Host-admin").build()?;
    /// let sessions = SessionMiddleware::new(MemoryStore::new())
    ///     .with_config(config)
    ///     .named::<Admin>();
    /// # Ok::<(), cloakroom_actix::ConfigError>(())
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
    /// # use cloakroom_actix::{Error, SessionMiddleware};
    /// # use cloakroom_memory::MemoryStore;
    /// use actix_web::{HttpResponse, ResponseError as _};
    ///
    /// let sessions = SessionMiddleware::new(MemoryStore::new()).on_commit_error(
    ///     |error: &Error| {
    ///         HttpResponse::build(error.status_code())
    ///             .body("That was not saved. Please try again.")
    ///     },
    /// );
    /// ```
    #[must_use]
    pub fn on_commit_error(
        self,
        page: impl Fn(&Error) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        Self {
            page: Arc::new(page),
            ..self
        }
    }
}

impl<T, B, S: Store, K: 'static> Transform<T, ServiceRequest> for SessionMiddleware<S, K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = SessionService<T, S, K>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: T) -> Self::Future {
        if let Err(error) = Kinds::check::<K, S>(&self.sessions) {
            // The application does not start.
            let _ = adapter::report(&error);
            return ready(Err(()));
        }
        ready(Ok(SessionService {
            inner: Rc::new(inner),
            sessions: self.clone(),
        }))
    }
}

/// The service that [`SessionMiddleware`] wraps around another.
///
/// ```
/// use cloakroom_actix::SessionService;
///
/// fn name<T, S, K>(service: &SessionService<T, S, K>) -> String {
///     format!("{service:?}")
/// }
/// ```
pub struct SessionService<T, S, K = ()> {
    inner: Rc<T>,
    sessions: SessionMiddleware<S, K>,
}

impl<T, B, S: Store, K: 'static> Service<ServiceRequest> for SessionService<T, S, K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if let Err(error) = self.enter(&request) {
            let page = Arc::clone(&self.sessions.page);
            return Box::pin(async move {
                let response = request.into_response(page(&error));
                Ok(response.map_into_right_body())
            });
        }
        let config = self.sessions.sessions.config();
        let outer = request.extensions().get::<Session<K>>().cloned();
        if outer.is_some_and(|outer| outer.config().shares_carrier(config)) {
            // Around a middleware of the same cookie there is one session, which the outer commits.
            let inner = self.inner.call(request);
            return Box::pin(async { Ok(inner.await?.map_into_left_body()) });
        }
        let presented = headers::presented(request.headers(), config);
        let session: Session<K> = self.sessions.sessions.http_session(&presented);
        request.extensions_mut().insert(session.clone());
        let (inner, page) = (self.inner.call(request), Arc::clone(&self.sessions.page));
        Box::pin(async move {
            let inner = pin!(inner);
            // Dropped before the handler, so a task that outlives it never finds the session open.
            let _closing = Closing(&session);
            let response = inner.await?;
            Ok(commit(&session, response, &*page).await)
        })
    }
}

impl<T, S: Store, K: 'static> SessionService<T, S, K> {
    /// Refuses a request around which two kinds of session have one cookie name.
    fn enter(&self, request: &ServiceRequest) -> Result<(), Error> {
        let mut extensions = request.extensions_mut();
        let is_named = TypeId::of::<K>() != TypeId::of::<()>();
        if !is_named && !extensions.contains::<Kinds>() {
            return Ok(());
        }
        let mut kinds = extensions.remove::<Kinds>().unwrap_or_default();
        let unnamed = extensions.get::<Session>();
        let entered = unnamed.map_or(Ok(()), |outer| kinds.add::<()>(outer.config()));
        let entered = entered.and_then(|()| kinds.add::<K>(self.sessions.sessions.config()));
        extensions.insert(kinds);
        entered
    }
}

async fn commit<B, K>(
    session: &Session<K>,
    mut response: ServiceResponse<B>,
    page: &Page,
) -> ServiceResponse<EitherBody<B>> {
    let config = session.config();
    let failed = response.status().is_server_error();
    let commit = adapter::commit(session, !failed || config.saves_on_server_error());
    if matches!(commit, SessionCommit::Untouched) {
        return response.map_into_left_body();
    }
    match commit.outcome().await {
        Ok(outcome) => {
            headers::edit(response.headers_mut(), config, |headers| {
                mapping::apply(config, &outcome, headers);
            });
            if matches!(outcome.fate, Fate::Superseded | Fate::Gone) {
                let mut extensions = response.response_mut().extensions_mut();
                extensions.insert(outcome.fate);
            }
            response.map_into_left_body()
        }
        Err(error) => {
            let mut response = response.into_response(page(&error));
            headers::edit(response.headers_mut(), config, |headers| {
                mapping::vary(config, headers);
            });
            response.map_into_right_body()
        }
    }
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

impl<T, S, K> fmt::Debug for SessionService<T, S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
