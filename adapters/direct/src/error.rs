use std::fmt;
use std::sync::Arc;

use cloakroom_core::Error as SessionError;
use cloakroom_store::StoreError;
use http::StatusCode;

/// The error of every method of a session, of its adapters and of [`Sessions`](crate::Sessions).
///
/// No client can cause one: a token that is forged, malformed or expired is a visitor without a
/// session. In each framework whose adapter is used, this type is also a response, so handlers
/// return it with `?`. The response has the [`status`](Error::status) that fits and a sentence that
/// names no internals ([`sentence`](Error::sentence)). The error itself goes to the log.
///
/// Cloning costs one reference count.
///
/// ```
/// use cloakroom::{Error, StoreError};
///
/// let error = Error::from(StoreError::transient("redis", "timed out after 2 s"));
/// assert_eq!(error.status(), 503);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The store did not answer, or could not confirm a write.
    Store(Arc<StoreError>),
    /// The session refused the call: a value of another type, a limit, a session that is closed.
    Session(SessionError),
    /// The system returned no randomness for a token.
    Entropy(Arc<dyn std::error::Error + Send + Sync>),
    /// The subject has reached the limit of
    /// [`Sessions::with_limit`](crate::Sessions::with_limit). Nothing was changed.
    TooManySessions,
    /// A handler asked for its session, and no layer has put one into the request. The adapter's
    /// text names what to add.
    NotSetUp(&'static str),
}

impl Error {
    /// Returns the error of a source of randomness that failed: for
    /// [`Sessions::with_entropy`](crate::Sessions::with_entropy).
    ///
    /// ```
    /// assert_eq!(
    ///     cloakroom::Error::entropy("the generator is unplugged").status(),
    ///     500
    /// );
    /// ```
    pub fn entropy(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Entropy(Arc::from(source.into()))
    }

    /// Returns the HTTP status that fits. 503: a retry may help. 409: a sign-in overtook the
    /// changes. 403: too many sessions. 413: a session over a limit. 500: anything else.
    ///
    /// ```
    /// assert_eq!(cloakroom::Error::TooManySessions.status(), 403);
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Session(error) => cloakroom_core::http::status_hint(error),
            Self::Entropy(_) | Self::NotSetUp(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManySessions => StatusCode::FORBIDDEN,
        }
    }

    /// Returns a sentence for the visitor. It names no internals.
    ///
    /// ```
    /// use cloakroom::{Error, StoreError};
    ///
    /// let error = Error::from(StoreError::transient(
    ///     "redis",
    ///     "10.0.0.7 refused the connection",
    /// ));
    /// assert_eq!(
    ///     error.sentence(),
    ///     "Your session cannot be reached right now. Please try again in a moment.",
    /// );
    /// ```
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => {
                "Your session cannot be reached right now. Please try again in a moment."
            }
            StatusCode::CONFLICT => {
                "You have signed in meanwhile. Please reload the page and try again."
            }
            StatusCode::FORBIDDEN => {
                "You are signed in too often. Please sign out somewhere else first."
            }
            StatusCode::PAYLOAD_TOO_LARGE => "There is too much in your session.",
            _ => "Something went wrong with your session.",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
            Self::Entropy(error) => write!(
                f,
                "the system returned no randomness for a token: {error}; check the source of \
                 `Sessions::with_entropy`, or the system's random device"
            ),
            Self::TooManySessions => f.write_str(
                "this subject has as many sessions as `with_limit` allows; end one of them first",
            ),
            Self::NotSetUp(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Entropy(error) => Some(&**error),
            Self::Session(_) | Self::TooManySessions | Self::NotSetUp(_) => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
