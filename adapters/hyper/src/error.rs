use http::{Response, StatusCode};

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
pub struct Error(cloakroom::Error);

impl Error {
    pub(crate) const NO_SERVICE: Self = Self(cloakroom::Error::NotSetUp(
        "a service wants a session, but no `SessionService` (of this type) is around it; serve `SessionService::new(service, SessionLayer::new(..))`",
    ));

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
        self.0.status()
    }

    /// What failed, for those who tell a broken store from a session over a limit.
    ///
    /// ```
    /// use cloakroom_hyper::{CommitError, Error, SessionError};
    ///
    /// fn is_full(error: &Error) -> bool {
    ///     matches!(error.cause(), CommitError::Session(SessionError::TooLarge { .. }))
    /// }
    /// ```
    #[must_use]
    pub fn cause(&self) -> &cloakroom::Error {
        &self.0
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
        let mut response = Response::new(B::from(self.0.sentence()));
        *response.status_mut() = self.status();
        response
    }
}

cloakroom::wrap_error!(Error);
