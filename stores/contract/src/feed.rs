use std::future::Future;
use std::sync::Arc;

use crate::{Key, Store, StoreError};

/// A store that announces the records that any process removes, so that others notice at once.
///
/// Nothing relies on it. An announcement may come late, twice or never, and a listener looks at the
/// store in any case. So a store sends them as it can, and never makes a write wait for one.
pub trait Feed: Store {
    /// A listener's connection.
    type Hints: Hints;

    /// Listens to what is removed from now on.
    ///
    /// # Errors
    ///
    /// When the store cannot listen now. A permanent error says that it never can.
    fn listen(&self) -> impl Future<Output = Result<Self::Hints, StoreError>> + Send;
}

/// The announcements of a [`Feed`], as they arrive.
pub trait Hints: Send + 'static {
    /// Waits for the next one. Returns `None` when the connection has ended: then listen again, and
    /// look at everything. If the future is dropped, no hint is lost.
    fn next(&mut self) -> impl Future<Output = Option<Hint>> + Send;
}

/// An announcement of a [`Feed`].
///
/// ```
/// use cloakroom_store::{Hint, Key};
///
/// let key = Key::new("session:1").unwrap();
/// assert_ne!(Hint::Removed(key), Hint::Lost);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The record under this key was removed.
    Removed(Key),
    /// Some announcements were lost.
    Lost,
}

impl<S: Feed> Feed for Arc<S> {
    type Hints = S::Hints;

    fn listen(&self) -> impl Future<Output = Result<Self::Hints, StoreError>> + Send {
        S::listen(self)
    }
}
