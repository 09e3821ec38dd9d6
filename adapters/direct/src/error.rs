use std::fmt;

use cloakroom_core::Error as SessionError;
use cloakroom_store::StoreError;
use http::StatusCode;

/// Why a session could not be loaded, used or saved. Never because of what a client presented.
///
/// ```
/// use cloakroom::{Error, StoreError};
///
/// let error = Error::from(StoreError::transient("redis", "timed out after 2 s"));
/// assert_eq!(error.status(), 503);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The store could not be asked, or does not know whether it wrote.
    Store(StoreError),
    /// The session itself: a value of another type, a limit, a session used after its response, a record that cannot be read.
    Session(SessionError),
    /// The system gave no randomness.
    Entropy(Box<dyn std::error::Error + Send + Sync>),
    /// The subject has as many sessions as it may have ([`Sessions::with_limit`](crate::Sessions::with_limit)); nothing was changed.
    TooManySessions,
    /// A handler asked for its session, and nothing around it has put one there: a mistake in the application. The text, of the
    /// adapter, says what to add.
    NotSetUp(&'static str),
}

impl Error {
    /// The HTTP status that fits, for those who do not choose one: 503 where trying again may help, 403 for one session too
    /// many, 413 for a session over a limit, 500 otherwise.
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

    /// A sentence to show to the client, for those who do not write one: it tells nothing of the inside.
    ///
    /// ```
    /// use cloakroom::{Error, StoreError};
    ///
    /// let error = Error::from(StoreError::transient("redis", "10.0.0.7 refused the connection"));
    /// assert_eq!(error.sentence(), "Your session cannot be reached right now. Please try again in a moment.");
    /// ```
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => {
                "Your session cannot be reached right now. Please try again in a moment."
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
            Self::Entropy(error) => write!(f, "the system gave no randomness for a token: {error}"),
            Self::TooManySessions => {
                f.write_str("this user is signed in too often; end another session first")
            }
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
        Self::Store(error)
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
