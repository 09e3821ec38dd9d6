//! Cloakroom sessions where Flask-Session keeps them, in exactly its layouts. A Flask application
//! and a Rust application share them while routes move from one to the other. `GUIDE.md` beside
//! this crate's code shows the steps. The crate `cloakroom-flask` reads and writes the values.
//!
//! | `SESSION_TYPE` | feature | store | what it keeps under `session:` and the session's id |
//! |---|---|---|---|
//! | `redis` | `redis` | `RedisStore` | a string with a time to live |
//! | `memcached` | `memcached` | `MemcachedStore` | an item with a date |
//! | `filesystem` | `filesystem` (on by default) | `FileSystemStore` | a file, in werkzeug's or cachelib's layout |
//! | `mongodb` | `mongodb`, and `srv` for `mongodb+srv://` | `MongoDbStore` | a document `{id, val, expiration}` |
//! | `sqlalchemy` | `sqlite`, `postgres`, `mysql` | `SqlAlchemyStore` | a row of `sessions` |
//! | `null` | | [`NullStore`] | nothing; a write is an error that names the setting |
//! | none: a tutorial's own | `filesystem` | `JsonFileStore` | a member of the one JSON object in the one file |
//!
//! ```
//! use cloakroom_flask_stores::FileSystemStore;
//! use cloakroom_store::{Key, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path().join("flask_session");
//! let store = FileSystemStore::open(&dir)?; // SESSION_FILE_DIR
//! let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
//! assert!(store.load(&key).await?.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! `open` picks a store by the settings of the Flask application.
//!
//! # What holds
//!
//! Among Rust applications, all stores here keep the whole contract of `cloakroom-store` and pass
//! its suite (`cargo conformance store flask-redis` and so on). Creates never overwrite. Replaces
//! and deletes act only on the loaded value. Expired records are absent, and an outage is an error.
//! Flask's layouts have no version, so the stores compare the value itself in one atomic step. That
//! is a script on Redis, the CAS token on Memcached, a filter on `val` or `data` in the databases,
//! and a lock with a rename on files.
//!
//! Flask compares nothing. It writes the session as it was when its request began, over whatever is
//! there by then:
//!
//! - A Flask request that writes at its end overwrites the changes that Rust requests made in the
//!   meantime. Flask-Session 0.8 also writes sessions that it has only read, unless
//!   `SESSION_REFRESH_EACH_REQUEST = False`. 0.3 and 0.5 always do.
//! - If a Rust request signs a session out while a Flask request is under way, the session is there
//!   again when the Flask request ends. The browser has dropped its cookie, but a copy of the
//!   cookie is signed in again.
//! - Changes that a Flask request makes while a Rust request is under way are kept. The Rust
//!   request finds them, and replays its own changes over them.
//! - No request reads half a session, or part of another session: Flask's writes are whole.
//! - After a sign-in or rotation in Rust the session has another id. A late Flask request writes
//!   under the old one, and never reaches the new privilege.
//!
//! # TLS
//!
//! With the feature `tls` (rustls) URLs ask for TLS with the options of Python's clients:
//!
//! | URL | its options | without them |
//! |---|---|---|
//! | `rediss://…` | `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs=required`, `ssl_check_hostname=true` | verified by the system's authorities |
//! | `postgresql://…` | `sslmode`, `sslrootcert` (a file, or `system`), `sslcert`, `sslkey` | TLS if the server offers it |
//! | `mysql://…` | `ssl_ca`, `ssl_cert`, `ssl_key`, `ssl_mode`, `ssl_check_hostname=true`, `ssl_verify_cert=true`, `ssl_verify_identity=true` | TLS if the server offers it |
//! | `mongodb://…` | those of MongoDB: `tls=true`, `tlsCAFile`, … | none; and the feature is not needed |
//!
//! Files are PEM, and keys have no password. Any other TLS option is an error, and so is one that
//! turns verification off (`ssl_cert_reqs=none`, `ssl_check_hostname=false`, …). Verification means
//! that an authority signed the certificate and that it has the server's name in the URL. That is
//! sometimes more than Python requires:
//!
//! - redis-py before 6, and libpq with `verify-ca`, do not check the name.
//! - With an authority (`sslrootcert`, `ssl_ca`) the server is verified, also by `sslmode=require`,
//!   or without a mode. Alone, `sslmode=require` and `ssl_mode=REQUIRED` encrypt and verify
//!   nothing, as in Python.
//! - `ssl_ca_certs` replaces the system's authorities. The authorities of a database's URL are
//!   trusted in addition to them.
//!
//! The files of a Redis URL are read when the store is opened, those of a database at each
//! connection. libpq's files in `~/.postgresql` are not read. The process's rustls provider becomes
//! *ring*, unless the application has chosen one.
//!
//! Of the other options of a database URL, those of Python's drivers that set time limits,
//! keep-alives and encodings have no effect here: the builder's settings hold. Any option beside
//! these that this store does not have is an error, as it is in Python.
//!
//! # Differences to the contract, by layout
//!
//! - **Subjects** have no place in the layouts, so no store is a `Directory`.
//! - **Memcached** returns the time left in whole seconds, so the expiry may be a second off.
//! - **cachelib** has 32 bits for the end: 2106.
//! - **Files**: Flask takes no lock. Between this store's comparison and its rename a write of
//!   Flask may be lost.
//! - **MySQL's** `data` is a `BLOB`: 65,535 bytes.
//!
//! # A custom session interface
//!
//! An application with its own `SessionInterface` has a layout of its own. If it stores bytes with
//! an expiry, implement [`Store`](cloakroom_store::Store) for it. Flask code that goes `if new:
//! add() else: set()` becomes `create` and `replace`, with a comparison:
//!
//! ```
//! use cloakroom_store::{
//!     Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched,
//!     UnixTime, Write,
//! };
//! use std::collections::HashMap;
//! use std::sync::{Mutex, MutexGuard};
//! use std::time::SystemTime;
//!
//! /// Replaces `class DictSessionInterface(SessionInterface)`, which kept
//! /// sessions in a dict of the process.
//! #[derive(Default)]
//! struct DictStore(Mutex<HashMap<Key, Stored>>);
//!
//! impl DictStore {
//!     fn living(&self) -> MutexGuard<'_, HashMap<Key, Stored>> {
//!         let mut dict = self.0.lock().unwrap();
//!         let now = UnixTime::from(SystemTime::now());
//!         dict.retain(|_, session| now < session.expires_at);
//!         dict
//!     }
//! }
//!
//! impl Store for DictStore {
//!     async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
//!         Ok(self.living().get(key).cloned())
//!     }
//!     async fn create(
//!         &self,
//!         key: &Key,
//!         write: &Write,
//!     ) -> Result<Created, StoreError> {
//!         let mut dict = self.living();
//!         if dict.contains_key(key) {
//!             return Ok(Created::Taken);
//!         }
//!         dict.insert(
//!             key.clone(),
//!             Stored::new(write.bytes.clone(), write.expires_at, 0),
//!         );
//!         Ok(Created::Stored)
//!     }
//!     async fn replace(
//!         &self,
//!         key: &Key,
//!         old: &Stored,
//!         write: &Write,
//!     ) -> Result<Replaced, StoreError> {
//!         match self.living().get_mut(key) {
//!             None => Ok(Replaced::Gone),
//!             Some(there) if there.bytes != old.bytes => Ok(Replaced::Changed),
//!             Some(there) => {
//!                 *there = Stored::new(write.bytes.clone(), write.expires_at, 0);
//!                 Ok(Replaced::Stored)
//!             }
//!         }
//!     }
//!     async fn touch(
//!         &self,
//!         key: &Key,
//!         expires_at: UnixTime,
//!     ) -> Result<Touched, StoreError> {
//!         match self.living().get_mut(key) {
//!             None => Ok(Touched::Gone),
//!             Some(there) => {
//!                 there.expires_at = expires_at;
//!                 Ok(Touched::Extended)
//!             }
//!         }
//!     }
//!     async fn delete(
//!         &self,
//!         key: &Key,
//!         old: &Stored,
//!     ) -> Result<Deleted, StoreError> {
//!         let mut dict = self.living();
//!         match dict.get(key) {
//!             None => Ok(Deleted::Gone),
//!             Some(there) if there.bytes != old.bytes => Ok(Deleted::Changed),
//!             Some(_) => {
//!                 dict.remove(key);
//!                 Ok(Deleted::Deleted)
//!             }
//!         }
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StoreError> {
//! # let key = Key::new("a").unwrap();
//! # let store = DictStore::default();
//! # let write = Write::new(b"{}".to_vec(), UnixTime::MAX, None);
//! # assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # assert_eq!(store.create(&key, &write).await?, Created::Taken);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod failure;
#[cfg(feature = "filesystem")]
mod files;
#[cfg(feature = "memcached")]
mod memcached;
#[cfg(feature = "mongodb")]
mod mongodb;
mod null;
#[cfg(feature = "settings")]
mod open;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
#[cfg(any(feature = "redis", feature = "postgres", feature = "mysql"))]
mod tls;
#[cfg(feature = "filesystem")]
mod tutorial;

#[cfg(feature = "mongodb")]
pub use crate::mongodb::{Fields, MongoDbBuilder, MongoDbStore};
#[cfg(feature = "redis")]
pub use crate::redis::{RedisBuilder, RedisStore};
#[cfg(feature = "filesystem")]
pub use files::{FileLayout, FileSystemBuilder, FileSystemStore};
#[cfg(feature = "memcached")]
pub use memcached::{MemcachedClient, MemcachedStore};
pub use null::NullStore;
#[cfg(feature = "settings")]
pub use open::open;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use sql::{Columns, SqlAlchemyBuilder, SqlAlchemyStore};
#[cfg(feature = "filesystem")]
pub use tutorial::JsonFileStore;
