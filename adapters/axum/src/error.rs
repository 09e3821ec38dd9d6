use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;

/// Why a handler has no session, or could not use it, as a response: a rejection, and an error to return from handlers.
///
/// The response is a plain sentence with a fitting status ([`status`](Error::status)) that tells the client nothing of the inside; what
/// went wrong goes to the log (`tracing`).
///
/// ```
/// use axum::response::{Html, IntoResponse, Response};
/// use cloakroom_axum::{Error, Session};
///
/// async fn page(session: Result<Session, Error>) -> Response {
///     match session {
///         Ok(_) => Html("<p>Welcome.").into_response(),
///         Err(error) => (error.status(), Html("<p>Back in a minute.")).into_response(),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Error(cloakroom::Error);

impl Error {
    pub(crate) const NO_LAYER: Self = Self(cloakroom::Error::NotSetUp(
        "a handler wants a session, but no `SessionLayer` (of this type) is around its route; add `.layer(SessionLayer::new(..))` after the route",
    ));

    /// The status of the response.
    ///
    /// ```
    /// # use cloakroom_axum::Error;
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
    /// use cloakroom_axum::{CommitError, Error, SessionError};
    ///
    /// fn is_full(error: &Error) -> bool {
    ///     matches!(error.cause(), CommitError::Session(SessionError::TooLarge { .. }))
    /// }
    /// ```
    #[must_use]
    pub fn cause(&self) -> &cloakroom::Error {
        &self.0
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "session");
        let mut response = Response::new(Body::from(self.0.sentence()));
        *response.status_mut() = self.status();
        response
    }
}

cloakroom::wrap_error!(Error);
