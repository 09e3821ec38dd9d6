use cloakroom::{Error, adapter};
use http::Response;

/// Makes the response for a request whose session could not be saved.
///
/// The response replaces the handler's, whose claims are not true. Every
/// `Fn(&Error) -> Response<B>` implements it. A hook of your own also does the logging.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower::{Error, SessionLayer};
/// use http::Response;
///
/// let layer =
///     SessionLayer::new(MemoryStore::new()).on_commit_error(|error: &Error| {
///         let mut response = Response::new("Please try again.".to_owned());
///         *response.status_mut() = error.status();
///         response
///     });
/// ```
pub trait OnCommitError<B> {
    /// Returns the response.
    fn respond(&self, error: &Error) -> Response<B>;
}

impl<B, F: Fn(&Error) -> Response<B>> OnCommitError<B> for F {
    fn respond(&self, error: &Error) -> Response<B> {
        self(error)
    }
}

/// The default: the status that fits ([`Error::status`]) and a sentence for the visitor
/// ([`Error::sentence`]). Logs the error (`tracing`). In debug builds the error itself is in the
/// body too.
///
/// Works for every body made of a `String`. For others there is [`StatusOnly`].
///
/// ```
/// use cloakroom_tower::{Error, OnCommitError, PlainText};
///
/// let response: http::Response<String> =
///     PlainText.respond(&Error::TooManySessions);
/// assert_eq!(response.status(), 403);
/// assert!(response.body().starts_with("You are signed in too often."));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainText;

impl<B: From<String>> OnCommitError<B> for PlainText {
    fn respond(&self, error: &Error) -> Response<B> {
        error.clone().into()
    }
}

/// The status that fits ([`Error::status`]) and an empty body: for bodies that are not made of a
/// `String`, such as tonic's. Logs the error (`tracing`).
///
/// ```
/// use cloakroom_tower::{Error, OnCommitError, StatusOnly};
///
/// let response: http::Response<String> =
///     StatusOnly.respond(&Error::TooManySessions);
/// assert_eq!(response.status(), 403);
/// assert!(response.body().is_empty());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusOnly;

impl<B: Default> OnCommitError<B> for StatusOnly {
    fn respond(&self, error: &Error) -> Response<B> {
        let _ = adapter::report(error);
        let mut response = Response::new(B::default());
        *response.status_mut() = error.status();
        response
    }
}
