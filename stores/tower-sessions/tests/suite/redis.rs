//! tower-sessions-redis-store's strings.

use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::RedisStore;
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::{OnDemand, Redis};
use cloakroom_tower_sessions::TowerSessions;

use crate::ids::{Calendar, Ids, NO_SUBJECT, NOT_ANNOUNCED, NOT_ENUMERATED};

#[derive(Default)]
pub(crate) struct OnRedis(OnDemand<Redis>);

impl Fixture for OnRedis {
    type Store = Ids<RedisStore>;
    const NAME: &'static str = "tower-sessions-redis";

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(Redis::new)?)
    }

    async fn open(&self, place: &Place) -> Result<Ids<RedisStore>, FixtureError> {
        let builder = RedisStore::builder(&self.0.url(place.name()).await?);
        let store = builder.namespace(&self.0.prefix(place.name())).connect();
        Ok(Ids {
            store: TowerSessions::new(store.await?),
            calendar: Calendar::SUITE,
        })
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .never(Ability::Directory, NO_SUBJECT)
            .never(Ability::Enumerate, NOT_ENUMERATED)
            .never(Ability::Feed, NOT_ANNOUNCED)
            .never(Ability::Sweep, "the server removes what has expired")
            .real_time(Duration::from_millis(100))
    }
}

impl Attach for OnRedis {
    fn address(&self) -> String {
        self.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(Redis::attach(address).into())
    }
}

impl Outage for OnRedis {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.set(place.name(), Mode::Cut)?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.set(place.name(), Mode::Pass)?)
    }
}
