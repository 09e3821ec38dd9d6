use cloakroom::{Config, Sessions, Store};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use tower_layer::Layer;

use crate::{SessionService, StatusOnly};

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
/// Several independent sessions in one application: each layer has a cookie name of its own and a type that names it.
///
/// ```
/// # use cloakroom_memory::MemoryStore;
/// # use cloakroom_tower::{Config, Session, SessionLayer};
/// struct Admin;
///
/// let config = Config::builder().cookie_name("__Host-admin").build()?;
/// let admin = SessionLayer::new(MemoryStore::new()).with_config(config).named::<Admin>();
/// // In a handler: the extension `Session<Admin>`.
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
///
/// Two layers of the same cookie around each other have one session: that of the outer one, in its store.
pub struct SessionLayer<S, K = (), E = StatusOnly> {
    sessions: Sessions<S>,
    on_error: Arc<E>,
    kind: PhantomData<fn() -> K>,
}

impl<S: Store> SessionLayer<S> {
    /// Sessions on this store, with the default configuration.
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
    /// For sessions that the application also uses elsewhere: to list and end a user's sessions.
    fn from(sessions: Sessions<S>) -> Self {
        Self {
            sessions,
            on_error: Arc::new(StatusOnly),
            kind: PhantomData,
        }
    }
}

impl<S: Store, K, E> SessionLayer<S, K, E> {
    /// With this configuration.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::{Config, SessionLayer};
    /// let layer = SessionLayer::new(MemoryStore::new()).with_config(Config::default());
    /// ```
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self {
            sessions: self.sessions.with_config(config),
            ..self
        }
    }

    /// Puts a `Session<N>` into the requests instead of a `Session`: for several independent ones.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::SessionLayer;
    /// struct Admin;
    /// let layer = SessionLayer::new(MemoryStore::new()).named::<Admin>();
    /// ```
    #[must_use]
    pub fn named<N>(self) -> SessionLayer<S, N, E> {
        SessionLayer {
            sessions: self.sessions,
            on_error: self.on_error,
            kind: PhantomData,
        }
    }

    /// What to answer when a session could not be saved. Default: [`StatusOnly`].
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::{Error, SessionLayer};
    /// let layer = SessionLayer::new(MemoryStore::new())
    ///     .on_error(|error: &Error| http::Response::new(format!("not saved: {error}")));
    /// ```
    #[must_use]
    pub fn on_error<F>(self, on_error: F) -> SessionLayer<S, K, F> {
        SessionLayer {
            sessions: self.sessions,
            on_error: Arc::new(on_error),
            kind: PhantomData,
        }
    }
}

impl<S: Store, K, E, T> Layer<T> for SessionLayer<S, K, E> {
    type Service = SessionService<T, S, K, E>;

    fn layer(&self, inner: T) -> Self::Service {
        SessionService::new(inner, self.sessions.clone(), self.on_error.clone())
    }
}

impl<S, K, E> Clone for SessionLayer<S, K, E> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            on_error: self.on_error.clone(),
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
