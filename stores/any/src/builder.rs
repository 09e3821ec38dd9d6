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
    name: Option<Box<str>>,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: scheme::in_lower_case(url),
            migrate: true,
            name: None,
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

    /// What the sessions are called where they are kept, for applications that share a server or want names of their own. Of the
    /// name `shop`:
    ///
    /// | store | |
    /// |---|---|
    /// | SQL | are in the table `shop` |
    /// | MongoDB | in the collection `shop` |
    /// | Redis, Memcached | their keys begin with `shop:` |
    /// | files | are in the directory `shop` in that of the URL |
    /// | memory | nothing: each store is one's own |
    ///
    /// A name is one everywhere, so that another URL can be set at any time: at most 48 letters, digits and underscores of ASCII,
    /// no digit first. Unless said otherwise each store has the name that its crate's page says. The database is part of the URL.
    ///
    /// ```
    /// let builder = cloakroom_any::builder("redis://localhost/3").name("shop");
    /// ```
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Opens the store, and makes sure that its server answers.
    ///
    /// # Errors
    ///
    /// A permanent one when the URL's scheme is unknown or needs a feature that is off, when the [name](Self::name) is none, or when
    /// the store does not take the URL; what else the store says when it is connected to and migrated. None contains the URL.
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
        if !self.name.as_deref().is_none_or(is_name) {
            return Err(failure::name());
        }
        match kind {
            #[cfg(feature = "memory")]
            Kind::Memory => memory(rest),
            #[cfg(feature = "file")]
            Kind::File => file(rest, self.name.as_deref()),
            #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
            Kind::Sql => {
                let mut builder = cloakroom_sql::SqlStore::builder();
                if let Some(name) = self.name {
                    builder = builder.table(name);
                }
                let store = builder.connect(&self.url).await?;
                if self.migrate {
                    store.migrate().await?;
                }
                Ok(Opened::sweeping(store))
            }
            #[cfg(feature = "redis")]
            Kind::Redis => {
                let mut builder = cloakroom_redis::RedisStore::builder(&self.url);
                if let Some(name) = self.name {
                    builder = builder.prefix(&format!("{name}:"));
                }
                let store = builder.connect().await?;
                Ok(Opened::listing(store))
            }
            #[cfg(feature = "memcached")]
            Kind::Memcached => {
                let mut builder = cloakroom_memcached::MemcachedStore::builder(&self.url);
                if let Some(name) = self.name {
                    builder = builder.prefix(&format!("{name}:"));
                }
                let store = builder.connect().await?;
                Ok(Opened::plain(store))
            }
            #[cfg(feature = "mongodb")]
            Kind::MongoDb => {
                let mut builder = cloakroom_mongodb::MongoStore::builder();
                if let Some(name) = self.name {
                    builder = builder.collection(name);
                }
                let store = builder.connect(&self.url).await?;
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
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn is_name(name: &str) -> bool {
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let all_well = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    begins_well && all_well && name.len() <= 48
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
fn file(rest: &str, name: Option<&str>) -> Result<Opened, StoreError> {
    let directory = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(failure::file()),
        None => rest,
    };
    if directory.is_empty() {
        return Err(failure::file());
    }
    let directory = std::path::Path::new(directory);
    let store = match name {
        Some(name) => cloakroom_file::FileStore::open(directory.join(name))?,
        None => cloakroom_file::FileStore::open(directory)?,
    };
    Ok(Opened::sweeping(store))
}
