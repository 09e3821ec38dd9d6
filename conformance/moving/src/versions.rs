//! The stores of tower-sessions' authors, for each version of tower-sessions.
//!
//! For 0.14 there are stores for Redis and SQL, for 0.11 one for MongoDB, and for 0.15 none yet. An
//! application on another version writes its own around one of these, or one like these: a record
//! has the same three fields in each version.

use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

use crate::Redis;

/// tower-sessions' store in this Redis, for 0.14.
pub async fn their_redis(redis: &Redis) -> RedisStore<Pool> {
    RedisStore::new(pool(redis).await)
}

/// A store in this Redis for 0.15.
pub async fn their_redis_0_15(redis: &Redis) -> of_0_15::Redis {
    of_0_15::Redis(pool(redis).await)
}

async fn pool(redis: &Redis) -> Pool {
    let config = Config::from_url(&redis.url).expect("a URL");
    let pool = Pool::new(config, None, None, None, 1).expect("a pool");
    pool.connect();
    pool.wait_for_connect().await.expect("a connection");
    pool
}

/// A store for one version, for an application on a newer one.
macro_rules! around {
    ($name:ident, $older:ident, $newer:ident) => {
        #[derive(Clone, Debug)]
        pub struct $name<S>(pub S);

        const _: () = {
            use $newer::session::{Id, Record};
            use $newer::session_store::{Error, Result};
            use $older::session as older;

            fn failed(error: $older::session_store::Error) -> Error {
                Error::Backend(error.to_string())
            }

            /// To create a record saves it, as 0.11 did.
            #[async_trait::async_trait]
            impl<S: $older::SessionStore> $newer::SessionStore for $name<S> {
                async fn save(&self, record: &Record) -> Result<()> {
                    let record = older::Record {
                        id: older::Id(record.id.0),
                        data: record.data.clone(),
                        expiry_date: record.expiry_date,
                    };
                    self.0.save(&record).await.map_err(failed)
                }

                async fn load(&self, id: &Id) -> Result<Option<Record>> {
                    let found = self.0.load(&older::Id(id.0)).await.map_err(failed)?;
                    Ok(found.map(|record| Record {
                        id: Id(record.id.0),
                        data: record.data,
                        expiry_date: record.expiry_date,
                    }))
                }

                async fn delete(&self, id: &Id) -> Result<()> {
                    self.0.delete(&older::Id(id.0)).await.map_err(failed)
                }
            }
        };
    };
}

around!(For0_14, tower_sessions_0_11, tower_sessions);
around!(For0_15, tower_sessions, tower_sessions_0_15);

mod of_0_15 {
    use async_trait::async_trait;
    use tower_sessions_0_15::SessionStore;
    use tower_sessions_0_15::session::{Id, Record};
    use tower_sessions_0_15::session_store::{Error, Result};
    use tower_sessions_redis_store::fred::prelude::{KeysInterface as _, Pool};
    use tower_sessions_redis_store::fred::types::{Expiration, SetOptions};

    /// The record of 0.15 as `rmp_serde` gives it, under its id. tower-sessions-redis-store 0.16
    /// writes that of 0.14 with the same commands.
    #[derive(Clone, Debug)]
    pub struct Redis(pub(super) Pool);

    fn failed(error: impl std::error::Error) -> Error {
        Error::Backend(error.to_string())
    }

    impl Redis {
        /// A condition that does not hold is an error, as there.
        async fn set(&self, record: &Record, condition: SetOptions) -> Result<()> {
            let bytes = rmp_serde::to_vec(record).map_err(failed)?;
            let end = Expiration::EXAT(record.expiry_date.unix_timestamp());
            let (id, bytes) = (record.id.to_string(), bytes.as_slice());
            let set = self.0.set(id, bytes, Some(end), Some(condition), false);
            let set: std::result::Result<bool, _> = set.await;
            set.map(drop).map_err(failed)
        }
    }

    #[async_trait]
    impl SessionStore for Redis {
        async fn create(&self, record: &mut Record) -> Result<()> {
            self.set(record, SetOptions::NX).await
        }

        async fn save(&self, record: &Record) -> Result<()> {
            self.set(record, SetOptions::XX).await
        }

        async fn load(&self, id: &Id) -> Result<Option<Record>> {
            let found = self.0.get::<Option<Vec<u8>>, _>(id.to_string()).await;
            let record = found
                .map_err(failed)?
                .map(|found| rmp_serde::from_slice(&found));
            record.transpose().map_err(failed)
        }

        async fn delete(&self, id: &Id) -> Result<()> {
            let deleted: std::result::Result<(), _> = self.0.del(id.to_string()).await;
            deleted.map_err(failed)
        }
    }
}
