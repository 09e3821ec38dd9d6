use std::future::Future;
use std::sync::Arc;

use crate::{Key, Store, StoreError};

/// A store that announces every change of its records, in order, on a connection of its own. A
/// cache drops what changed, and keeps the rest longer.
///
/// Unlike a [`Feed`](crate::Feed), a listener relies on it: after [`Change::Complete`] nothing is
/// missing. So a store that cannot promise that does not have this ability.
pub trait Track: Store {
    /// A listener's connection.
    type Changes: Changes;

    /// Listens to all changes from now on. Costs a connection and a few round trips.
    ///
    /// A load that begins after this returned is covered: a later change of its record is
    /// announced.
    ///
    /// # Errors
    ///
    /// When the store cannot listen now. A permanent error says that it never can.
    fn track(&self) -> impl Future<Output = Result<Self::Changes, StoreError>> + Send;
}

/// The changes of a [`Track`], in order.
pub trait Changes: Send + 'static {
    /// Asks for a [`Change::Complete`]. Returns at once. While a question is open, the next one has
    /// no effect.
    fn ask(&mut self);

    /// Waits for the next change. Returns `None` when the connection has ended, or may have missed
    /// something for good. Then everything that was loaded is in doubt. If the future is dropped,
    /// nothing is lost.
    fn next(&mut self) -> impl Future<Output = Option<Change>> + Send;
}

/// A message of [`Changes`].
///
/// ```
/// use cloakroom_store::{Change, Key};
///
/// let key = Key::new("session:1").unwrap();
/// assert_ne!(Change::Record(key), Change::Complete);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The record under this key was written, touched or removed, by any process. A store may send
    /// one message for several changes that no reader could tell apart.
    Record(Key),
    /// Anything may have changed.
    All,
    /// All changes that were acknowledged before [`Changes::ask`] have been announced.
    Complete,
}

impl<S: Track> Track for Arc<S> {
    type Changes = S::Changes;

    fn track(&self) -> impl Future<Output = Result<Self::Changes, StoreError>> + Send {
        S::track(self)
    }
}
