use std::fmt;
use std::time::Duration;

use cloakroom_store::StoreError;

use crate::scheme::{self, Kind};
use crate::{Opened, failure, near};

/// Opens a store, behind a cache if there is a lease for one.
#[cfg(feature = "near")]
macro_rules! opened {
    ($lease:expr, $store:ident, $opened:expr) => {
        match $lease {
            None => $opened,
            Some(lease) => {
                let $store = cloakroom_near::Near::builder($store).lease(lease).build();
                $opened
            }
        }
    };
}

/// Opens a store. By now, a lease has been refused.
#[cfg(not(feature = "near"))]
macro_rules! opened {
    ($lease:expr, $store:ident, $opened:expr) => {{
        let _ = $lease;
        $opened
    }};
}

/// Configures how a store is opened. From [`builder`](crate::builder).
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
    sweep_every: Option<Duration>,
    announces: bool,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: scheme::in_lower_case(url),
            migrate: true,
            name: None,
            sweep_every: Some(Duration::from_secs(300)),
            announces: false,
        }
    }

    /// Sets whether [`open`](Builder::open) makes a missing table (SQL) or missing indexes
    /// (MongoDB). Default: on. Turn it off where the application's user may not create them, and
    /// create them as those stores' pages describe.
    ///
    /// ```
    /// let builder =
    ///     cloakroom_any::builder("postgres://app@localhost/app").migrate(false);
    /// ```
    pub fn migrate(mut self, on: bool) -> Self {
        self.migrate = on;
        self
    }

    /// Sets how often expired records are removed, or turns that off. Default: every five minutes.
    ///
    /// The interval is at least a second. A task sweeps in small steps as long as the store is in
    /// use, and in one of several processes at a time: see [`Swept`](cloakroom_store::Swept).
    /// Redis, Memcached and MongoDB remove expired records by themselves, so there is no task for
    /// them.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = cloakroom_any::builder("file:sessions")
    ///     .sweep_every(Some(Duration::from_secs(60)));
    /// ```
    pub fn sweep_every(mut self, interval: Option<Duration>) -> Self {
        self.sweep_every = interval;
        self
    }

    /// Announces ended sessions to the other processes on Redis and PostgreSQL, by those stores'
    /// `announce_ends`. Default: no. All processes set it.
    ///
    /// Without effect on the others: memory and MongoDB announce by themselves, and files, SQLite,
    /// MySQL and Memcached never do. Give the opened store to
    /// `cloakroom::Sessions::with_feed` to listen.
    ///
    /// ```
    /// let builder = cloakroom_any::builder("redis://localhost").announce_ends();
    /// ```
    pub fn announce_ends(mut self) -> Self {
        self.announces = true;
        self
    }

    /// Names the place of the sessions in the store, for applications that share a server or want
    /// names of their own. With the name `shop`:
    ///
    /// | store | |
    /// |---|---|
    /// | SQL | the table is `shop` |
    /// | MongoDB | the collection is `shop` |
    /// | Redis, Memcached | the keys begin with `shop:` |
    /// | files | the directory is `shop` in that of the URL |
    /// | memory | no effect: each store is separate |
    ///
    /// A name has at most 48 ASCII letters, digits and underscores, and no digit first. Every store
    /// accepts such a name, so that the URL can change at any time. Default: the name on the page
    /// of each store's crate. The database is part of the URL.
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
    /// A permanent one if the URL's scheme is unknown or needs a feature that is off, or if the
    /// [name](Self::name) is invalid. Also if `near` is no time, or the store refuses the URL. And
    /// the store's errors at connecting and migrating. None contains the URL.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = cloakroom_any::builder("http://user:secret@localhost")
    ///     .open()
    ///     .await
    ///     .unwrap_err();
    /// assert!(error.to_string().contains("redis://"));
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn open(self) -> Result<Opened, StoreError> {
        if scheme::is_wrapped(&self.url) {
            return Err(failure::wrapped());
        }
        let (url, lease) = near::take(&self.url)?;
        let (kind, rest) = scheme::of(&url)?;
        if !self.name.as_deref().is_none_or(is_name) {
            return Err(failure::name());
        }
        match kind {
            #[cfg(feature = "memory")]
            Kind::Memory => memory(rest, self.sweep_every, lease),
            #[cfg(feature = "file")]
            Kind::File => file(rest, self.name.as_deref(), self.sweep_every, lease),
            #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
            Kind::Sql => {
                let mut builder = cloakroom_sql::SqlStore::builder();
                if let Some(name) = self.name {
                    builder = builder.table(name);
                }
                if self.announces {
                    builder = builder.announce_ends();
                }
                let store = builder.connect(&url).await?;
                if self.migrate {
                    store.migrate().await?;
                }
                opened!(
                    lease,
                    store,
                    Opened::announcing_swept(store, self.sweep_every)
                )
            }
            #[cfg(feature = "redis")]
            Kind::Redis => {
                let mut builder = cloakroom_redis::RedisStore::builder(&url);
                if let Some(name) = self.name {
                    builder = builder.prefix(&format!("{name}:"));
                }
                if self.announces {
                    builder = builder.announce_ends();
                }
                let store = builder.connect().await?;
                #[cfg(feature = "near")]
                if let Some(lease) = lease {
                    let store = cloakroom_near::Near::builder(store).lease(lease);
                    return Ok(Opened::listing(store.build_tracked()?).at(&url));
                }
                Ok(Opened::listing(store).at(&url))
            }
            #[cfg(feature = "memcached")]
            Kind::Memcached => {
                let mut builder = cloakroom_memcached::MemcachedStore::builder(&url);
                if let Some(name) = self.name {
                    builder = builder.prefix(&format!("{name}:"));
                }
                let store = builder.connect().await?;
                opened!(lease, store, Ok(Opened::plain(store)))
            }
            #[cfg(feature = "mongodb")]
            Kind::MongoDb => {
                let mut builder = cloakroom_mongodb::MongoDbStore::builder();
                if let Some(name) = self.name {
                    builder = builder.collection(name);
                }
                let store = builder.connect(&url).await?;
                if self.migrate {
                    store.create_indexes().await?;
                }
                opened!(lease, store, Ok(Opened::announcing(store)))
            }
            // Only kinds whose features are on come this far.
            #[allow(unreachable_patterns)]
            _ => {
                let _ = (rest, lease, self.migrate, self.sweep_every, self.announces);
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
            .field("sweep_every", &self.sweep_every)
            .field("announces", &self.announces)
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
fn memory(
    rest: &str,
    sweep_every: Option<Duration>,
    lease: Option<Duration>,
) -> Result<Opened, StoreError> {
    if !rest.is_empty() {
        return Err(failure::memory());
    }
    let store = cloakroom_memory::MemoryStore::new();
    opened!(lease, store, Opened::announcing_swept(store, sweep_every))
}

/// `file:relative`, `file:/absolute`, or as RFC 8089 has it, `file:///absolute`. Nothing is
/// percent-encoded.
#[cfg(feature = "file")]
fn file(
    rest: &str,
    name: Option<&str>,
    sweep_every: Option<Duration>,
    lease: Option<Duration>,
) -> Result<Opened, StoreError> {
    let directory = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(failure::file()),
        None => rest,
    };
    if directory.is_empty() {
        return Err(failure::file());
    }
    // No part of the path by mistake, and no option that is silently without effect.
    if directory.contains(['?', '#']) {
        return Err(failure::file_options());
    }
    let directory = std::path::Path::new(directory);
    let store = match name {
        Some(name) => cloakroom_file::FileStore::open(directory.join(name))?,
        None => cloakroom_file::FileStore::open(directory)?,
    };
    opened!(lease, store, Opened::swept(store, sweep_every))
}
