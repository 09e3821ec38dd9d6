use std::fmt;
use std::future::Future;
use std::pin::Pin;

use cloakroom_core::Outcome;

use crate::Error;
use crate::backend::Driving;
use crate::crossing::{self, Kind};

/// A session's commit, taken by its adapter: [`adapter::commit`](crate::adapter::commit).
///
/// Asynchronous adapters only need [`outcome`](SessionCommit::outcome). The variants let the others
/// skip the future where there is nothing to wait for.
///
/// ```
/// use cloakroom::adapter::{self, SessionCommit};
/// use cloakroom::{Outcome, Session};
///
/// fn at_once(session: &Session) -> Option<Outcome> {
///     match adapter::commit(session, true) {
///         SessionCommit::Done(outcome) => Some(outcome),
///         SessionCommit::Untouched | SessionCommit::Pending(_) => None,
///     }
/// }
/// ```
#[must_use = "nothing is saved, and the client gets no cookie, until the outcome is awaited"]
pub enum SessionCommit {
    /// No handler asked for the session. There is nothing to commit and nothing to send.
    Untouched,
    /// The session was only read, or could not be loaded. It needs no store call.
    Done(Outcome),
    /// Store calls remain to be made.
    Pending(Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>),
}

impl SessionCommit {
    /// Makes the remaining store calls and returns what to send to the client.
    ///
    /// # Errors
    ///
    /// The errors of [`Sessions::commit`](crate::Sessions::commit).
    ///
    /// ```
    /// # use cloakroom::{Error, Session, adapter, http};
    /// async fn answer(
    ///     session: &Session,
    ///     headers: &mut ::http::HeaderMap,
    /// ) -> Result<(), Error> {
    ///     let outcome = adapter::commit(session, true).outcome().await?;
    ///     http::apply(session.config(), &outcome, headers);
    ///     Ok(())
    /// }
    /// ```
    pub async fn outcome(self) -> Result<Outcome, Error> {
        match self {
            Self::Untouched => Ok(Outcome::default()),
            Self::Done(outcome) => Ok(outcome),
            Self::Pending(commit) => commit.await,
        }
    }
}

impl SessionCommit {
    /// The same, and notes the token that a kind of session issues.
    pub(crate) fn noting(self, kind: Kind) -> Self {
        match self {
            Self::Untouched => Self::Untouched,
            Self::Done(outcome) => {
                crossing::issued(kind, &outcome);
                Self::Done(outcome)
            }
            Self::Pending(commit) => {
                Self::Pending(also(commit, move |outcome| crossing::issued(kind, outcome)))
            }
        }
    }
}

/// Returns the same commit, and notes its outcome.
pub(crate) fn also(commit: Driving, note: impl FnOnce(&Outcome) + Send + 'static) -> Driving {
    Box::pin(async move {
        let outcome = commit.await?;
        note(&outcome);
        Ok(outcome)
    })
}

impl fmt::Debug for SessionCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "Untouched",
            Self::Done(_) => "Done(..)",
            Self::Pending(_) => "Pending(..)",
        })
    }
}
