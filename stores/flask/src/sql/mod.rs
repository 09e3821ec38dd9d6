//! `SESSION_TYPE = "sqlalchemy"`.

mod builder;
mod columns;
mod connections;
mod database;
mod failure;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlx_url;
mod statements;
mod store;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod tls;

pub use builder::SqlAlchemyBuilder;
pub use columns::Columns;
pub use store::SqlAlchemyStore;

pub(crate) const STORE: &str = "flask-sqlalchemy";
