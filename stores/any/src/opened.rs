use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cloakroom_store::{SharedDirectory, SharedStore, StoreError, Sweep};

/// A store, and what it can do beyond a store's five operations. From [`Builder::open`](crate::Builder::open). The parts are
/// handles on the same sessions.
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
    /// The store.
    pub store: SharedStore,
    /// The same store for those who list a user's sessions. None on Memcached.
    pub directory: Option<SharedDirectory>,
    /// What removes expired sessions. None on Redis and Memcached, which do so by themselves; MongoDB does so too, but lets others
    /// help.
    pub sweeper: Option<Sweeper>,
}

impl Opened {
    #[cfg(feature = "memcached")]
    pub(crate) fn plain(store: impl cloakroom_store::Store) -> Self {
        Self {
            store: SharedStore::new(store),
            directory: None,
            sweeper: None,
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn listing(store: impl cloakroom_store::Directory + Clone) -> Self {
        Self {
            store: SharedStore::new(store.clone()),
            directory: Some(SharedDirectory::new(store)),
            sweeper: None,
        }
    }

    #[cfg(any(
        feature = "file",
        feature = "memory",
        feature = "mongodb",
        feature = "mysql",
        feature = "postgres",
        feature = "sqlite"
    ))]
    pub(crate) fn sweeping(store: impl cloakroom_store::Directory + Sweep + Clone) -> Self {
        Self {
            store: SharedStore::new(store.clone()),
            directory: Some(SharedDirectory::new(store.clone())),
            sweeper: Some(Sweeper(Arc::new(store))),
        }
    }
}

/// What removes expired sessions from a store. They are invisible whether or not anybody does; this gives their space back.
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn example(opened: cloakroom_any::Opened) {
/// if let Some(sweeper) = opened.sweeper {
///     tokio::spawn(async move {
///         loop {
///             tokio::time::sleep(Duration::from_secs(300)).await;
///             if let Err(error) = sweeper.sweep(10_000).await {
///                 eprintln!("{error}; trying again in five minutes");
///             }
///         }
///     });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Sweeper(Arc<dyn ErasedSweep>);

impl Sweeper {
    /// Removes up to `limit` expired records, and says how many it removed.
    ///
    /// # Errors
    ///
    /// When the store could not do it. What was removed until then stays so, and the next call goes on.
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

type Answer<'a> = Pin<Box<dyn Future<Output = Result<usize, StoreError>> + Send + 'a>>;

trait ErasedSweep: Send + Sync {
    fn sweep(&self, limit: usize) -> Answer<'_>;
}

impl<S: Sweep> ErasedSweep for S {
    fn sweep(&self, limit: usize) -> Answer<'_> {
        Box::pin(Sweep::sweep(self, limit))
    }
}
