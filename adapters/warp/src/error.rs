use http::StatusCode;
use std::fmt;
use warp::reply::{Reply, Response};
use warp::{Rejection, reject::Reject};

/// Why a filter has no session, or a handler could not use it: a rejection, and a reply.
///
/// The reply is a plain sentence with a fitting status ([`status`](Error::status)) that tells the client nothing of the inside; what went
/// wrong goes to the log (`tracing`). So does the `Debug` form, as warp sends that of rejections nobody handles to the client.
///
/// ```
/// use cloakroom_warp::{Error, Session, session};
/// use warp::Filter as _;
///
/// async fn sign_out(session: Session) -> Result<&'static str, Error> {
///     session.sign_out()?;
///     Ok("Goodbye.")
/// }
///
/// let route = warp::path("sign-out").and(warp::post()).and(session()).then(sign_out);
/// ```
pub struct Error(cloakroom::Error);

impl Error {
    pub(crate) const NO_LAYER: Self = Self(cloakroom::Error::NotSetUp(
        "a filter wants a session, but no `SessionLayer` (of this type) is around the service; serve `SessionLayer::new(..).layer(warp::service(routes))`",
    ));

    /// The status of the reply.
    ///
    /// ```
    /// # use cloakroom_warp::Error;
    /// fn is_outage(error: &Error) -> bool {
    ///     error.status() == 503
    /// }
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// What failed, for those who tell a broken store from a session over a limit.
    ///
    /// ```
    /// use cloakroom_warp::{CommitError, Error, SessionError};
    ///
    /// fn is_full(error: &Error) -> bool {
    ///     matches!(error.cause(), CommitError::Session(SessionError::TooLarge { .. }))
    /// }
    /// ```
    #[must_use]
    pub fn cause(&self) -> &cloakroom::Error {
        &self.0
    }

    fn response(&self) -> Response {
        tracing::error!(error = %self, "session");
        warp::reply::with_status(self.0.sentence(), self.status()).into_response()
    }
}

/// Makes the reply of an [`Error`] out of its rejection, and passes on every other: for `Filter::recover`. Without it (or one of
/// the application's) warp answers 500 to all that went wrong with a session, an outage included.
///
/// # Errors
///
/// The rejection, if it is another one.
///
/// ```
/// use cloakroom_warp::{recover, session};
/// use warp::Filter as _;
///
/// let routes = session().map(|_| "Welcome.").recover(recover);
/// ```
pub async fn recover(rejection: Rejection) -> Result<Response, Rejection> {
    match rejection.find::<Error>() {
        Some(error) => Ok(error.response()),
        None => Err(rejection),
    }
}

impl Reject for Error {}

impl Reply for Error {
    fn into_response(self) -> Response {
        self.response()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0.sentence()).finish()
    }
}

cloakroom::wrap_error!(Error);
