//! `SESSION_TYPE = "sqlalchemy"`.

mod builder;
mod database;
mod failure;
mod statements;
mod store;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod tls;

pub use builder::SqlAlchemyBuilder;
pub use store::SqlAlchemyStore;

pub(crate) const STORE: &str = "flask-sqlalchemy";
