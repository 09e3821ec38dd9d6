//! Cloakroom sessions in a collection of a MongoDB database, through the official driver.

mod builder;
mod document;
mod failure;
mod store;

pub use builder::Builder;
pub use store::MongoStore;
