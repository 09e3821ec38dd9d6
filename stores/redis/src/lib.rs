//! Cloakroom sessions in Redis or Valkey.

mod builder;
mod failure;
mod layout;
mod link;
mod scripts;
mod store;
mod url;

pub use builder::Builder;
pub use store::RedisStore;
