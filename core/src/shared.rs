//! The configuration's shared objects of the application, such as formats and token schemes.

use std::fmt;
use std::sync::Arc;

/// Something of the application's, shared by all exchanges. `Debug` shows nothing of it.
pub(crate) struct Shared<T: ?Sized>(pub(crate) Arc<T>);

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(..)")
    }
}
