use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use crate::{Error, adapter};

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        let status = StatusCode::from_u16(self.status().as_u16());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).body(adapter::report(self))
    }
}
