//! `SESSION_TYPE = "mongodb"`.

mod builder;
mod document;
mod errors;
mod store;
mod turns;

pub use self::builder::MongoDbBuilder;
pub use self::store::MongoDbStore;
