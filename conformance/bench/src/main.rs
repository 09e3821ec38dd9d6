//! Measures a store beside the same commands sent directly, with the same client and in the same run: operations a second at
//! one and at 64 at once, and round trips for each operation.
//!
//! `cargo conformance bench stores` starts the servers and runs this in a release build: `cloakroom-bench NAME URL`.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

mod direct;
mod measure;
mod memcached;
mod mongodb;
mod redis;
mod sql;
mod way;

use std::error::Error;
use std::process::ExitCode;

use cloakroom_memcached::MemcachedStore;
use cloakroom_mongodb::MongoStore;
use cloakroom_redis::RedisStore;
use cloakroom_sql::{SqlStore, sqlx};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [name, url] = &words[..] else {
        println!("usage: cloakroom-bench NAME URL");
        return ExitCode::from(2);
    };
    match run(name, url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("FAILED  bench/{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(name: &str, url: &str) -> Result<(), Failure> {
    match name {
        "redis" => {
            let direct = redis::Direct::connect(url).await?;
            let open = async |url: String| -> Result<_, Failure> {
                let builder = RedisStore::builder(&url).prefix(redis::PREFIX);
                Ok(builder.connect().await?)
            };
            measure::all(name, url, open, direct).await
        }
        "memcached" => {
            let open = async |url: String| -> Result<_, Failure> {
                let builder = MemcachedStore::builder(&url).prefix(memcached::PREFIX);
                Ok(builder.connect().await?)
            };
            measure::all(name, url, open, memcached::Direct::new(url)).await
        }
        "mongodb" => {
            let direct = mongodb::Direct::connect(url).await?;
            let open = async |url: String| -> Result<_, Failure> {
                let builder = MongoStore::builder().database(mongodb::DATABASE);
                Ok(builder.connect(&url).await?)
            };
            measure::all(name, url, open, direct).await
        }
        "sqlite" => {
            let direct = sql::Direct::<sqlx::Sqlite>::connect(url).await?;
            measure::all(name, url, open_sql, direct).await
        }
        "postgres" => {
            let direct = sql::Direct::<sqlx::Postgres>::connect(url).await?;
            measure::all(name, url, open_sql, direct).await
        }
        "mariadb" => {
            let direct = sql::Direct::<sqlx::MySql>::connect(url).await?;
            measure::all(name, url, open_sql, direct).await
        }
        _ => Err(
            "this store is not measured; known are redis, memcached, mongodb, sqlite, postgres and mariadb"
                .into(),
        ),
    }
}

async fn open_sql(url: String) -> Result<SqlStore, Failure> {
    let store = SqlStore::builder().table(sql::TABLE).connect(&url).await?;
    store.migrate().await?;
    Ok(store)
}
