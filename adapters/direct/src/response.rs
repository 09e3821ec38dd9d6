//! An error as a response.

use http::Response;

use crate::Error;
use crate::report::report;

/// The error as a response, for services that build theirs by hand (hyper, tower). Logs the error.
///
/// ```
/// use cloakroom::Error;
/// use http::Response;
///
/// let response: Response<String> = Error::TooManySessions.into();
/// assert_eq!(response.status(), 403);
/// ```
impl<B: From<String>> From<Error> for Response<B> {
    fn from(error: Error) -> Self {
        let mut response = Self::new(B::from(report(&error)));
        *response.status_mut() = error.status();
        response
    }
}
