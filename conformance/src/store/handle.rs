use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom_store::{
    Created, Cursor, Deleted, Directory, Key, Page, Place, Replaced, SharedDirectory, SharedStore,
    Store, StoreError, Stored, Touched, UnixTime, Write,
};

use super::Fixture;
use super::announcing::{Listener, listen};
use super::fixture::{Claims, StoreFuture};
use super::operation::{Reply, Request};

/// A store as the cases see it: its type erased, so that the cases are compiled once, and not once
/// for each store. The suite's own erasure, not `SharedStore`, which is one of the things to check.
#[derive(Clone)]
pub(crate) struct Handle {
    operations: Arc<dyn Operations>,
    /// By how many seconds the end of a record may differ from what was written.
    tolerance: u64,
}

/// The store, or another process, that performs the operations of a handle.
pub(super) trait Operations: Send + Sync {
    fn perform(&self, request: Request) -> StoreFuture<'_, Reply>;

    /// Only handles of this process listen.
    fn listen(&self) -> StoreFuture<'_, Box<dyn Listener>> {
        Box::pin(async { unclaimed() })
    }

    /// A store in another process is at no place of this one.
    fn place(&self) -> Option<Place> {
        None
    }
}

/// Performs the operation, and takes the one kind of reply that answers it.
macro_rules! ask {
    ($handle:ident, $request:expr, $reply:ident) => {{
        let reply = $handle.perform($request);
        Box::pin(async {
            match reply.await? {
                Reply::$reply(answer) => Ok(answer),
                _ => Err(StoreError::permanent("conformance", "another reply")),
            }
        })
    }};
}

impl Handle {
    pub(crate) fn load(&self, key: &Key) -> StoreFuture<'_, Option<Stored>> {
        ask!(self, Request::Load(key.clone()), Loaded)
    }

    pub(crate) fn create(&self, key: &Key, write: &Write) -> StoreFuture<'_, Created> {
        ask!(self, Request::Create(key.clone(), write.clone()), Created)
    }

    pub(crate) fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> StoreFuture<'_, Replaced> {
        let request = Request::Replace(key.clone(), old.clone(), write.clone());
        ask!(self, request, Replaced)
    }

    pub(crate) fn touch(&self, key: &Key, expires_at: UnixTime) -> StoreFuture<'_, Touched> {
        ask!(self, Request::Touch(key.clone(), expires_at), Touched)
    }

    pub(crate) fn delete(&self, key: &Key, old: &Stored) -> StoreFuture<'_, Deleted> {
        ask!(self, Request::Delete(key.clone(), old.clone()), Deleted)
    }

    pub(crate) fn list(&self, subject: &str) -> StoreFuture<'_, Vec<(Key, Stored)>> {
        ask!(self, Request::List(subject.to_owned(), None), Listed)
    }

    pub(crate) fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(Key, Stored)>> {
        ask!(self, Request::List(subject.to_owned(), Some(limit)), Listed)
    }

    pub(crate) fn place(&self) -> Option<Place> {
        self.operations.place()
    }

    pub(crate) fn sweep(&self, limit: usize) -> StoreFuture<'_, usize> {
        ask!(self, Request::Sweep(limit), Swept)
    }

    pub(crate) fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        ask!(self, Request::Enumerate(after.cloned(), limit), Page)
    }

    pub(crate) fn listen(&self) -> StoreFuture<'_, Box<dyn Listener>> {
        self.operations.listen()
    }

    pub(super) fn perform(&self, request: Request) -> StoreFuture<'_, Reply> {
        self.operations.perform(request)
    }

    /// A store that a case reaches as it is.
    pub(super) fn direct<F: Fixture>(store: F::Store, claims: Arc<Claims<F>>) -> Self {
        Self::erased(Direct {
            store: Arc::new(store),
            claims,
        })
    }

    /// A store that a case reaches through `SharedStore`, and its directory through
    /// `SharedDirectory`.
    pub(super) fn shared<F: Fixture>(store: F::Store, claims: Arc<Claims<F>>) -> Self {
        let store = Arc::new(store);
        let directory = claims.directory.as_ref();
        let directory = directory.map(|listing| (listing.erase)(Arc::clone(&store)));
        let shared = match &claims.feed {
            Some(feed) => (feed.erase)(Arc::clone(&store)),
            None => SharedStore::new(Arc::clone(&store)),
        };
        Self::erased(Shared {
            shared,
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

    /// The same for a store with a coarser expiry.
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

struct Direct<F: Fixture> {
    store: Arc<F::Store>,
    claims: Arc<Claims<F>>,
}

impl<F: Fixture> Operations for Direct<F> {
    fn perform(&self, request: Request) -> StoreFuture<'_, Reply> {
        let claims = &self.claims;
        Box::pin(async move {
            match request {
                Request::List(subject, limit) => match &claims.directory {
                    Some(listing) => (listing.list)(&self.store, &subject, limit)
                        .await
                        .map(Reply::Listed),
                    None => unclaimed(),
                },
                Request::Sweep(limit) => match &claims.sweep {
                    Some(sweep) => sweep(&self.store, limit).await.map(Reply::Swept),
                    None => unclaimed(),
                },
                Request::Enumerate(after, limit) => match &claims.enumerate {
                    Some(enumerate) => enumerate(&self.store, after.as_ref(), limit)
                        .await
                        .map(Reply::Page),
                    None => unclaimed(),
                },
                request => of_record(&*self.store, request).await,
            }
        })
    }

    fn listen(&self) -> StoreFuture<'_, Box<dyn Listener>> {
        match &self.claims.feed {
            Some(feed) => (feed.listen)(&self.store),
            None => Box::pin(async { unclaimed() }),
        }
    }

    fn place(&self) -> Option<Place> {
        F::Store::place(&self.store)
    }
}

/// Performs an operation that every store has.
async fn of_record(store: &impl Store, request: Request) -> Result<Reply, StoreError> {
    match request {
        Request::Load(key) => store.load(&key).await.map(Reply::Loaded),
        Request::Create(key, write) => store.create(&key, &write).await.map(Reply::Created),
        Request::Replace(key, old, write) => {
            let answer = store.replace(&key, &old, &write).await;
            answer.map(Reply::Replaced)
        }
        Request::Touch(key, end) => store.touch(&key, end).await.map(Reply::Touched),
        Request::Delete(key, old) => store.delete(&key, &old).await.map(Reply::Deleted),
        Request::List(..) | Request::Sweep(_) | Request::Enumerate(..) => unclaimed(),
    }
}

struct Shared<F: Fixture> {
    shared: SharedStore,
    directory: Option<SharedDirectory>,
    direct: Direct<F>,
}

impl<F: Fixture> Operations for Shared<F> {
    fn perform(&self, request: Request) -> StoreFuture<'_, Reply> {
        match request {
            Request::List(subject, limit) => Box::pin(async move {
                let Some(directory) = &self.directory else {
                    return unclaimed();
                };
                let records = match limit {
                    None => directory.list(&subject).await,
                    Some(limit) => directory.list_some(&subject, limit).await,
                };
                records.map(Reply::Listed)
            }),
            Request::Sweep(_) | Request::Enumerate(..) => self.direct.perform(request),
            request => Box::pin(of_record(&self.shared, request)),
        }
    }

    fn listen(&self) -> StoreFuture<'_, Box<dyn Listener>> {
        listen(&self.shared)
    }

    fn place(&self) -> Option<Place> {
        self.shared.place()
    }
}

struct Alternating {
    handles: [Handle; 2],
    turn: AtomicUsize,
}

impl Operations for Alternating {
    fn perform(&self, request: Request) -> StoreFuture<'_, Reply> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.handles[turn % 2].perform(request)
    }
}

/// Unreachable: cases ask for the ability first.
fn unclaimed<T>() -> Result<T, StoreError> {
    let text = "the fixture does not claim this ability";
    Err(StoreError::permanent("conformance", text))
}
