use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use std::fmt;

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
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Session(cloakroom::Error),
    NoLayer,
}

impl Error {
    pub(crate) const NO_LAYER: Self = Self(Kind::NoLayer);

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
        let hint = match &self.0 {
            Kind::Session(error) => error.status_hint(),
            Kind::NoLayer => 500,
        };
        StatusCode::from_u16(hint).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "session");
        let mut response = Response::new(Body::from(match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => {
                "Your session cannot be reached right now. Please try again in a moment."
            }
            StatusCode::FORBIDDEN => {
                "You are signed in too often. Please sign out somewhere else first."
            }
            StatusCode::PAYLOAD_TOO_LARGE => "There is too much in your session.",
            _ => "Something went wrong with your session.",
        }));
        *response.status_mut() = self.status();
        response
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Session(error) => error.fmt(f),
            Kind::NoLayer => f.write_str(
                "a handler wants a session, but no `SessionLayer` (of this type) is around its route; add `.layer(SessionLayer::new(..))` after the route",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Session(error) => std::error::Error::source(error),
            Kind::NoLayer => None,
        }
    }
}

/// From what the methods of a session return, and those of [`Sessions`](crate::Sessions).
impl<E: Into<cloakroom::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Kind::Session(error.into()))
    }
}
