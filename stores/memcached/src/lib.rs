//! Cloakroom sessions in Memcached.

mod builder;
mod connection;
mod failure;
mod life;
mod name;
mod node;
mod protocol;
mod ring;
mod store;
mod url;

pub use builder::Builder;
pub use store::MemcachedStore;
