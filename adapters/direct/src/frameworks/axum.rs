use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};

use crate::Error;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Response::<Body>::from(self)
    }
}
