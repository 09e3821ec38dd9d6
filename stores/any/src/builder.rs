use std::fmt;

use cloakroom_store::StoreError;

use crate::scheme::{self, Kind};
use crate::{Opened, failure};

/// How a store is to be opened. From [`builder`](crate::builder).
///
/// ```no_run
/// # async fn example(url: &str) -> Result<(), cloakroom_store::StoreError> {
/// let opened = cloakroom_any::builder(url).migrate(false).open().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `open`"]
pub struct Builder {
    url: Box<str>,
    migrate: bool,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            migrate: true,
        }
    }

    /// Whether to make the table (in a SQL database) or the indexes (in MongoDB) where they are missing; on unless said otherwise.
    /// Turn it off where the application's user has no right to do so, and do as those stores' pages say.
    ///
    /// ```
    /// let builder = cloakroom_any::builder("postgres://app@localhost/app").migrate(false);
    /// ```
    pub fn migrate(mut self, on: bool) -> Self {
        self.migrate = on;
        self
    }

    /// Opens the store, and makes sure that its server answers.
    ///
    /// # Errors
    ///
    /// A permanent one when the URL's scheme is unknown or needs a feature that is off, or when the store does not take the URL; what
    /// else the store says when it is connected to and migrated. None contains the URL.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = cloakroom_any::builder("http://user:secret@localhost").open().await.unwrap_err();
    /// assert!(error.to_string().contains("redis://"));
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn open(self) -> Result<Opened, StoreError> {
        let (kind, rest) = scheme::of(&self.url)?;
        match kind {
            #[cfg(feature = "memory")]
            Kind::Memory => memory(rest),
            #[cfg(feature = "file")]
            Kind::File => file(rest),
            #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
            Kind::Sql => {
                let store = cloakroom_sql::SqlStore::connect(&self.url).await?;
                if self.migrate {
                    store.migrate().await?;
                }
                Ok(Opened::sweeping(store))
            }
            #[cfg(feature = "redis")]
            Kind::Redis => {
                let store = cloakroom_redis::RedisStore::connect(&self.url).await?;
                Ok(Opened::listing(store))
            }
            #[cfg(feature = "memcached")]
            Kind::Memcached => {
                let store = cloakroom_memcached::MemcachedStore::connect(&self.url).await?;
                Ok(Opened::plain(store))
            }
            #[cfg(feature = "mongodb")]
            Kind::MongoDb => {
                let store = cloakroom_mongodb::MongoStore::connect(&self.url).await?;
                if self.migrate {
                    store.create_indexes().await?;
                }
                Ok(Opened::sweeping(store))
            }
            // Only kinds whose features are on come this far.
            #[allow(unreachable_patterns)]
            _ => {
                let _ = (rest, self.migrate);
                Err(failure::unknown_scheme())
            }
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Builder")
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "memory")]
fn memory(rest: &str) -> Result<Opened, StoreError> {
    match rest {
        "" => Ok(Opened::sweeping(cloakroom_memory::MemoryStore::new())),
        _ => Err(failure::memory()),
    }
}

/// `file:relative`, `file:/absolute`, or as RFC 8089 has it, `file:///absolute`. Nothing is percent-encoded.
#[cfg(feature = "file")]
fn file(rest: &str) -> Result<Opened, StoreError> {
    let directory = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(failure::file()),
        None => rest,
    };
    if directory.is_empty() {
        return Err(failure::file());
    }
    let store = cloakroom_file::FileStore::open(directory)?;
    Ok(Opened::sweeping(store))
}
