//! Cloakroom sessions in SQLite, PostgreSQL, MySQL or MariaDB.

mod builder;
mod database;
mod failure;
#[cfg(feature = "mysql")]
mod mysql;
mod name;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod store;

pub use builder::Builder;
pub use database::Pool;
pub use sqlx;
pub use store::SqlStore;
