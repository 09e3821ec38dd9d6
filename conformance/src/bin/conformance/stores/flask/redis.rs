//! `redis`.

use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::RedisStore;

use super::NO_SUBJECT;
use crate::servers::Redis;

pub(crate) struct OnRedis(pub(crate) Redis);

impl Fixture for OnRedis {
    type Store = RedisStore;
    const NAME: &'static str = "flask-redis";

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        let builder = RedisStore::builder(&self.0.url(place).await?);
        let store = builder.namespace(&self.0.prefix(place)).connect();
        Ok(store.await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .never(Ability::Directory, NO_SUBJECT)
            .never(Ability::Sweep, "the server removes what has expired")
            .real_time(Duration::from_millis(100))
    }
}

impl Attach for OnRedis {
    fn address(&self) -> String {
        self.0.address()
    }

    fn attach(address: &str) -> Self {
        Self(Redis::attach(address))
    }
}

impl Outage for OnRedis {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.begin(place).await
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.end(place).await
    }
}
