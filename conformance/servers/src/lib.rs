//! The servers that stores stand on: found or installed, started for this run on free ports of the
//! loopback, and stopped with it.
//!
//! A server that a variable of the environment names (`POSTGRES_URL`, `REDIS_URL`, …; `cargo
//! conformance help` has all) is used as it is.

#![allow(
    missing_debug_implementations,
    reason = "nobody prints a server, and its URL may have a password in it"
)]

#[cfg(target_os = "linux")]
mod bindfs;
#[cfg(feature = "http")]
pub mod http;
mod install;
#[cfg(feature = "sql")]
pub mod mariadb;
pub mod memcached;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "sql")]
pub mod mysql;
mod nats;
mod on_demand;
pub mod output;
#[cfg(feature = "sql")]
pub mod pgbouncer;
mod ports;
#[cfg(feature = "sql")]
pub mod postgres;
mod process;
pub mod proxy;
mod pypi;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "http")]
pub mod repeat;
mod reverse_proxy;
#[cfg(feature = "sql")]
mod sql;
#[cfg(feature = "redis")]
pub mod twemproxy;
mod user;
mod ways;

#[cfg(target_os = "linux")]
pub use bindfs::Bindfs;
pub use install::{find, package, program, unstable_program};
#[cfg(feature = "sql")]
pub use mariadb::MariaDb;
pub use memcached::Memcached;
#[cfg(feature = "mongodb")]
pub use mongodb::{MongoDb, WithUsers};
pub use nats::Nats;
pub use on_demand::OnDemand;
pub use output::say;
#[cfg(feature = "sql")]
pub use pgbouncer::PgBouncer;
pub use ports::free_port;
#[cfg(feature = "sql")]
pub use postgres::Postgres;
pub use process::{Server, version};
pub use pypi::{pypi, venv};
#[cfg(feature = "redis")]
pub use redis::{
    Certificates as RedisCertificates, Cluster as RedisCluster, Impatient, Redis, Sentinel,
    Standalone, Tls, Valkey, Valkey9, agree, arrived, execute, query,
};
pub use reverse_proxy::{Kind as ProxyKind, ReverseProxy};
#[cfg(feature = "sql")]
pub use sql::{Dialect, Sql, SqlServer};
pub use ways::Ways;

/// Why something could not be arranged on a server.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
