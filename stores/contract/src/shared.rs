use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{
    Created, Deleted, Directory, Feed, Hint, Hints, Key, Place, Replaced, Store, StoreError,
    Stored, Touched, UnixTime, Write,
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
    fn load_fresh<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>>;
    fn create_versioned<'a>(
        &'a self,
        key: &'a Key,
        write: &'a Write,
    ) -> Answer<'a, (Created, Option<u64>)>;
    fn replace_versioned<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, (Replaced, Option<u64>)>;
    fn place(&self) -> Option<Place>;
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

    fn load_fresh<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        Box::pin(Store::load_fresh(self, key))
    }

    fn create_versioned<'a>(
        &'a self,
        key: &'a Key,
        write: &'a Write,
    ) -> Answer<'a, (Created, Option<u64>)> {
        Box::pin(Store::create_versioned(self, key, write))
    }

    fn replace_versioned<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, (Replaced, Option<u64>)> {
        Box::pin(Store::replace_versioned(self, key, old, write))
    }

    fn place(&self) -> Option<Place> {
        Store::place(self)
    }
}

trait ErasedDirectory: ErasedStore {
    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>>;
    fn list_some<'a>(&'a self, subject: &'a str, limit: usize) -> Answer<'a, Vec<(Key, Stored)>>;
}

impl<S: Directory> ErasedDirectory for S {
    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>> {
        Box::pin(Directory::list(self, subject))
    }

    fn list_some<'a>(&'a self, subject: &'a str, limit: usize) -> Answer<'a, Vec<(Key, Stored)>> {
        Box::pin(Directory::list_some(self, subject, limit))
    }
}

trait ErasedFeed: Send + Sync {
    fn listen(&self) -> Answer<'_, SharedHints>;
}

impl<S: Feed> ErasedFeed for S {
    fn listen(&self) -> Answer<'_, SharedHints> {
        Box::pin(async { Ok(SharedHints(Box::new(Feed::listen(self).await?))) })
    }
}

trait ErasedHints: Send {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Hint>> + Send + '_>>;
}

impl<H: Hints> ErasedHints for H {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Hint>> + Send + '_>> {
        Box::pin(Hints::next(self))
    }
}

/// The announcements of a [`SharedStore`] or a [`SharedDirectory`].
///
/// ```
/// use cloakroom_store::{Feed, Hints, SharedHints, SharedStore, StoreError};
///
/// async fn wait(store: &SharedStore) -> Result<(), StoreError> {
///     let mut hints: SharedHints = store.listen().await?;
///     while let Some(hint) = hints.next().await {
///         // Look at the session.
///     }
///     Ok(())
/// }
/// ```
pub struct SharedHints(Box<dyn ErasedHints>);

impl Hints for SharedHints {
    async fn next(&mut self) -> Option<Hint> {
        self.0.next().await
    }
}

impl fmt::Debug for SharedHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedHints(..)")
    }
}

/// Any store, its type erased, for choosing the store when the program runs. It costs one more
/// allocation for each operation.
///
/// ```
/// use cloakroom_store::{SharedStore, Store};
///
/// fn pick(stores: Vec<SharedStore>) -> impl Store {
///     stores.into_iter().next().unwrap()
/// }
/// ```
#[derive(Clone)]
pub struct SharedStore(Arc<dyn ErasedStore>, Option<Arc<dyn ErasedFeed>>);

impl SharedStore {
    /// Erases the type of `store`. It announces nothing: [`Feed::listen`] is a permanent error.
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store), None)
    }

    /// The same, with the store's announcements.
    ///
    /// ```
    /// use cloakroom_store::{Feed, SharedStore};
    ///
    /// fn erase(store: impl Feed) -> SharedStore {
    ///     SharedStore::with_feed(store)
    /// }
    /// ```
    pub fn with_feed(store: impl Feed) -> Self {
        let store = Arc::new(store);
        Self(Arc::clone(&store) as _, Some(store))
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
pub struct SharedDirectory(Arc<dyn ErasedDirectory>, Option<Arc<dyn ErasedFeed>>);

impl SharedDirectory {
    /// Erases the type of `store`. It announces nothing: [`Feed::listen`] is a permanent error.
    pub fn new(store: impl Directory) -> Self {
        Self(Arc::new(store), None)
    }

    /// The same, with the store's announcements.
    ///
    /// ```
    /// use cloakroom_store::{Directory, Feed, SharedDirectory};
    ///
    /// fn erase(store: impl Directory + Feed) -> SharedDirectory {
    ///     SharedDirectory::with_feed(store)
    /// }
    /// ```
    pub fn with_feed(store: impl Directory + Feed) -> Self {
        let store = Arc::new(store);
        Self(Arc::clone(&store) as _, Some(store))
    }
}

const SILENT: &str =
    "the store that was chosen announces nothing, or was not erased by `with_feed`";

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

            async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
                self.0.load_fresh(key).await
            }

            async fn create_versioned(
                &self,
                key: &Key,
                write: &Write,
            ) -> Result<(Created, Option<u64>), StoreError> {
                self.0.create_versioned(key, write).await
            }

            async fn replace_versioned(
                &self,
                key: &Key,
                old: &Stored,
                write: &Write,
            ) -> Result<(Replaced, Option<u64>), StoreError> {
                self.0.replace_versioned(key, old, write).await
            }

            fn place(&self) -> Option<Place> {
                self.0.place()
            }
        }

        impl Feed for $type {
            type Hints = SharedHints;

            async fn listen(&self) -> Result<SharedHints, StoreError> {
                match &self.1 {
                    Some(feed) => feed.listen().await,
                    None => Err(StoreError::permanent("shared", SILENT)),
                }
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

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.0.list_some(subject, limit).await
    }
}
