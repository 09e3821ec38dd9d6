use cloakroom::Error as CommitError;
use rocket::http::Status;
use rocket::response::{self, Responder};
use rocket::{Request, Response};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a handler has no session, or could not use or save it: what the guards fail with, and an error to return from handlers.
///
/// As a responder it hands over to the application's catcher of a fitting status ([`status`](Error::status)); what went wrong goes to the
/// log (`tracing`, or `log` if there is no subscriber), never to the client. A catcher that wants to know asks with [`of`](Error::of).
///
/// ```
/// use cloakroom_rocket::{Error, Session};
///
/// #[rocket::post("/sign-out")]
/// fn sign_out(session: Session) -> Result<&'static str, Error> {
///     session.sign_out()?;
///     Ok("Goodbye.")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Error(Arc<CommitError>);

impl Error {
    /// The status of the response: 503 where trying again may help, 403 for one session too many, 413 for a session over a
    /// limit, 500 otherwise.
    ///
    /// ```
    /// # use cloakroom_rocket::Error;
    /// # use rocket::http::Status;
    /// fn is_outage(error: &Error) -> bool {
    ///     error.status() == Status::ServiceUnavailable
    /// }
    /// ```
    #[must_use]
    pub fn status(&self) -> Status {
        Status::new(self.0.status().as_u16())
    }

    /// What failed, for those who tell a broken store from a session over a limit.
    ///
    /// ```
    /// use cloakroom_rocket::{CommitError, Error};
    ///
    /// fn is_signed_in_too_often(error: &Error) -> bool {
    ///     matches!(error.cause(), CommitError::TooManySessions)
    /// }
    /// ```
    #[must_use]
    pub fn cause(&self) -> &CommitError {
        &self.0
    }

    /// What went wrong with the session of this request: for catchers.
    ///
    /// ```
    /// use cloakroom_rocket::Error;
    /// use rocket::{Request, http::Status};
    ///
    /// #[rocket::catch(default)]
    /// fn sorry(status: Status, request: &Request<'_>) -> String {
    ///     match Error::of(request) {
    ///         Some(_) => "Your session cannot be reached right now. Please try again in a moment.".to_owned(),
    ///         None => status.to_string(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn of(request: &Request<'_>) -> Option<Self> {
        last(request).clone()
    }

    /// The application's own page for it, as if a handler had failed with it.
    pub(crate) async fn page<'r>(self, request: &'r Request<'_>) -> Response<'r> {
        let status = self.report(request);
        // The one that Rocket would choose: of the longest base, and of those rather one for this status than one for all.
        let path = request.uri().path();
        let catchers = request.rocket().catchers().filter(|catcher| {
            catcher.code.is_none_or(|code| code == status.code)
                && catcher.base.path().segments().prefix_of(path.segments())
        });
        let catcher = catchers
            .max_by_key(|catcher| (catcher.base.path().segments().len(), catcher.code.is_some()));
        if let Some(catcher) = catcher
            && let Ok(response) = catcher.handler.handle(status, request).await
        {
            return response;
        }
        Response::build().status(status).finalize()
    }

    /// Leaves it for the catcher of the status that it returns.
    pub(crate) fn report(self, request: &Request<'_>) -> Status {
        tracing::error!(error = %self, "session");
        let status = self.status();
        *last(request) = Some(self);
        status
    }
}

/// The last one of a request.
fn last<'r>(request: &'r Request<'_>) -> MutexGuard<'r, Option<Error>> {
    let last = request.local_cache(Mutex::<Option<Error>>::default);
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'r> Responder<'r, 'static> for Error {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Err(self.report(request))
    }
}

cloakroom::wrap_error!(Error);
