//! Cloakroom sessions where Flask-Session keeps them, so that a Flask application and a Rust application share them.

mod failure;
#[cfg(feature = "filesystem")]
mod files;
#[cfg(feature = "memcached")]
mod memcached;
mod null;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
#[cfg(feature = "filesystem")]
mod tutorial;

#[cfg(feature = "redis")]
pub use crate::redis::{RedisBuilder, RedisStore};
#[cfg(feature = "filesystem")]
pub use files::{FileLayout, FileSystemBuilder, FileSystemStore};
#[cfg(feature = "memcached")]
pub use memcached::MemcachedStore;
pub use null::NullStore;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use sql::{SqlAlchemyBuilder, SqlAlchemyStore};
#[cfg(feature = "filesystem")]
pub use tutorial::JsonFileStore;
