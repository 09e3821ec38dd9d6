use cloakroom::{Sessions, Store};
use http::{Request, Response};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

use crate::{OnError, ResponseFuture};

/// What [`SessionLayer`](crate::SessionLayer) makes of a service.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower::{SessionLayer, SessionService};
/// use tower::{Layer, service_fn};
///
/// let service = SessionLayer::new(MemoryStore::new()).layer("any service");
/// assert_eq!(*service.get_ref(), "any service");
/// ```
pub struct SessionService<T, S, K = (), E = crate::StatusOnly> {
    inner: T,
    sessions: Sessions<S>,
    on_error: Arc<E>,
    kind: PhantomData<fn() -> K>,
}

impl<T, S, K, E> SessionService<T, S, K, E> {
    pub(crate) fn new(inner: T, sessions: Sessions<S>, on_error: Arc<E>) -> Self {
        Self {
            inner,
            sessions,
            on_error,
            kind: PhantomData,
        }
    }

    /// The inner service.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::SessionLayer;
    /// # use tower::Layer;
    /// let service = SessionLayer::new(MemoryStore::new()).layer(1);
    /// assert_eq!(*service.get_ref(), 1);
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The inner service, to be changed.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::SessionLayer;
    /// # use tower::Layer;
    /// let mut service = SessionLayer::new(MemoryStore::new()).layer(1);
    /// *service.get_mut() = 2;
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The inner service alone.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower::SessionLayer;
    /// # use tower::Layer;
    /// assert_eq!(SessionLayer::new(MemoryStore::new()).layer(1).into_inner(), 1);
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
    E: OnError<B>,
{
    type Response = Response<B>;
    type Error = T::Error;
    type Future = ResponseFuture<T::Future, K, E, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let session = self.sessions.http_session::<K>(request.headers());
        let outer = request.extensions_mut().insert(session.clone());
        // A layer of the same cookie is around this one: there is one session, which the outer one commits.
        let name = session.config().cookie_name();
        let outer = outer.filter(|outer| outer.config().cookie_name() == name);
        let own = match outer {
            Some(outer) => {
                request.extensions_mut().insert(outer);
                None
            }
            None => Some(session),
        };
        ResponseFuture::new(self.inner.call(request), own, self.on_error.clone())
    }
}

impl<T: Clone, S, K, E> Clone for SessionService<T, S, K, E> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.sessions.clone(),
            self.on_error.clone(),
        )
    }
}

impl<T, S, K, E> fmt::Debug for SessionService<T, S, K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
