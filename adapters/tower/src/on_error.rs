use cloakroom::Error;
use http::Response;

/// Makes the response for a request whose session could not be saved. Nothing else tells anybody, so log the error.
///
/// Every `Fn(&Error) -> Response<B>` is one.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower::{Error, SessionLayer};
/// use http::Response;
///
/// let layer = SessionLayer::new(MemoryStore::new()).on_error(|error: &Error| {
///     let mut response = Response::new("Please try again.".to_owned());
///     *response.status_mut() = error.status();
///     response
/// });
/// ```
pub trait OnError<B> {
    /// The response. It replaces the handler's, which claims what did not happen.
    fn respond(&self, error: &Error) -> Response<B>;
}

impl<B, F: Fn(&Error) -> Response<B>> OnError<B> for F {
    fn respond(&self, error: &Error) -> Response<B> {
        self(error)
    }
}

/// The default: the status that fits ([`Error::status`]) and an empty body. What went wrong goes to the log (`tracing`).
///
/// ```
/// use cloakroom_tower::{Error, OnError, StatusOnly};
///
/// let response: http::Response<String> = StatusOnly.respond(&Error::TooManySessions);
/// assert_eq!(response.status(), 403);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusOnly;

impl<B: Default> OnError<B> for StatusOnly {
    fn respond(&self, error: &Error) -> Response<B> {
        tracing::error!(%error, "session");
        let mut response = Response::new(B::default());
        *response.status_mut() = error.status();
        response
    }
}
