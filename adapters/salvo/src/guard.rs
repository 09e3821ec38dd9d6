use cloakroom::adapter::{Denied, SubjectGuard};
use cloakroom::{Error, Session};
use salvo::http::StatusError;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use std::fmt;
use std::time::Duration;

const NO_MIDDLEWARE: Error = Error::NotSetUp(
    "a route requires a subject, but no `SessionMiddleware` of this type is before it; add      `.hoop(SessionMiddleware::new(store))` before `.hoop(RequireSubject::…)`",
);

/// Lets only signed-in visitors pass: a hoop after that of the
/// [`SessionMiddleware`](crate::SessionMiddleware).
///
/// A visitor without a [subject](cloakroom::Session::subject) gets a redirect to the sign-in page,
/// or 401. The handler does not run. Costs one load, which the handler's session shares. What a
/// subject may do is the application's to decide.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_salvo::{RequireSubject, SessionMiddleware};
/// use salvo::prelude::*;
/// use salvo::test::TestClient;
///
/// #[handler]
/// async fn orders() -> &'static str {
///     "your orders"
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let guarded = Router::with_path("orders")
///     .hoop(RequireSubject::redirect_to("/sign-in"))
///     .get(orders);
/// let router = Router::new()
///     .hoop(SessionMiddleware::new(MemoryStore::new()))
///     .push(guarded);
///
/// let request = TestClient::get("http://localhost/orders?page=2");
/// let response = request.send(router).await;
/// assert_eq!(response.status_code.unwrap(), 303);
/// assert_eq!(
///     response.headers()["location"],
///     "/sign-in?next=%2Forders%3Fpage%3D2"
/// );
/// # }
/// ```
///
/// After the sign-in the page redirects to `next`, if it is a [`local_path`](crate::local_path).
///
/// The service's `Catcher` writes the page of a 401, of a 403 and of an [`Error`](crate::Error), as
/// for each `StatusError`.
pub struct RequireSubject<K = ()>(SubjectGuard<K>);

impl RequireSubject {
    /// Answers with 401: for APIs. With the token in `Authorization` the response has
    /// `WWW-Authenticate: Bearer`.
    ///
    /// ```
    /// # use cloakroom_salvo::RequireSubject;
    /// let guard = RequireSubject::unauthorized();
    /// ```
    #[must_use]
    pub const fn unauthorized() -> Self {
        Self(SubjectGuard::unauthorized())
    }

    /// Redirects to this page (303). GET and HEAD requests add their path and query as `next`.
    ///
    /// ```
    /// # use cloakroom_salvo::RequireSubject;
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
    /// # use cloakroom_salvo::RequireSubject;
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
    /// # use cloakroom_salvo::RequireSubject;
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
    /// # use cloakroom_salvo::RequireSubject;
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
    /// # use cloakroom_salvo::RequireSubject;
    /// let guard = RequireSubject::redirect_to("/sign-in")
    ///     .level(2)
    ///     .confirm_at("/second-factor");
    /// ```
    #[must_use]
    pub const fn confirm_at(self, page: &'static str) -> Self {
        Self(self.0.confirm_at(page))
    }
}

#[async_trait]
impl<K: 'static> Handler for RequireSubject<K> {
    async fn handle(
        &self,
        req: &mut Request,
        depot: &mut Depot,
        res: &mut Response,
        ctrl: &mut FlowCtrl,
    ) {
        match self.check(req, depot).await {
            Ok(Ok(())) => return,
            Ok(Err(denied)) => refuse(&denied, res),
            Err(error) => res.render(error),
        }
        ctrl.skip_rest();
    }
}

impl<K: 'static> RequireSubject<K> {
    async fn check(&self, req: &Request, depot: &Depot) -> Result<Result<(), Denied>, Error> {
        let session = depot.get_typed::<Session<K>>();
        let session = session.map_err(|_| NO_MIDDLEWARE)?;
        // An error of its own, which the catcher has. The guard finds the session loaded.
        session.load().await?;
        let target = req.uri().path_and_query();
        let target = target.map_or("", |target| target.as_str());
        Ok(self.0.check(session, req.method(), target).await)
    }
}

/// The catcher writes the page, unless it is a redirect.
fn refuse(denied: &Denied, res: &mut Response) {
    match StatusError::from_code(denied.status()) {
        Some(page) if denied.text().is_empty() => res.render(page),
        Some(page) => res.render(page.brief(denied.text())),
        None => _ = res.status_code(denied.status()),
    }
    for (name, value) in denied.headers() {
        res.headers_mut().insert(name, value.clone());
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
