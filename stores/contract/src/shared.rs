use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{
    Created, Deleted, Directory, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

trait ErasedStore: Send + Sync {
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
}

impl<S: Store> ErasedStore for S {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        Box::pin(Store::load(self, key))
    }

    fn create<'a>(&'a self, key: &'a Key, write: &'a Write) -> Answer<'a, Created> {
        Box::pin(Store::create(self, key, write))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, Replaced> {
        Box::pin(Store::replace(self, key, old, write))
    }

    fn touch<'a>(&'a self, key: &'a Key, expires_at: UnixTime) -> Answer<'a, Touched> {
        Box::pin(Store::touch(self, key, expires_at))
    }

    fn delete<'a>(&'a self, key: &'a Key, old: &'a Stored) -> Answer<'a, Deleted> {
        Box::pin(Store::delete(self, key, old))
    }
}

trait ErasedDirectory: ErasedStore {
    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>>;
}

impl<S: Directory> ErasedDirectory for S {
    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>> {
        Box::pin(Directory::list(self, subject))
    }
}

/// Any store, its type erased: for choosing the store when the program runs. One more allocation for each operation.
///
/// ```
/// use cloakroom_store::{SharedStore, Store};
///
/// fn pick(stores: Vec<SharedStore>) -> impl Store {
///     stores.into_iter().next().unwrap()
/// }
/// ```
#[derive(Clone)]
pub struct SharedStore(Arc<dyn ErasedStore>);

impl SharedStore {
    /// Erases the type of `store`.
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }
}

/// Any store that is a [`Directory`], its type erased.
///
/// ```
/// use cloakroom_store::{Directory, SharedDirectory};
///
/// async fn count(store: &SharedDirectory) -> usize {
///     store.list("ada").await.map_or(0, |sessions| sessions.len())
/// }
/// ```
#[derive(Clone)]
pub struct SharedDirectory(Arc<dyn ErasedDirectory>);

impl SharedDirectory {
    /// Erases the type of `store`.
    pub fn new(store: impl Directory) -> Self {
        Self(Arc::new(store))
    }
}

macro_rules! forward {
    ($type:ident) => {
        impl Store for $type {
            async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
                self.0.load(key).await
            }

            async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
                self.0.create(key, write).await
            }

            async fn replace(
                &self,
                key: &Key,
                old: &Stored,
                write: &Write,
            ) -> Result<Replaced, StoreError> {
                self.0.replace(key, old, write).await
            }

            async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
                self.0.touch(key, expires_at).await
            }

            async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
                self.0.delete(key, old).await
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(..)"))
            }
        }
    };
}

forward!(SharedStore);
forward!(SharedDirectory);

impl Directory for SharedDirectory {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.0.list(subject).await
    }
}
