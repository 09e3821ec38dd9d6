use http::{Response, StatusCode};
use std::fmt;

/// Why a service has no session, or could not use it.
///
/// ```
/// use cloakroom_hyper::{Error, Session, session};
/// use hyper::{Request, Response, body::Incoming};
///
/// async fn page(request: Request<Incoming>) -> Response<String> {
///     match session::<(), _>(&request).await {
///         Ok(_) => Response::new("Welcome.".to_owned()),
///         Err(error) => {
///             let mut response = Response::new("Back in a minute.".to_owned());
///             *response.status_mut() = error.status();
///             response
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Session(cloakroom::Error),
    NoService,
}

impl Error {
    pub(crate) const NO_SERVICE: Self = Self(Kind::NoService);

    /// The status of the response.
    ///
    /// ```
    /// # use cloakroom_hyper::Error;
    /// fn is_outage(error: &Error) -> bool {
    ///     error.status() == 503
    /// }
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let hint = match &self.0 {
            Kind::Session(error) => error.status_hint(),
            Kind::NoService => 500,
        };
        StatusCode::from_u16(hint).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A plain sentence with a fitting status that tells the client nothing of the inside; what went wrong goes to the log
    /// (`tracing`).
    ///
    /// ```
    /// # use cloakroom_hyper::Error;
    /// # use hyper::Response;
    /// fn answer(result: Result<Response<String>, Error>) -> Response<String> {
    ///     result.unwrap_or_else(Error::into_response)
    /// }
    /// ```
    pub fn into_response<B: From<&'static str>>(self) -> Response<B> {
        tracing::error!(error = %self, "session");
        let mut response = Response::new(B::from(match self.status() {
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
            Kind::NoService => f.write_str(
                "a service wants a session, but no `SessionService` (of this type) is around it; serve `SessionService::new(service, SessionLayer::new(..))`",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Session(error) => std::error::Error::source(error),
            Kind::NoService => None,
        }
    }
}

/// From what the methods of a session return, and those of [`Sessions`](crate::Sessions).
impl<E: Into<cloakroom::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Kind::Session(error.into()))
    }
}
