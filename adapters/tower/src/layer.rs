use cloakroom::{Config, Sessions, Store};
use http::{HeaderMap, StatusCode};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use tower_layer::Layer;

use crate::hooks::Hooks;
use crate::{PlainText, SessionService};

/// Adds sessions to a service.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower::{Config, SessionLayer};
/// use std::time::Duration;
///
/// let config = Config::builder().idle_timeout(Duration::from_secs(900)).build()?;
/// let layer = SessionLayer::new(MemoryStore::new()).with_config(config);
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
///
/// An application with several independent sessions has a layer for each, with a cookie name and a
/// type of its own.
///
/// ```
/// # use cloakroom_memory::MemoryStore;
/// # use cloakroom_tower::{Config, Session, SessionLayer};
/// struct Admin;
///
/// let config = Config::builder().cookie_name("__Host-admin").build()?;
/// let admin = SessionLayer::new(MemoryStore::new())
///     .with_config(config)
///     .named::<Admin>();
/// // In a handler: `session::<Admin, _>(&request)`.
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
///
/// A second kind of session needs a cookie name of its own. Otherwise every response is an error,
/// and no handler runs. Layers on separate routes do not see each other: there every request is
/// refused that presents a token of the other kind. A warning names the cookie at the start. Two
/// layers of the *same* kind on separate routes with two stores are not detected.
///
/// Two nested layers of the same cookie and kind share one session: the one of the outer layer, in
/// its store.
pub struct SessionLayer<S, K = (), E = PlainText> {
    sessions: Sessions<S>,
    hooks: Arc<Hooks<E>>,
    kind: PhantomData<fn() -> K>,
}

impl<S: Store> SessionLayer<S> {
    /// Returns the layer of sessions on this store, with the default configuration.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::SessionLayer;
    /// let layer = SessionLayer::new(MemoryStore::new());
    /// ```
    pub fn new(store: S) -> Self {
        Self::from(Sessions::new(store))
    }
}

impl<S: Store> From<Sessions<S>> for SessionLayer<S> {
    /// Shares sessions that the application also uses elsewhere, to list and end a user's sessions.
    fn from(sessions: Sessions<S>) -> Self {
        Self {
            sessions,
            hooks: Arc::new(Hooks {
                on_commit_error: Arc::new(PlainText),
                failed: None,
            }),
            kind: PhantomData,
        }
    }
}

impl<S: Store, K, E> SessionLayer<S, K, E> {
    /// Sets the configuration.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::{Config, SessionLayer};
    /// let layer =
    ///     SessionLayer::new(MemoryStore::new()).with_config(Config::default());
    /// ```
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self {
            sessions: self.sessions.with_config(config),
            ..self
        }
    }

    /// Makes it the layer of `Session<N>`: for several independent sessions. Each has a cookie name
    /// of its own.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::{Config, SessionLayer};
    /// struct Admin;
    /// let config = Config::builder().cookie_name("__Host-admin").build()?;
    /// let layer = SessionLayer::new(MemoryStore::new())
    ///     .with_config(config)
    ///     .named::<Admin>();
    /// # Ok::<(), cloakroom_tower::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> SessionLayer<S, N, E> {
        SessionLayer {
            sessions: self.sessions,
            hooks: self.hooks,
            kind: PhantomData,
        }
    }

    /// Sets the response for a session that could not be saved. Default: [`PlainText`].
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::{Error, SessionLayer};
    /// let layer =
    ///     SessionLayer::new(MemoryStore::new()).on_commit_error(|error: &Error| {
    ///         http::Response::new(format!("not saved: {error}"))
    ///     });
    /// ```
    #[must_use]
    pub fn on_commit_error<F>(self, on_commit_error: F) -> SessionLayer<S, K, F> {
        SessionLayer {
            sessions: self.sessions,
            hooks: Arc::new(Hooks {
                on_commit_error: Arc::new(on_commit_error),
                failed: self.hooks.failed.clone(),
            }),
            kind: PhantomData,
        }
    }

    /// Drops the changes of responses for which the function returns true, as the layer does for a
    /// 5xx status. For protocols that fail with the status 200, such as gRPC.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// use cloakroom_tower::{SessionLayer, grpc_failed};
    ///
    /// let layer = SessionLayer::new(MemoryStore::new()).failed_if(grpc_failed);
    /// ```
    #[must_use]
    pub fn failed_if(
        self,
        failed: impl Fn(StatusCode, &HeaderMap) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            hooks: Arc::new(Hooks {
                on_commit_error: self.hooks.on_commit_error.clone(),
                failed: Some(Arc::new(failed)),
            }),
            ..self
        }
    }
}

impl<S: Store, K: 'static, E, T> Layer<T> for SessionLayer<S, K, E> {
    type Service = SessionService<T, S, K, E>;

    fn layer(&self, inner: T) -> Self::Service {
        SessionService::new(inner, self.sessions.clone(), self.hooks.clone())
    }
}

impl<S, K, E> Clone for SessionLayer<S, K, E> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            hooks: self.hooks.clone(),
            kind: PhantomData,
        }
    }
}

impl<S, K, E> fmt::Debug for SessionLayer<S, K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
