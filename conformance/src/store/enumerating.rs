//! The claim of a store that goes through all its records.

use cloakroom_store::{Cursor, Enumerate, Page};

use super::ability::Ability;
use super::fixture::{Claims, Fixture, StoreFuture};

pub(super) type EnumerateCall<F> =
    for<'a> fn(&'a <F as Fixture>::Store, Option<&'a Cursor>, usize) -> StoreFuture<'a, Page>;

impl<F: Fixture> Claims<F> {
    /// Claims that the store goes through all its records.
    ///
    #[doc = example!("Fixture<Store: cloakroom_store::Enumerate>", "enumerate()")]
    #[must_use]
    pub fn enumerate(self) -> Self
    where
        F::Store: Enumerate,
    {
        let enumerate = Some(
            (|store: &F::Store, after, limit| Box::pin(store.enumerate(after, limit)))
                as EnumerateCall<F>,
        );
        Self { enumerate, ..self }.claiming(Ability::Enumerate)
    }
}
