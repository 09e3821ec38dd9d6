use cloakroom::Error;
use warp::Rejection;
use warp::reply::{Reply, Response};

use crate::guard::Refused;

/// Returns the session's error in a rejection, if it has one: for `recover` handlers of your own.
///
/// ```
/// use cloakroom_warp::error_of;
/// use warp::{Rejection, Reply};
///
/// async fn sorry(rejection: Rejection) -> Result<impl Reply, Rejection> {
///     match error_of(&rejection) {
///         Some(error) => Ok(warp::reply::with_status(
///             "Back in a minute.",
///             error.status(),
///         )),
///         None => Err(rejection),
///     }
/// }
/// ```
#[must_use]
pub fn error_of(rejection: &Rejection) -> Option<&Error> {
    cloakroom::frameworks::warp::error_of(rejection)
}

/// Answers with the session's [`Error`] or with the response of
/// [`require_subject`](crate::require_subject) and the other guards, and passes on every other
/// rejection: for `Filter::recover`.
///
/// Without a `recover` handler warp answers every session error with 500, an outage included.
///
/// # Errors
///
/// The rejection, if it has no session error.
///
/// ```
/// use cloakroom_warp::{recover, session};
/// use warp::Filter as _;
///
/// let routes = session().map(|_| "Welcome.").recover(recover);
/// ```
pub async fn recover(rejection: Rejection) -> Result<Response, Rejection> {
    if let Some(denied) = rejection.find::<Refused>() {
        return Ok(denied.0.clone().into_response());
    }
    match error_of(&rejection) {
        Some(error) => Ok(error.clone().into_response()),
        None => Err(rejection),
    }
}
