//! Two applications of one process at one place.

use std::sync::OnceLock;

use cloakroom_store::Store;

use crate::inner::Inner;

impl<S: Store> Inner<S> {
    /// Warns once if another application of this process has its sessions at the same place, under
    /// the same keys, by a store that it opened itself.
    pub(crate) fn note_place(&self) {
        self.place.get_or_init(|| {
            let Some(place) = self.store.place() else {
                return;
            };
            let keys = self.config.key_prefix();
            if place.is_shared(keys) {
                tracing::warn!(
                    store = place.store(),
                    keys,
                    "two stores of this process are at one place: give each its own, or clone one"
                );
            }
        });
    }
}

/// Filled when the place has been noted.
pub(crate) type Noted = OnceLock<()>;
