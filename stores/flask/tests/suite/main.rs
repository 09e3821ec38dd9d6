//! The whole store suite on each of Flask-Session's layouts.

mod files;
mod json;
mod layout;
mod memcached;
mod mongodb;
mod redis;
mod sql;

use std::io;
use std::process::ExitCode;

use cloakroom_conformance::store;
use cloakroom_servers::pgbouncer::{Behind, Transactions};
use cloakroom_servers::{mariadb, postgres};

use files::{CacheLibMd5, Files, Werkzeug};
use json::JsonFile;
use memcached::OnMemcached;
use mongodb::OnMongoDb;
use redis::OnRedis;
use sql::{On, Sqlite};

fn main() -> io::Result<ExitCode> {
    store::worker::<Files>();
    store::worker::<CacheLibMd5>();
    store::worker::<Werkzeug>();
    store::worker::<JsonFile>();
    store::worker::<OnMemcached>();
    store::worker::<OnMongoDb>();
    store::worker::<OnRedis>();
    store::worker::<Sqlite>();
    store::worker::<On<postgres::Own>>();
    store::worker::<On<Behind<Transactions>>>();
    store::worker::<On<mariadb::Own>>();
    let behind_pooler = store::suite(On::<Behind<Transactions>>::default());
    Ok(store::suite(Files::new()?)
        .and(store::suite(CacheLibMd5::new()?))
        .and(store::suite(Werkzeug::new()?))
        .and(store::suite(JsonFile::new()?))
        .and(store::suite(OnRedis::default()))
        .and(store::suite(OnMemcached::default()))
        .and(store::suite(OnMongoDb::default()))
        .and(store::suite(Sqlite::new()?))
        .and(store::suite(On::<postgres::Own>::default()))
        .and(behind_pooler.only(|name| name.ends_with("/direct]")))
        .and(store::suite(On::<mariadb::Own>::default()))
        .main())
}
