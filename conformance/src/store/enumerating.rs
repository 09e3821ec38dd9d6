//! The claim of a store that goes through all its records.

use cloakroom_store::{Cursor, Enumerate, Page};

use super::ability::Ability;
use super::fixture::{Claims, Fixture, StoreFuture};

pub(super) type EnumerateCall<F> =
    for<'a> fn(&'a <F as Fixture>::Store, Option<&'a Cursor>, usize) -> StoreFuture<'a, Page>;

impl<F: Fixture> Claims<F> {
    /// Claims that the store goes through all its records.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Fixture};
    ///
    /// fn claims<F: Fixture<Store: cloakroom_store::Enumerate>>(
    ///     claims: Claims<F>,
    /// ) -> Claims<F> {
    ///     claims.enumerate()
    /// }
    /// ```
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
