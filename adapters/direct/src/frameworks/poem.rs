use http::StatusCode;
use poem::error::ResponseError;
use poem::{IntoResponse, Response};

use crate::{Error, adapter};

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }

    fn as_response(&self) -> Response {
        (Self::status(self), adapter::report(self)).into_response()
    }
}
