use std::fmt;

use cloakroom_core::Error as SessionError;
use cloakroom_store::StoreError;

/// Why a session could not be loaded, used or saved. Never because of what a client presented.
///
/// ```
/// use cloakroom::{Error, StoreError};
///
/// let error = Error::from(StoreError::transient("redis", "timed out after 2 s"));
/// assert_eq!(error.status_hint(), 503);
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
}

impl Error {
    /// The HTTP status that fits, for those who do not choose one: 503 where trying again may help, 403 for one session too
    /// many, 413 for a session over a limit, 500 otherwise.
    ///
    /// ```
    /// assert_eq!(cloakroom::Error::TooManySessions.status_hint(), 403);
    /// ```
    #[must_use]
    pub fn status_hint(&self) -> u16 {
        match self {
            Self::Store(_) => 503,
            Self::Session(error) => cloakroom_core::http::status_hint(error).as_u16(),
            Self::Entropy(_) => 500,
            Self::TooManySessions => 403,
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
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Entropy(error) => Some(&**error),
            Self::Session(_) | Self::TooManySessions => None,
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
