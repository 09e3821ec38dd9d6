//! `SESSION_TYPE` picks the store when the program runs.

use cloakroom_flask::{SessionType, Settings};
use cloakroom_store::{SharedStore, StoreError};

use crate::NullStore;

/// Opens the store of a Flask application with these settings. `SESSION_TYPE` picks it, and the
/// keys that belong to it contain its address.
///
/// | `SESSION_TYPE` | where | default |
/// |---|---|---|
/// | none (Flask's own cookie), `null` | nowhere: [`NullStore`] | |
/// | `redis` | `SESSION_REDIS` | `redis://127.0.0.1:6379` |
/// | `memcached` | `SESSION_MEMCACHED`; of several servers with `SESSION_MEMCACHED_CLIENT` | `127.0.0.1:11211` |
/// | `filesystem` | `SESSION_FILE_DIR`, `_THRESHOLD`, `_MODE` | `flask_session`, 500, 0600 |
/// | `mongodb` | `SESSION_MONGODB`, `_DB`, `_COLLECT` | `mongodb://127.0.0.1:27017`, `flask_session`, `sessions` |
/// | `sqlalchemy` | `SESSION_SQLALCHEMY`, `_TABLE`, `SESSION_CLEANUP_N_REQUESTS` | must be said, `sessions`, never |
///
/// As Flask-Session 0.8 does, it makes the directory and the table where they are missing. The
/// layout of files is found out: see
/// [`FileSystemBuilder::layout`](crate::FileSystemBuilder::layout).
///
/// # Errors
///
/// If the store cannot be opened. A permanent one names the missing feature of this program, or the
/// missing key. None contains a URL.
///
/// ```
/// use cloakroom_flask::{Settings, Value};
/// use cloakroom_store::Store;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path().join("flask_session").display().to_string();
/// let settings = Settings::from_map([
///     ("SESSION_TYPE", Value::from("filesystem")),
///     ("SESSION_FILE_DIR", Value::from(directory)),
/// ])?;
/// let store = cloakroom_flask_stores::open(&settings).await?;
/// let config = settings.config()?; // for the layer
/// # Ok(())
/// # }
/// ```
pub async fn open(settings: &Settings) -> Result<SharedStore, StoreError> {
    match settings.session_type {
        SessionType::Cookie | SessionType::Null => Ok(SharedStore::new(NullStore)),
        #[cfg(feature = "redis")]
        SessionType::Redis => {
            let url = settings.session_redis.as_deref();
            let url = url.unwrap_or("redis://127.0.0.1:6379");
            crate::RedisStore::connect(url).await.map(SharedStore::new)
        }
        #[cfg(feature = "memcached")]
        SessionType::Memcached => {
            let servers = settings.session_memcached.iter();
            let servers: Vec<_> = servers.flat_map(|servers| servers.split(',')).collect();
            let store = match (&servers[..], &settings.session_memcached_client) {
                ([], _) => crate::MemcachedStore::connect("127.0.0.1:11211").await,
                ([server], _) => crate::MemcachedStore::connect(server).await,
                (several, Some(client)) => {
                    let several = several.iter().copied();
                    crate::MemcachedStore::connect_several(client.parse()?, several).await
                }
                (several, None) => crate::MemcachedStore::connect(&several.join(",")).await,
            };
            store.map(SharedStore::new)
        }
        #[cfg(feature = "filesystem")]
        SessionType::Filesystem => {
            let builder = crate::FileSystemStore::builder(&settings.session_file_dir)
                .threshold(settings.session_file_threshold)
                .mode(settings.session_file_mode);
            builder.open().map(SharedStore::new)
        }
        #[cfg(feature = "mongodb")]
        SessionType::Mongodb => {
            let url = settings.session_mongodb.as_deref();
            let url = url.unwrap_or("mongodb://127.0.0.1:27017");
            let builder = crate::MongoDbStore::builder(url)
                .database(&settings.session_mongodb_db)
                .collection(&settings.session_mongodb_collect);
            builder.connect().await.map(SharedStore::new)
        }
        #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
        SessionType::Sqlalchemy => {
            let Some(url) = &settings.session_sqlalchemy else {
                return Err(crate::failure::permanent(
                    "flask-sqlalchemy",
                    "SESSION_SQLALCHEMY is not set; set it to the URL that SQLALCHEMY_DATABASE_URI has in Flask",
                ));
            };
            let mut builder =
                crate::SqlAlchemyStore::builder(url).table(&settings.session_sqlalchemy_table);
            if let Some(requests) = settings.session_cleanup_n_requests {
                builder = builder.cleanup_n_requests(requests);
            }
            let store = builder.connect().await?;
            store.create_table().await?;
            Ok(SharedStore::new(store))
        }
        #[allow(unreachable_patterns, reason = "with all features there is no other")]
        other => Err(crate::failure::permanent(
            "flask",
            format!(
                "SESSION_TYPE is {other:?}, and this program was built without that feature of cloakroom-flask-stores"
            ),
        )),
    }
}
