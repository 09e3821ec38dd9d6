use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, SharedDirectory, SharedStore, Store, StoreError,
    Stored, Touched, UnixTime, Write,
};

use super::Fixture;
use super::claims::{Answer, Claim, Claims};

/// A store as the cases see it: its type erased, so that the cases are compiled once, and not once for each store. The suite's
/// own erasure, not `SharedStore`, which is one of the things to check.
#[derive(Clone)]
pub(crate) struct Handle {
    operations: Arc<dyn Operations>,
    /// By how many seconds the end of a record may differ from what was written.
    tolerance: u64,
}

pub(crate) trait Operations: Send + Sync {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>>;
    fn create<'a>(&'a self, key: &'a Key, write: &'a Write) -> Answer<'a, Created>;
    fn replace<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, Replaced>;
    fn touch<'a>(&'a self, key: &'a Key, expires_at: UnixTime) -> Answer<'a, Touched>;
    fn delete<'a>(&'a self, key: &'a Key, old: &'a Stored) -> Answer<'a, Deleted>;
    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>>;
    fn sweep(&self, limit: usize) -> Answer<'_, usize>;
}

impl Handle {
    /// A store that a case reaches as it is.
    pub(super) fn direct<F: Fixture>(store: F::Store, claims: Arc<Claims<F>>) -> Self {
        Self::erased(Direct {
            store: Arc::new(store),
            claims,
        })
    }

    /// A store that a case reaches through `SharedStore`, and its directory through `SharedDirectory`.
    pub(super) fn shared<F: Fixture>(store: F::Store, claims: Arc<Claims<F>>) -> Self {
        let store = Arc::new(store);
        let directory = match &claims.directory {
            Claim::Made(listing) => Some((listing.erase)(Arc::clone(&store))),
            _ => None,
        };
        Self::erased(Shared {
            shared: SharedStore::new(Arc::clone(&store)),
            directory,
            direct: Direct { store, claims },
        })
    }

    /// Two handles taking turns, operation by operation.
    pub(super) fn alternating(handles: [Self; 2]) -> Self {
        let tolerance = handles[0].tolerance;
        let turn = AtomicUsize::new(0);
        Self::erased(Alternating { handles, turn }).tolerating(tolerance)
    }

    pub(super) fn erased(operations: impl Operations + 'static) -> Self {
        Self {
            operations: Arc::new(operations),
            tolerance: 0,
        }
    }

    /// The same for a store that knows the end of a record less exactly.
    pub(super) fn tolerating(self, seconds: u64) -> Self {
        Self {
            tolerance: seconds,
            ..self
        }
    }

    /// Whether a record that ends at `found` may be one that was written to end at `written`.
    pub(super) fn may_end(&self, found: UnixTime, written: UnixTime) -> bool {
        found.as_secs().abs_diff(written.as_secs()) <= self.tolerance
    }
}

impl std::ops::Deref for Handle {
    type Target = dyn Operations;

    fn deref(&self) -> &Self::Target {
        &*self.operations
    }
}

struct Direct<F: Fixture> {
    store: Arc<F::Store>,
    claims: Arc<Claims<F>>,
}

impl<F: Fixture> Operations for Direct<F> {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        Box::pin(F::Store::load(&self.store, key))
    }

    fn create<'a>(&'a self, key: &'a Key, write: &'a Write) -> Answer<'a, Created> {
        Box::pin(F::Store::create(&self.store, key, write))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, Replaced> {
        Box::pin(F::Store::replace(&self.store, key, old, write))
    }

    fn touch<'a>(&'a self, key: &'a Key, expires_at: UnixTime) -> Answer<'a, Touched> {
        Box::pin(F::Store::touch(&self.store, key, expires_at))
    }

    fn delete<'a>(&'a self, key: &'a Key, old: &'a Stored) -> Answer<'a, Deleted> {
        Box::pin(F::Store::delete(&self.store, key, old))
    }

    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>> {
        match &self.claims.directory {
            Claim::Made(listing) => (listing.list)(&self.store, subject),
            _ => unclaimed(),
        }
    }

    fn sweep(&self, limit: usize) -> Answer<'_, usize> {
        match &self.claims.sweep {
            Claim::Made(sweep) => sweep(&self.store, limit),
            _ => unclaimed(),
        }
    }
}

struct Shared<F: Fixture> {
    shared: SharedStore,
    directory: Option<SharedDirectory>,
    direct: Direct<F>,
}

impl<F: Fixture> Operations for Shared<F> {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        Box::pin(self.shared.load(key))
    }

    fn create<'a>(&'a self, key: &'a Key, write: &'a Write) -> Answer<'a, Created> {
        Box::pin(self.shared.create(key, write))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, Replaced> {
        Box::pin(self.shared.replace(key, old, write))
    }

    fn touch<'a>(&'a self, key: &'a Key, expires_at: UnixTime) -> Answer<'a, Touched> {
        Box::pin(self.shared.touch(key, expires_at))
    }

    fn delete<'a>(&'a self, key: &'a Key, old: &'a Stored) -> Answer<'a, Deleted> {
        Box::pin(self.shared.delete(key, old))
    }

    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>> {
        match &self.directory {
            Some(directory) => Box::pin(directory.list(subject)),
            None => unclaimed(),
        }
    }

    fn sweep(&self, limit: usize) -> Answer<'_, usize> {
        self.direct.sweep(limit)
    }
}

struct Alternating {
    handles: [Handle; 2],
    turn: AtomicUsize,
}

impl Alternating {
    fn next(&self) -> &Handle {
        &self.handles[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl Operations for Alternating {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        self.next().load(key)
    }

    fn create<'a>(&'a self, key: &'a Key, write: &'a Write) -> Answer<'a, Created> {
        self.next().create(key, write)
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, Replaced> {
        self.next().replace(key, old, write)
    }

    fn touch<'a>(&'a self, key: &'a Key, expires_at: UnixTime) -> Answer<'a, Touched> {
        self.next().touch(key, expires_at)
    }

    fn delete<'a>(&'a self, key: &'a Key, old: &'a Stored) -> Answer<'a, Deleted> {
        self.next().delete(key, old)
    }

    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>> {
        self.next().list(subject)
    }

    fn sweep(&self, limit: usize) -> Answer<'_, usize> {
        self.next().sweep(limit)
    }
}

/// Not reached by a case, which asks for the ability before it uses it.
fn unclaimed<T: Send + 'static>() -> Answer<'static, T> {
    let error = StoreError::permanent("conformance", "the fixture does not claim this ability");
    Box::pin(std::future::ready(Err(error)))
}
