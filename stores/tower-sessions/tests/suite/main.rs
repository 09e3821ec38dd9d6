//! The whole store suite on tower-sessions' records: in Redis, MongoDB, SQLite and
//! PostgreSQL. The suite's clock is beyond 2038, where the column of MySQL and MariaDB ends.

mod ids;
mod mongodb;
mod redis;
mod sql;

use std::io;
use std::process::ExitCode;

use cloakroom_conformance::store;
use cloakroom_servers::postgres;

use mongodb::OnMongoDb;
use redis::OnRedis;
use sql::{On, Sqlite};

fn main() -> io::Result<ExitCode> {
    store::worker::<OnRedis>();
    store::worker::<OnMongoDb>();
    store::worker::<Sqlite>();
    store::worker::<On<postgres::Own>>();
    Ok(store::suite(OnRedis::default())
        .and(store::suite(OnMongoDb::default()))
        .and(store::suite(Sqlite::new()?))
        .and(store::suite(On::<postgres::Own>::default()))
        .main())
}
