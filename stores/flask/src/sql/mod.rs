//! `SESSION_TYPE = "sqlalchemy"`.

mod builder;
mod database;
mod failure;
mod statements;
mod store;

pub use builder::SqlAlchemyBuilder;
pub use store::SqlAlchemyStore;

pub(crate) const STORE: &str = "flask-sqlalchemy";
