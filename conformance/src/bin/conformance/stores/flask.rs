//! The stores in Flask-Session's layouts.

mod files;
mod json;
mod memcached;
mod mongodb;
mod redis;
mod sql;

use cloakroom_conformance::store;

pub(crate) use files::{CacheLibMd5, Files, Werkzeug};
pub(crate) use json::JsonFile;
pub(crate) use memcached::OnMemcached;
pub(crate) use mongodb::OnMongoDb;
pub(crate) use redis::OnRedis;
pub(crate) use sql::{On, OnMariaDb, OnPostgres, Sqlite};

/// Why none of them lists by subject.
const NO_SUBJECT: &str = "Flask's layout has no place for a subject";

pub(crate) fn work() {
    store::worker::<Files>();
    store::worker::<CacheLibMd5>();
    store::worker::<Werkzeug>();
    store::worker::<JsonFile>();
    store::worker::<OnMemcached>();
    store::worker::<OnMongoDb>();
    store::worker::<OnRedis>();
    store::worker::<Sqlite>();
    store::worker::<OnPostgres>();
    store::worker::<OnMariaDb>();
}
