use cloakroom::adapter::{Denied, RequestSession, SubjectGuard};
use cloakroom::{Error, Session};
use poem::http::Uri;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response};
use std::fmt;
use std::time::Duration;

const NO_MIDDLEWARE: Error = Error::NotSetUp(
    "a route requires a subject, but no `SessionMiddleware` of this type is around it; add \
     `.with(SessionMiddleware::new(store))` after `.with(RequireSubject::…)`",
);

/// Lets only signed-in visitors pass: a middleware inside the
/// [`SessionMiddleware`](crate::SessionMiddleware).
///
/// A visitor without a [subject](cloakroom::Session::subject) gets a redirect to the sign-in page,
/// or 401. The handler does not run. Costs one load, which the handler's session shares. What a
/// subject may do is the application's to decide.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_poem::{RequireSubject, SessionMiddleware};
/// use poem::{Endpoint as _, EndpointExt as _, Request, Route, handler};
///
/// #[handler]
/// fn orders() -> &'static str {
///     "your orders"
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let signed_in = RequireSubject::redirect_to("/sign-in");
/// let app = Route::new()
///     .at("/orders", orders.with(signed_in))
///     .with(SessionMiddleware::new(MemoryStore::new()));
///
/// let request = Request::builder().uri_str("/orders?page=2");
/// let response = app.get_response(request.finish()).await;
/// assert_eq!(response.status(), 303);
/// assert_eq!(
///     response.header("location"),
///     Some("/sign-in?next=%2Forders%3Fpage%3D2")
/// );
/// # }
/// ```
///
/// After the sign-in the page redirects to `next`, if it is a [`local_path`](crate::local_path). In
/// routes that `Route::nest` mounts, `next` is the path that the client asked for.
///
/// # Errors
///
/// Those of [`Session`](crate::Session), as from its extractor: `catch_error` inside the session
/// middleware makes their page.
pub struct RequireSubject<K = ()>(SubjectGuard<K>);

impl RequireSubject {
    /// Answers with 401: for APIs. With the token in `Authorization` the response has
    /// `WWW-Authenticate: Bearer`.
    ///
    /// ```
    /// # use cloakroom_poem::RequireSubject;
    /// let guard = RequireSubject::unauthorized();
    /// ```
    #[must_use]
    pub const fn unauthorized() -> Self {
        Self(SubjectGuard::unauthorized())
    }

    /// Redirects to this page (303). GET and HEAD requests add their path and query as `next`.
    ///
    /// ```
    /// # use cloakroom_poem::RequireSubject;
    /// let guard = RequireSubject::redirect_to("/sign-in");
    /// ```
    #[must_use]
    pub const fn redirect_to(page: &'static str) -> Self {
        Self(SubjectGuard::redirect_to(page))
    }
}

impl<K> RequireSubject<K> {
    /// Asks the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom_poem::RequireSubject;
    /// struct Admin;
    /// let guard = RequireSubject::unauthorized().named::<Admin>();
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
    /// # use cloakroom_poem::RequireSubject;
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
    /// # use cloakroom_poem::RequireSubject;
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
    /// # use cloakroom_poem::RequireSubject;
    /// let guard = RequireSubject::redirect_to("/sign-in")
    ///     .level(2)
    ///     .confirm_at("/second-factor");
    /// ```
    #[must_use]
    pub const fn confirm_at(self, page: &'static str) -> Self {
        Self(self.0.confirm_at(page))
    }
}

impl<E: Endpoint, K: 'static> Middleware<E> for RequireSubject<K> {
    type Output = RequireSubjectEndpoint<E, K>;

    fn transform(&self, inner: E) -> Self::Output {
        let guard = self.0;
        RequireSubjectEndpoint { inner, guard }
    }
}

/// The endpoint that [`RequireSubject`] wraps around another.
///
/// ```
/// use cloakroom_poem::RequireSubjectEndpoint;
///
/// fn name<E>(endpoint: &RequireSubjectEndpoint<E>) -> String {
///     format!("{endpoint:?}")
/// }
/// ```
pub struct RequireSubjectEndpoint<E, K = ()> {
    inner: E,
    guard: SubjectGuard<K>,
}

impl<E: Endpoint, K: 'static> Endpoint for RequireSubjectEndpoint<E, K> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let session: Option<Session<K>> = RequestSession::of(request.extensions());
        let session = session.ok_or(NO_MIDDLEWARE)?;
        // An error of its own, so that a catcher has it. The guard finds the session loaded.
        session.load().await?;
        // `uri` has lost the path of the routes around. A test's request has nothing else.
        let uri = match request.original_uri() {
            original if *original == Uri::default() => request.uri(),
            original => original,
        };
        let target = uri.path_and_query();
        let target = target.map_or("", |target| target.as_str());
        match self.guard.check(&session, request.method(), target).await {
            Ok(()) => Ok(self.inner.call(request).await?.into_response()),
            Err(denied) => Ok(response(&denied)),
        }
    }
}

fn response(denied: &Denied) -> Response {
    let mut response = Response::from((denied.status(), denied.text().to_owned()));
    *response.headers_mut() = denied.headers().clone();
    response
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

impl<E, K> fmt::Debug for RequireSubjectEndpoint<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireSubjectEndpoint")
            .field(&self.guard)
            .finish()
    }
}
