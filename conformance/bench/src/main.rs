//! Compares a store with the same commands sent directly, with the same client and in the same run.
//! Measures operations per second, one at a time and 64 at once, and round trips per operation.
//!
//! `cargo conformance bench stores` starts the servers and runs this in a release build:
//! `cloakroom-bench NAME URL`. `cloakroom-bench cancelled NAME URL` measures what aborting clients
//! cost the others: `cargo conformance bench cancelled`.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

mod cancelled;
mod direct;
mod measure;
mod memcached;
mod mongodb;
mod redis;
mod sql;
mod way;

use std::error::Error;
use std::process::ExitCode;

use cloakroom_file::FileStore;
use cloakroom_flask_stores as flask;
use cloakroom_memcached::MemcachedStore;
use cloakroom_memory::MemoryStore;
use cloakroom_mongodb::MongoDbStore;
use cloakroom_redis::RedisStore;
use cloakroom_sql::{SqlStore, sqlx};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let (name, outcome) = match &words[..] {
        [name, url] => (name, run(name, url).await),
        [first, name, url] if first == "cancelled" => (name, cancelled(name, url).await),
        _ => {
            println!("usage: cloakroom-bench [cancelled] NAME URL");
            return ExitCode::from(2);
        }
    };
    match outcome {
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
                let builder = MongoDbStore::builder().database(mongodb::DATABASE);
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

async fn cancelled(name: &str, url: &str) -> Result<(), Failure> {
    match name {
        "memory" => cancelled::measure(name, MemoryStore::new()).await,
        "file" => cancelled::measure(name, FileStore::open(url)?).await,
        "redis" => cancelled::measure(name, RedisStore::connect(url).await?).await,
        "memcached" => cancelled::measure(name, MemcachedStore::connect(url).await?).await,
        "mongodb" => cancelled::measure(name, MongoDbStore::connect(url).await?).await,
        "sqlite" | "postgres" | "mariadb" => {
            cancelled::measure(name, open_sql(url.to_owned()).await?).await
        }
        "flask-file" => cancelled::measure(name, flask::FileSystemStore::open(url)?).await,
        "flask-redis" => cancelled::measure(name, flask::RedisStore::connect(url).await?).await,
        "flask-memcached" => {
            cancelled::measure(name, flask::MemcachedStore::connect(url).await?).await
        }
        "flask-mongodb" => cancelled::measure(name, flask::MongoDbStore::connect(url).await?).await,
        "flask-sqlite" | "flask-postgres" | "flask-mariadb" => {
            let url = match name {
                "flask-sqlite" => format!("sqlite:///{url}/flask.db"),
                _ => url.to_owned(),
            };
            let store = flask::SqlAlchemyStore::connect(&url).await?;
            store.create_table().await?;
            cancelled::measure(name, store).await
        }
        _ => Err("this store is not measured".into()),
    }
}

async fn open_sql(url: String) -> Result<SqlStore, Failure> {
    let store = SqlStore::builder().table(sql::TABLE).connect(&url).await?;
    store.migrate().await?;
    Ok(store)
}
