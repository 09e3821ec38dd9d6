use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(
    feature = "memory",
    feature = "mongodb",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite"
))]
use cloakroom_store::Feed;
use cloakroom_store::{
    Cursor, Enumerate, Page, SharedDirectory, SharedStore, StoreError, Sweep, Swept,
};

/// A store, and its abilities beyond a store's five operations. From
/// [`Builder::open`](crate::Builder::open). The parts are handles on the same sessions.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// let opened = cloakroom_any::builder("memory:").open().await?;
/// assert!(opened.directory.is_some() && opened.sweeper.is_some());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The store. It [announces](crate#announcements) ends if the URL's store does.
    pub store: SharedStore,
    /// The same store, able to list a user's sessions. None on Memcached.
    pub directory: Option<SharedDirectory>,
    /// Removes expired sessions. None on Redis and Memcached, which remove them by themselves. So
    /// does MongoDB, where a sweeper may help.
    pub sweeper: Option<Sweeper>,
    /// Goes through all records. None on Memcached and on a Redis Cluster.
    pub enumerator: Option<Enumerator>,
}

impl Opened {
    #[cfg(feature = "memcached")]
    pub(crate) fn plain(store: impl cloakroom_store::Store) -> Self {
        Self {
            store: SharedStore::new(store),
            directory: None,
            sweeper: None,
            enumerator: None,
        }
    }

    /// Redis removes what has expired by itself.
    #[cfg(feature = "redis")]
    pub(crate) fn listing(
        store: impl cloakroom_store::Directory + Enumerate + Feed + Clone,
    ) -> Self {
        Self {
            store: SharedStore::with_feed(store.clone()),
            directory: Some(SharedDirectory::with_feed(store.clone())),
            sweeper: None,
            enumerator: Some(Enumerator(Arc::new(store))),
        }
    }

    /// Without announcements.
    #[cfg(any(
        feature = "file",
        feature = "memory",
        feature = "mongodb",
        feature = "mysql",
        feature = "postgres",
        feature = "sqlite"
    ))]
    pub(crate) fn enumerating(
        store: impl cloakroom_store::Directory + Sweep + Enumerate + Clone,
    ) -> Self {
        Self {
            store: SharedStore::new(store.clone()),
            directory: Some(SharedDirectory::new(store.clone())),
            sweeper: Some(Sweeper(Arc::new(store.clone()))),
            enumerator: Some(Enumerator(Arc::new(store))),
        }
    }

    #[cfg(any(
        feature = "memory",
        feature = "mongodb",
        feature = "mysql",
        feature = "postgres",
        feature = "sqlite"
    ))]
    pub(crate) fn announcing(
        store: impl cloakroom_store::Directory + Sweep + Enumerate + Feed + Clone,
    ) -> Self {
        Self {
            store: SharedStore::with_feed(store.clone()),
            directory: Some(SharedDirectory::with_feed(store.clone())),
            ..Self::enumerating(store)
        }
    }

    /// The same, swept at this interval until the last part has been dropped.
    #[cfg(any(
        feature = "memory",
        feature = "mysql",
        feature = "postgres",
        feature = "sqlite"
    ))]
    pub(crate) fn announcing_swept(
        store: impl cloakroom_store::Directory + Sweep + Enumerate + Feed + Clone,
        interval: Option<Duration>,
    ) -> Result<Self, StoreError> {
        Ok(match interval {
            None => Self::announcing(store),
            Some(interval) => Self::announcing(Swept::new(store, interval)?),
        })
    }

    #[cfg(feature = "file")]
    pub(crate) fn swept(
        store: impl cloakroom_store::Directory + Sweep + Enumerate + Clone,
        interval: Option<Duration>,
    ) -> Result<Self, StoreError> {
        Ok(match interval {
            None => Self::enumerating(store),
            Some(interval) => Self::enumerating(Swept::new(store, interval)?),
        })
    }

    /// A Redis Cluster does not go through its records.
    #[cfg(feature = "redis")]
    pub(crate) fn at(mut self, url: &str) -> Self {
        if crate::scheme::is_cluster(url) {
            self.enumerator = None;
        }
        self
    }
}

/// Removes expired sessions from a store. They are invisible in any case. Removing them frees their
/// space.
///
/// [`open`](crate::open) starts a sweep every five minutes. To sweep at times of your own:
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// let opened = cloakroom_any::builder("memory:").sweep_every(None).open().await?;
/// if let Some(sweeper) = opened.sweeper {
///     sweeper.sweep(10_000).await?;
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Sweeper(Arc<dyn ErasedSweep>);

impl Sweeper {
    /// Removes up to `limit` expired records, and returns how many it removed.
    ///
    /// # Errors
    ///
    /// The store's error. Records removed before it stay removed, and the next call goes on.
    ///
    /// ```
    /// # #[cfg(feature = "memory")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// let sweeper = cloakroom_any::builder("memory:").open().await?.sweeper.unwrap();
    /// assert_eq!(sweeper.sweep(1000).await?, 0);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "memory"))]
    /// # fn main() {}
    /// ```
    pub async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.0.sweep(limit).await
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sweeper(..)")
    }
}

/// Goes through all records of a store. For tools: a whole enumeration reads the whole store.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// let opened = cloakroom_any::builder("memory:").sweep_every(None).open().await?;
/// let enumerator = opened.enumerator.unwrap();
/// let (mut records, mut after) = (0, None);
/// loop {
///     let page = enumerator.enumerate(after.as_ref(), 256).await?;
///     records += page.records.len();
///     after = page.next;
///     if after.is_none() {
///         break;
///     }
/// }
/// assert_eq!(records, 0);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Enumerator(Arc<dyn ErasedEnumerate>);

impl Enumerator {
    /// Returns the next records, as [`Enumerate::enumerate`] does.
    ///
    /// # Errors
    ///
    /// The store's error. The same cursor can be tried again.
    ///
    /// ```
    /// # #[cfg(feature = "memory")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// let opened = cloakroom_any::builder("memory:").open().await?;
    /// let page = opened.enumerator.unwrap().enumerate(None, 256).await?;
    /// assert!(page.next.is_none());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "memory"))]
    /// # fn main() {}
    /// ```
    pub async fn enumerate(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.enumerate(after, limit).await
    }
}

impl fmt::Debug for Enumerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enumerator(..)")
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

trait ErasedEnumerate: Send + Sync {
    fn enumerate<'a>(&'a self, after: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page>;
}

impl<S: Enumerate> ErasedEnumerate for S {
    fn enumerate<'a>(&'a self, after: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(Enumerate::enumerate(self, after, limit))
    }
}

trait ErasedSweep: Send + Sync {
    fn sweep(&self, limit: usize) -> Answer<'_, usize>;
}

impl<S: Sweep> ErasedSweep for S {
    fn sweep(&self, limit: usize) -> Answer<'_, usize> {
        Box::pin(Sweep::sweep(self, limit))
    }
}
