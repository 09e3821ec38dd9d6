//! Any Cloakroom session store, chosen by a URL when the program starts: for applications whose configuration says where sessions
//! are kept. An application that knows its store names that store's type instead, and saves an allocation for each operation.
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom_store::StoreError> {
//! let url = std::env::var("SESSIONS").unwrap_or_else(|_| "memory:".to_owned());
//! let store = cloakroom_any::open(&url).await?; // `SessionLayer::new(store)` and so on
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
//! | `memcached://host,host` | Memcached | `memcached` |
//! | `mongodb://user:password@host,host/database`, `mongodb+srv://…` | MongoDB | `mongodb` |
//!
//! What each guarantees, and all that its URL can say, is on the page of its crate: `cloakroom-memory`, `cloakroom-file`, `cloakroom-sql`,
//! `cloakroom-redis`, `cloakroom-memcached`, `cloakroom-mongodb`. The database is part of the URL; tables, collections and prefixes are called as
//! those crates say, or as [`Builder::name`] does. A scheme may be in capitals too.
//!
//! # What opening does
//!
//! It connects, so that a wrong URL is found at the start; and it makes the table in a SQL database, or the indexes in MongoDB, where
//! they are missing. [`Builder::migrate`] turns that off.
//!
//! **Nothing is removed by itself** from memory, files and SQL databases: what has expired is invisible, and stays until somebody sweeps.
//! [`builder`] gives the [`Sweeper`] for that.
//!
//! # Errors
//!
//! An unknown scheme is an error that lists the known ones; a known one whose feature is off, an error that names the feature. No error, and
//! nothing's `Debug`, contains the URL: it may hold a password.

mod builder;
mod failure;
mod opened;
mod scheme;

use cloakroom_store::{SharedDirectory, SharedStore, StoreError};

pub use builder::Builder;
pub use opened::{Opened, Sweeper};

/// Opens the store that the URL names, makes its table or indexes where they are missing, and makes sure that its server answers.
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

/// A builder, for those who want all that the store can do, or the table left alone.
///
/// ```
/// let builder = cloakroom_any::builder("memory:");
/// ```
pub fn builder(url: &str) -> Builder {
    Builder::new(url)
}
