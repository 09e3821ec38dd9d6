//! warp: a reply, and a rejection.

use std::fmt;

use warp::Rejection;
use warp::reject::Reject;
use warp::reply::{Reply, Response};

use crate::Error;

impl Reply for Error {
    fn into_response(self) -> Response {
        self.into()
    }
}

/// So that `?` rejects with the error in filters that return a `Rejection`.
impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        warp::reject::custom(Rejected(error))
    }
}

/// warp sends the `Debug` form of a rejection that no filter handles to the client.
struct Rejected(Error);

impl Reject for Rejected {}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0.sentence()).finish()
    }
}

/// Returns the session's error in a rejection, if it has one: for `Filter::recover`.
#[must_use]
pub fn error_of(rejection: &Rejection) -> Option<&Error> {
    rejection.find::<Rejected>().map(|rejected| &rejected.0)
}
