//! The whole store suite on tower-sessions' records: in Redis, MongoDB, SQLite, PostgreSQL and
//! MariaDB.

mod ids;
mod mongodb;
mod redis;
mod sql;

use std::io;
use std::process::ExitCode;

use cloakroom_conformance::store;
use cloakroom_servers::{mariadb, postgres};

use mongodb::OnMongoDb;
use redis::OnRedis;
use sql::{On, Sqlite};

fn main() -> io::Result<ExitCode> {
    store::worker::<OnRedis>();
    store::worker::<OnMongoDb>();
    store::worker::<Sqlite>();
    store::worker::<On<postgres::Own>>();
    store::worker::<On<mariadb::Own>>();
    Ok(store::suite(OnRedis::default())
        .and(store::suite(OnMongoDb::default()))
        .and(store::suite(Sqlite::new()?))
        .and(store::suite(On::<postgres::Own>::default()))
        .and(store::suite(On::<mariadb::Own>::default()))
        .main())
}
