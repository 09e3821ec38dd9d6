use cloakroom::Store;
use cloakroom_tower::{OnCommitError, PlainText, ResponseFuture, SessionLayer};
use http::{Request, Response};
use hyper::service::Service;
use std::fmt;
use std::task::{Context, Poll};
use tower_layer::Layer as _;
use tower_service::Service as TowerService;

/// A service with sessions: puts a [`Session`](crate::Session) into each request's extensions, and
/// commits it before it passes the response on.
///
/// Cloning clones the inner service and two reference counts.
///
/// ```
/// use cloakroom_hyper::{SessionLayer, SessionService};
/// use cloakroom_memory::MemoryStore;
/// use hyper::{Request, Response, service::{Service as _, service_fn}};
/// use std::convert::Infallible;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Infallible> {
/// let greet = service_fn(async |_: Request<String>| {
///     Ok::<_, Infallible>(Response::new("Hello".to_owned()))
/// });
/// let service = SessionService::new(greet, SessionLayer::new(MemoryStore::new()));
///
/// let response = service.call(Request::new(String::new())).await?;
/// assert!(
///     response.headers().is_empty(),
///     "nobody asked for the session"
/// );
/// # Ok(())
/// # }
/// ```
pub struct SessionService<T, S, K = (), E = PlainText> {
    inner: T,
    layer: SessionLayer<S, K, E>,
}

impl<T, S: Store, K, E> SessionService<T, S, K, E> {
    /// Wraps a service in the sessions of a layer.
    ///
    /// ```
    /// # use cloakroom_hyper::{SessionLayer, SessionService};
    /// # use cloakroom_memory::MemoryStore;
    /// let service =
    ///     SessionService::new("any service", SessionLayer::new(MemoryStore::new()));
    /// ```
    pub fn new(inner: T, layer: SessionLayer<S, K, E>) -> Self {
        Self { inner, layer }
    }

    /// Returns a reference to the inner service.
    ///
    /// ```
    /// # use cloakroom_hyper::{SessionLayer, SessionService};
    /// # use cloakroom_memory::MemoryStore;
    /// let service = SessionService::new(1, SessionLayer::new(MemoryStore::new()));
    /// assert_eq!(*service.get_ref(), 1);
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns the inner service alone.
    ///
    /// ```
    /// # use cloakroom_hyper::{SessionLayer, SessionService};
    /// # use cloakroom_memory::MemoryStore;
    /// let service = SessionService::new(1, SessionLayer::new(MemoryStore::new()));
    /// assert_eq!(service.into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T, S, K, E, A, B> Service<Request<A>> for SessionService<T, S, K, E>
where
    T: Service<Request<A>, Response = Response<B>>,
    S: Store,
    K: 'static,
    E: OnCommitError<B>,
{
    type Response = Response<B>;
    type Error = T::Error;
    type Future = ResponseFuture<T::Future, K, E, B>;

    fn call(&self, request: Request<A>) -> Self::Future {
        self.layer.layer(Ready(&self.inner)).call(request)
    }
}

/// Makes a hyper service a tower service. hyper's `call` takes `&self`, so it is always ready.
pub(crate) struct Ready<'s, T>(pub(crate) &'s T);

impl<R, T: Service<R>> TowerService<R> for Ready<'_, T> {
    type Response = T::Response;
    type Error = T::Error;
    type Future = T::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> T::Future {
        self.0.call(request)
    }
}

impl<T: Clone, S, K, E> Clone for SessionService<T, S, K, E> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<T, S, K, E> fmt::Debug for SessionService<T, S, K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}
