//! Any Cloakroom session store, chosen by a URL when the program starts. Use it where the
//! configuration decides which store keeps the sessions. An application with a fixed store names
//! that store's type instead, and saves an allocation for each operation.
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom_store::StoreError> {
//! let url = std::env::var("SESSIONS").unwrap_or_else(|_| "memory:".to_owned());
//! // Give the store to the adapter: `SessionLayer::new(store)`.
//! let store = cloakroom_any::open(&url).await?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```
//!
//! | URL | store | feature |
//! |---|---|---|
//! | `memory:` | the process's memory | `memory` (on by default) |
//! | `file:DIRECTORY`, `file:///DIRECTORY` | files | `file` (on by default) |
//! | `sqlite:FILE`, `sqlite::memory:` | SQLite | `sqlite` |
//! | `postgres://user:password@host/database`, `postgresql://…` | PostgreSQL | `postgres` |
//! | `mysql://user:password@host/database`, `mariadb://…` | MySQL, MariaDB | `mysql` |
//! | `redis://user:password@host/0`, `valkey://…`, `redis+unix:///SOCKET` | Redis, Valkey | `redis` |
//! | `rediss://…`, `valkeys://…`, `rediss+cluster://…`, `rediss+sentinel://…` | the same with TLS | `redis` and `tls` |
//! | `redis+cluster://host,host` | Redis Cluster | `redis` |
//! | `redis+sentinel://host,host/name-of-master/0` | Redis behind sentinels | `redis` |
//! | `memcached://host,host`, `memcached+unix:///SOCKET` | Memcached | `memcached` |
//! | `mongodb://user:password@host,host/database`, `mongodb+srv://…` | MongoDB | `mongodb` |
//!
//! The page of each crate lists its guarantees and the options of its URL: `cloakroom-memory`,
//! `cloakroom-file`, `cloakroom-sql`, `cloakroom-redis`, `cloakroom-memcached`,
//! `cloakroom-mongodb`. The database is part of the URL. [`Builder::name`] names the table,
//! collection or prefix; the default is that of the crate. A scheme may be in capitals.
//!
//! # A cache in the process
//!
//! Every URL takes the option `near` (feature `near`, on by default): `redis://localhost?near=1s`
//! opens the store behind the cache of `cloakroom-near`. A load within that time after the last one
//! costs no store call, and a session that another process ends is refused when it is over. From
//! `100ms` to `30s`. The cache takes at most 64 MiB. On Redis and Valkey it listens to the server's
//! announcements too, where the server and the user's permissions allow it: what changes is dropped
//! at once, and what does not is used longer.
//!
//! # Announcements
//!
//! The opened store announces ended sessions if the URL's store does
//! ([`Feed`](cloakroom_store::Feed)), also behind a cache: memory and MongoDB by themselves, Redis
//! and PostgreSQL with [`Builder::announce_ends`]. So `cloakroom::Sessions::with_feed` notices at
//! once what another process ended. On the other stores `listen` is a permanent error, a warning is
//! logged, and the end is noticed within the lease.
//!
//! # Two applications on one store
//!
//! Two applications in one database accept each other's tokens if their key prefixes are equal, and
//! list each other's users. The default configuration is the same for all hosts. So give each
//! application its own [name](Builder::name).
//!
//! # What opening does
//!
//! Opening connects, so that a wrong URL fails at the start. It makes a missing table in a SQL
//! database and missing indexes in MongoDB. [`Builder::migrate`] turns that off.
//!
//! For memory, files and SQL databases it also starts a sweeper, which removes expired records
//! every five minutes for as long as the store is in use. Of several processes, one sweeps at a
//! time. [`Builder::sweep_every`] changes the interval or turns it off.
//!
//! # Errors
//!
//! The error for an unknown scheme lists the known ones. The error for a scheme whose feature is
//! off names the feature. No error and no `Debug` output contains the URL, because it may hold a
//! password.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod failure;
mod near;
mod opened;
mod scheme;

use cloakroom_store::{SharedDirectory, SharedStore, StoreError};

pub use builder::Builder;
pub use opened::{Enumerator, Opened, Sweeper};

/// Opens the store that the URL names, makes its table or indexes where they are missing, and makes
/// sure that its server answers.
///
/// # Errors
///
/// Those of [`Builder::open`].
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// let store = cloakroom_any::open("memory:").await?;
/// let key = Key::new("session:47DEQpj8HBSa").unwrap();
/// let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub async fn open(url: &str) -> Result<SharedStore, StoreError> {
    Ok(builder(url).open().await?.store)
}

/// Opens the store that the URL names as one that lists a user's sessions.
///
/// # Errors
///
/// Those of [`Builder::open`]; and a permanent one for Memcached, which cannot list.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// use cloakroom_store::Directory;
///
/// let store = cloakroom_any::open_directory("memory:").await?;
/// assert!(store.list("ada").await?.is_empty());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub async fn open_directory(url: &str) -> Result<SharedDirectory, StoreError> {
    let opened = builder(url).open().await?;
    opened.directory.ok_or_else(failure::no_directory)
}

/// Returns a builder: for a list of a user's sessions, a name, another sweep interval, or no
/// migration.
///
/// ```
/// let builder = cloakroom_any::builder("memory:");
/// ```
pub fn builder(url: &str) -> Builder {
    Builder::new(url)
}
