use cloakroom::adapter::{Denied, RequestSession, SubjectGuard};
use cloakroom::{Error, Session};
use http::{Request, Response};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

const NO_LAYER: Error = Error::NotSetUp(
    "a route requires a subject, but no session layer of this type is around it; add \
     `SessionLayer::new(store)` outside of `RequireSubject`",
);

/// Lets only signed-in visitors pass: a layer inside the [`SessionLayer`](crate::SessionLayer).
///
/// A visitor without a [subject](cloakroom::Session::subject) gets a redirect to the sign-in page,
/// or 401. The handler does not run. Costs one load, which the handler's session shares. What a
/// subject may do is the application's to decide.
///
/// ```
/// use cloakroom_tower::{RequireSubject, SessionLayer};
/// use cloakroom_memory::MemoryStore;
/// use http::{Request, Response};
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Infallible> {
/// let orders = service_fn(async |_: Request<String>| {
///     Ok::<_, Infallible>(Response::new("your orders".to_owned()))
/// });
/// let service = ServiceBuilder::new()
///     .layer(SessionLayer::new(MemoryStore::new()))
///     .layer(RequireSubject::redirect_to("/sign-in"))
///     .service(orders);
///
/// let request = Request::builder().uri("/orders?page=2").body(String::new());
/// let response = service.oneshot(request.unwrap()).await?;
/// assert_eq!(response.status(), 303);
/// assert_eq!(
///     response.headers()["location"],
///     "/sign-in?next=%2Forders%3Fpage%3D2"
/// );
/// # Ok(())
/// # }
/// ```
///
/// After the sign-in the page redirects to `next`, if it is a [`local_path`](crate::local_path).
pub struct RequireSubject<K = ()>(SubjectGuard<K>);

impl RequireSubject {
    /// Answers with 401: for APIs. With the token in `Authorization` the response has
    /// `WWW-Authenticate: Bearer`.
    ///
    /// ```
    /// # use cloakroom_tower::RequireSubject;
    /// let layer = RequireSubject::unauthorized();
    /// ```
    #[must_use]
    pub const fn unauthorized() -> Self {
        Self(SubjectGuard::unauthorized())
    }

    /// Redirects to this page (303). GET and HEAD requests add their path and query as `next`.
    ///
    /// ```
    /// # use cloakroom_tower::RequireSubject;
    /// let layer = RequireSubject::redirect_to("/sign-in");
    /// ```
    #[must_use]
    pub const fn redirect_to(page: &'static str) -> Self {
        Self(SubjectGuard::redirect_to(page))
    }
}

impl<K: 'static> RequireSubject<K> {
    /// Asks the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom_tower::RequireSubject;
    /// struct Admin;
    /// let layer = RequireSubject::unauthorized().named::<Admin>();
    /// ```
    #[must_use]
    pub const fn named<N>(self) -> RequireSubject<N> {
        RequireSubject(self.0.named())
    }

    /// Asks for an authentication that is more recent than this too: a step-up before something
    /// that matters (OWASP ASVS 5.0, 7.5.1 and 7.5.3). At exactly this age it is no longer enough.
    ///
    /// A redirect goes to the page of [`confirm_at`](Self::confirm_at), or else to the sign-in
    /// page, which calls [`reauthenticate`](cloakroom::Session::reauthenticate). A guard that does
    /// not redirect answers with 403 and a sentence. With the token in `Authorization` it answers
    /// with 401 and the challenge of RFC 9470, section 3.
    ///
    /// ```
    /// # use cloakroom_tower::RequireSubject;
    /// # use std::time::Duration;
    /// let guard = RequireSubject::redirect_to("/sign-in")
    ///     .within(Duration::from_secs(300))
    ///     .confirm_at("/confirm");
    /// ```
    #[must_use]
    pub const fn within(self, age: Duration) -> Self {
        Self(self.0.within(age))
    }

    /// Asks for this [level](cloakroom::Authentication::level) of authentication at least. The
    /// responses are those of [`within`](Self::within).
    ///
    /// ```
    /// # use cloakroom_tower::RequireSubject;
    /// let guard = RequireSubject::unauthorized().level(2);
    /// ```
    #[must_use]
    pub const fn level(self, least: u8) -> Self {
        Self(self.0.level(least))
    }

    /// Sends subjects who are to be authenticated again to this page (303), with `next` as for the
    /// sign-in page.
    ///
    /// ```
    /// # use cloakroom_tower::RequireSubject;
    /// let guard = RequireSubject::redirect_to("/sign-in")
    ///     .level(2)
    ///     .confirm_at("/second-factor");
    /// ```
    #[must_use]
    pub const fn confirm_at(self, page: &'static str) -> Self {
        Self(self.0.confirm_at(page))
    }

    /// Checks a request: for services without layers.
    ///
    /// # Errors
    ///
    /// [`Denied`], which is the response.
    ///
    /// ```
    /// use cloakroom_tower::RequireSubject;
    /// use http::{Request, Response};
    ///
    /// async fn orders(request: Request<String>) -> Response<String> {
    ///     match RequireSubject::unauthorized().check(&request).await {
    ///         Ok(()) => Response::new("your orders".to_owned()),
    ///         Err(denied) => denied.into_response(),
    ///     }
    /// }
    /// ```
    pub fn check<B>(
        &self,
        request: &Request<B>,
    ) -> impl Future<Output = Result<(), Denied>> + Send + use<K, B> {
        let session: Option<Session<K>> = RequestSession::of(request.extensions());
        let (guard, method) = (self.0, request.method().clone());
        let target = request.uri().path_and_query().cloned();
        async move {
            let session = session.ok_or_else(|| Denied::failed(NO_LAYER))?;
            let target = target.as_ref().map_or("", |target| target.as_str());
            guard.check(&session, &method, target).await
        }
    }
}

impl<T, K> Layer<T> for RequireSubject<K> {
    type Service = RequireSubjectService<T, K>;

    fn layer(&self, inner: T) -> Self::Service {
        RequireSubjectService {
            inner,
            guard: *self,
        }
    }
}

impl<K> Clone for RequireSubject<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for RequireSubject<K> {}

impl<K> fmt::Debug for RequireSubject<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireSubject").field(&self.0).finish()
    }
}

/// The service that [`RequireSubject`] wraps around another.
///
/// ```
/// use cloakroom_tower::{RequireSubject, RequireSubjectService};
/// use tower::Layer as _;
///
/// let service: RequireSubjectService<&str> =
///     RequireSubject::unauthorized().layer("any service");
/// ```
#[derive(Clone)]
pub struct RequireSubjectService<T, K = ()> {
    inner: T,
    guard: RequireSubject<K>,
}

impl<T, K, A, B> Service<Request<A>> for RequireSubjectService<T, K>
where
    T: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    T::Future: Send,
    K: 'static,
    A: Send + 'static,
    B: From<String>,
{
    type Response = Response<B>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, T::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // The one that is ready goes into the future.
        let waiting = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, waiting);
        let checked = self.guard.check(&request);
        Box::pin(async move {
            match checked.await {
                Ok(()) => inner.call(request).await,
                Err(denied) => Ok(denied.into_response()),
            }
        })
    }
}

impl<T, K> fmt::Debug for RequireSubjectService<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireSubjectService")
            .field(&self.guard)
            .finish()
    }
}
