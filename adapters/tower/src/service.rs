use cloakroom::adapter::{Kinds, RequestSession};
use cloakroom::{Error, Sessions, Store};
use http::{Request, Response};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

use crate::hooks::Hooks;
use crate::{OnCommitError, ResponseFuture};

/// The service that [`SessionLayer`](crate::SessionLayer) wraps around another.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower::{SessionLayer, SessionService};
/// use tower::{Layer, service_fn};
///
/// let service = SessionLayer::new(MemoryStore::new()).layer("any service");
/// assert_eq!(*service.get_ref(), "any service");
/// ```
pub struct SessionService<T, S, K = (), E = crate::PlainText> {
    inner: T,
    sessions: Sessions<S>,
    hooks: Arc<Hooks<E>>,
    /// Why no request can be answered.
    refused: Option<Error>,
    kind: PhantomData<fn() -> K>,
}

impl<T, S: Store, K: 'static, E> SessionService<T, S, K, E> {
    pub(crate) fn new(inner: T, sessions: Sessions<S>, hooks: Arc<Hooks<E>>) -> Self {
        Self {
            inner,
            refused: Kinds::check::<K, S>(&sessions).err(),
            sessions,
            hooks,
            kind: PhantomData,
        }
    }
}

impl<T, S, K, E> SessionService<T, S, K, E> {
    /// Returns a reference to the inner service.
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

    /// Returns a mutable reference to the inner service.
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

    /// Returns the inner service alone.
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
    E: OnCommitError<B>,
{
    type Response = Response<B>;
    type Error = T::Error;
    type Future = ResponseFuture<T::Future, K, E, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let entered = match &self.refused {
            Some(error) => Err(error.clone()),
            None => Kinds::enter::<K>(request.extensions_mut(), self.sessions.config()),
        };
        if let Err(error) = entered {
            return ResponseFuture::refused(error, self.hooks.clone());
        }
        let session = self.sessions.http_session::<K>(request.headers());
        let own = RequestSession::new(session.clone());
        let outer = request.extensions_mut().insert(own);
        // Around a layer of the same cookie there is one session, which the outer layer commits.
        let outer = outer.filter(|outer| outer.config().shares_carrier(session.config()));
        let own = match outer {
            Some(outer) => {
                request.extensions_mut().insert(outer);
                None
            }
            None => Some(session),
        };
        ResponseFuture::new(self.inner.call(request), own, self.hooks.clone())
    }
}

impl<T: Clone, S, K, E> Clone for SessionService<T, S, K, E> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            sessions: self.sessions.clone(),
            hooks: self.hooks.clone(),
            refused: self.refused.clone(),
            kind: PhantomData,
        }
    }
}

impl<T, S, K, E> fmt::Debug for SessionService<T, S, K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
