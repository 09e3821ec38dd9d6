//! The claim of a store that announces the records that are removed.

use std::pin::Pin;
use std::sync::Arc;

use cloakroom_store::{Feed, Hint, Hints, SharedStore};

use super::ability::Ability;
use super::fixture::{Claims, Fixture, StoreFuture};

/// A listener's connection, its type erased.
pub(crate) trait Listener: Send {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Hint>> + Send + '_>>;
}

impl<H: Hints> Listener for H {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Hint>> + Send + '_>> {
        Box::pin(Hints::next(self))
    }
}

pub(super) struct Announcing<F: Fixture> {
    pub(super) listen: for<'a> fn(&'a F::Store) -> StoreFuture<'a, Box<dyn Listener>>,
    pub(super) erase: fn(Arc<F::Store>) -> SharedStore,
}

pub(super) fn listen<S: Feed>(store: &S) -> StoreFuture<'_, Box<dyn Listener>> {
    Box::pin(async { Ok(Box::new(store.listen().await?) as Box<dyn Listener>) })
}

impl<F: Fixture> Claims<F> {
    /// Claims that the store announces removed records to other handles.
    ///
    #[doc = example!("Fixture<Store: cloakroom_store::Feed>", "feed()")]
    #[must_use]
    pub fn feed(self) -> Self
    where
        F::Store: Feed,
    {
        let feed = Some(Announcing {
            listen: listen::<F::Store>,
            erase: |store| SharedStore::with_feed(store),
        });
        Self { feed, ..self }.claiming(Ability::Feed)
    }
}
