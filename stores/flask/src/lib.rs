//! Cloakroom sessions where Flask-Session keeps them, so that a Flask application and a Rust application share them.

mod failure;
#[cfg(feature = "filesystem")]
mod files;
mod null;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
#[cfg(feature = "filesystem")]
mod tutorial;

#[cfg(feature = "filesystem")]
pub use files::{FileLayout, FileSystemBuilder, FileSystemStore};
pub use null::NullStore;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use sql::{SqlAlchemyBuilder, SqlAlchemyStore};
#[cfg(feature = "filesystem")]
pub use tutorial::JsonFileStore;
