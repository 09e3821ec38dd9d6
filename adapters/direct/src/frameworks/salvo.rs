use salvo::http::StatusError;
use salvo::{Response, Scribe};

use crate::{Error, adapter};

/// Replaces the body. The service's catcher writes the page, and has the error as the origin.
impl Scribe for Error {
    fn render(self, res: &mut Response) {
        let text = adapter::report(&self);
        let page = StatusError::from_code(self.status());
        let page = page.unwrap_or_else(StatusError::internal_server_error);
        res.render(page.brief(text).origin(self));
    }
}
