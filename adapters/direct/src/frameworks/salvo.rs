use salvo::{Response, Scribe};

use crate::{Error, adapter};

impl Scribe for Error {
    fn render(self, res: &mut Response) {
        res.render_with_status(self.status(), adapter::report(&self));
    }
}
