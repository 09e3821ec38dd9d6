use cloakroom::adapter::SubjectGuard;
use cloakroom::{Error, Session as Handle};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};
use std::marker::PhantomData;
use std::time::Duration;

use crate::Session;
use crate::guard::{load, outcome};

/// The subject of a signed-in session: a guard that lets only signed-in visitors pass.
///
/// Fails with 401 for a visitor without a subject, so the application's catcher of 401 answers. The
/// guard's error is `None` then, or the error of a failed load. Costs one load, which [`Session`]
/// shares. What a subject may do is the application's to decide.
///
/// ```
/// use cloakroom_rocket::{Subject, sign_in_url};
/// use rocket::Request;
/// use rocket::response::Redirect;
///
/// #[rocket::get("/orders")]
/// fn orders(subject: Subject) -> String {
///     format!("orders of {}", subject.name)
/// }
///
/// /// For browsers. An API leaves this out.
/// #[rocket::catch(401)]
/// fn sign_in(request: &Request<'_>) -> Redirect {
///     Redirect::to(sign_in_url("/sign-in", request))
/// }
/// ```
///
/// After the sign-in the page redirects to `next`, if it is a [`local_path`](crate::local_path).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subject<K = ()> {
    /// The subject, as [`sign_in`](cloakroom::Session::sign_in) got it.
    pub name: String,
    kind: PhantomData<fn() -> K>,
}

/// Why a [`Subject`] guard failed: the session's error, or `None` for a visitor without a subject.
type Failure = Option<Error>;

#[rocket::async_trait]
impl<'r, K: 'static> FromRequest<'r> for Subject<K> {
    type Error = Failure;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Failure> {
        let session: Result<Handle<K>, Error> = load(request).await;
        let subject = session.and_then(|session| session.subject());
        match outcome(subject, request) {
            Outcome::Success(Some(name)) => Outcome::Success(Self {
                name,
                kind: PhantomData,
            }),
            Outcome::Success(None) => Outcome::Error((Status::Unauthorized, None)),
            Outcome::Error((status, error)) => Outcome::Error((status, Some(error))),
            Outcome::Forward(status) => Outcome::Forward(status),
        }
    }
}

impl<K: 'static> Sentinel for Subject<K> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        Session::<K>::abort(rocket)
    }
}

/// The subject of a session whose last sign-in is less than `SECONDS` ago, with at least `LEVEL`: a
/// guard for a step-up before something that matters (OWASP ASVS 5.0, 7.5.1 and 7.5.3).
///
/// Fails with 401 for a visitor without a subject, as [`Subject`]. Fails with 403 for a subject who
/// has to be authenticated again, so the application's catcher of 403 sends them to a page that
/// calls [`reauthenticate`](cloakroom::Session::reauthenticate). At exactly this age the sign-in no
/// longer counts. Level 0 is any sign-in. Costs one load, which [`Session`] shares.
///
/// ```
/// use cloakroom_rocket::{RecentSubject, sign_in_url};
/// use rocket::Request;
/// use rocket::response::Redirect;
///
/// #[rocket::post("/transfer")]
/// fn transfer(subject: RecentSubject<300, 2>) -> String {
///     format!("a transfer of {}", subject.name)
/// }
///
/// #[rocket::catch(403)]
/// fn confirm(request: &Request<'_>) -> Redirect {
///     Redirect::to(sign_in_url("/confirm", request))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecentSubject<const SECONDS: u64, const LEVEL: u8 = 0, K = ()> {
    /// The subject, as [`sign_in`](cloakroom::Session::sign_in) got it.
    pub name: String,
    kind: PhantomData<fn() -> K>,
}

#[rocket::async_trait]
impl<'r, const SECONDS: u64, const LEVEL: u8, K: 'static> FromRequest<'r>
    for RecentSubject<SECONDS, LEVEL, K>
{
    type Error = Failure;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Failure> {
        let session: Result<Handle<K>, Error> = load(request).await;
        let found = session.and_then(|session| {
            let level = session.authentication()?.map_or(0, |how| how.level());
            let recent = session.authenticated_within(Duration::from_secs(SECONDS))?;
            Ok((session.subject()?, recent && level >= LEVEL))
        });
        match outcome(found, request) {
            Outcome::Success((Some(name), true)) => Outcome::Success(Self {
                name,
                kind: PhantomData,
            }),
            Outcome::Success((Some(_), false)) => Outcome::Error((Status::Forbidden, None)),
            Outcome::Success((None, _)) => Outcome::Error((Status::Unauthorized, None)),
            Outcome::Error((status, error)) => Outcome::Error((status, Some(error))),
            Outcome::Forward(status) => Outcome::Forward(status),
        }
    }
}

impl<const SECONDS: u64, const LEVEL: u8, K: 'static> Sentinel
    for RecentSubject<SECONDS, LEVEL, K>
{
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        Session::<K>::abort(rocket)
    }
}

/// Returns the sign-in page with this request's path and query as `next`: for a catcher of 401.
///
/// Only GET and HEAD requests with a [`local_path`](crate::local_path) have a `next`.
///
/// ```
/// use cloakroom_rocket::sign_in_url;
/// use rocket::response::Redirect;
///
/// #[rocket::catch(401)]
/// fn sign_in(request: &rocket::Request<'_>) -> Redirect {
///     Redirect::to(sign_in_url("/sign-in", request))
/// }
/// ```
#[must_use]
pub fn sign_in_url(page: &'static str, request: &Request<'_>) -> String {
    let method = request.method().as_str().parse().unwrap_or_default();
    let target = request.uri().to_string();
    SubjectGuard::redirect_to(page).sign_in_url(&method, &target)
}
