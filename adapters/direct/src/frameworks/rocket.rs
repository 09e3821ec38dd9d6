//! Rocket: a responder that hands over to the application's catchers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rocket::Request;
use rocket::http::Status;
use rocket::response::{self, Responder};

use crate::Error;

impl<'r> Responder<'r, 'static> for Error {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        // The catcher writes the text.
        Err(report(self, request).0)
    }
}

/// Logs an error, keeps it for the catcher, and returns the status whose catcher answers, and the
/// text where there is none.
#[must_use]
pub fn report(error: Error, request: &Request<'_>) -> (Status, String) {
    let text = crate::adapter::report(&error);
    let status = Status::new(error.status().as_u16());
    *last(request) = Some(error);
    (status, text)
}

/// Returns the session's error of this request, if there was one: for catchers.
#[must_use]
pub fn error_of(request: &Request<'_>) -> Option<Error> {
    last(request).clone()
}

/// Returns the last error of a request.
fn last<'r>(request: &'r Request<'_>) -> MutexGuard<'r, Option<Error>> {
    let last = request.local_cache(Mutex::<Option<Error>>::default);
    last.lock().unwrap_or_else(PoisonError::into_inner)
}
