use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpResponse};
use cloakroom::adapter::{Denied, SubjectGuard};
use cloakroom::{Error, Session};
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

const NO_MIDDLEWARE: Error = Error::NotSetUp(
    "a route requires a subject, but no `SessionMiddleware` of this type is around it; add \
     `.wrap(SessionMiddleware::new(store))` after `.wrap(RequireSubject::…)`",
);

/// Lets only signed-in visitors pass: a middleware inside the
/// [`SessionMiddleware`](crate::SessionMiddleware).
///
/// A visitor without a [subject](cloakroom::Session::subject) gets a redirect to the sign-in page,
/// or 401. The handler does not run. Costs one load, which the handler's session shares. What a
/// subject may do is the application's to decide.
///
/// ```
/// use actix_web::{App, test, web};
/// use cloakroom_actix::{RequireSubject, SessionMiddleware};
/// use cloakroom_memory::MemoryStore;
///
/// # #[actix_web::main]
/// # async fn main() {
/// let orders = web::scope("/orders")
///     .wrap(RequireSubject::redirect_to("/sign-in"))
///     .route("", web::get().to(async || "your orders"));
/// let app = App::new()
///     .service(orders)
///     .wrap(SessionMiddleware::new(MemoryStore::new()));
///
/// let app = test::init_service(app).await;
/// let request = test::TestRequest::with_uri("/orders?page=2").to_request();
/// let response = test::call_service(&app, request).await;
/// assert_eq!(response.status(), 303);
/// assert_eq!(
///     response.headers().get("location").unwrap(),
///     "/sign-in?next=%2Forders%3Fpage%3D2"
/// );
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
    /// # use cloakroom_actix::RequireSubject;
    /// let guard = RequireSubject::unauthorized();
    /// ```
    #[must_use]
    pub const fn unauthorized() -> Self {
        Self(SubjectGuard::unauthorized())
    }

    /// Redirects to this page (303). GET and HEAD requests add their path and query as `next`.
    ///
    /// ```
    /// # use cloakroom_actix::RequireSubject;
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
    /// # use cloakroom_actix::RequireSubject;
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
    /// # use cloakroom_actix::RequireSubject;
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
    /// # use cloakroom_actix::RequireSubject;
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
    /// # use cloakroom_actix::RequireSubject;
    /// let guard = RequireSubject::redirect_to("/sign-in")
    ///     .level(2)
    ///     .confirm_at("/second-factor");
    /// ```
    #[must_use]
    pub const fn confirm_at(self, page: &'static str) -> Self {
        Self(self.0.confirm_at(page))
    }
}

impl<T, B, K: 'static> Transform<T, ServiceRequest> for RequireSubject<K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = RequireSubjectService<T, K>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: T) -> Self::Future {
        ready(Ok(RequireSubjectService {
            inner: Rc::new(inner),
            guard: self.0,
        }))
    }
}

/// The service that [`RequireSubject`] wraps around another.
///
/// ```
/// use cloakroom_actix::RequireSubjectService;
///
/// fn name<T>(service: &RequireSubjectService<T>) -> String {
///     format!("{service:?}")
/// }
/// ```
pub struct RequireSubjectService<T, K = ()> {
    inner: Rc<T>,
    guard: SubjectGuard<K>,
}

impl<T, B, K: 'static> Service<ServiceRequest> for RequireSubjectService<T, K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, guard) = (Rc::clone(&self.inner), self.guard);
        let session = request.extensions().get::<Session<K>>().cloned();
        let method = request.method().as_str().parse().unwrap_or_default();
        let target = request.uri().path_and_query().map(ToString::to_string);
        Box::pin(async move {
            let checked = match session {
                None => Err(Denied::failed(NO_MIDDLEWARE)),
                Some(session) => {
                    let target = target.unwrap_or_default();
                    guard.check(&session, &method, &target).await
                }
            };
            match checked {
                Ok(()) => Ok(inner.call(request).await?.map_into_left_body()),
                Err(denied) => {
                    let response = response(&denied);
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        })
    }
}

fn response(denied: &Denied) -> HttpResponse {
    let status = StatusCode::from_u16(denied.status().as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in denied.headers() {
        response.insert_header((name.as_str(), value.as_bytes()));
    }
    response.body(denied.text().to_owned())
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

impl<T, K> fmt::Debug for RequireSubjectService<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireSubjectService")
            .field(&self.guard)
            .finish()
    }
}
