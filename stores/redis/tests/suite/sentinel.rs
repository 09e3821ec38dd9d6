//! A master with a replica, watched by three sentinels.

use std::time::Duration;

use cloakroom_conformance::store::{Ability, Claims, Fixture, FixtureError, Place};
use cloakroom_redis::RedisStore;
use cloakroom_servers::{OnDemand, Sentinel};

#[derive(Default)]
pub(crate) struct OnSentinel(OnDemand<Sentinel>);

impl Fixture for OnSentinel {
    type Store = RedisStore;
    const NAME: &'static str = "redis-sentinel";

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(Sentinel::new)?)
    }

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        let builder = RedisStore::builder(self.0.store_url());
        let builder = builder.prefix(&self.0.prefix(place.name()));
        let builder = match self.0.login() {
            Some([user, password]) => builder.sentinel_login(user, password),
            None => builder,
        };
        Ok(builder.connect().await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        const ELSEWHERE: &str = "as `redis`: the sentinels only say where the server is";
        claims
            .handles_by_open()
            .durable()
            .directory()
            .enumerate()
            .never(Ability::Shared, ELSEWHERE)
            .never(Ability::SurvivesKill, ELSEWHERE)
            .never(Ability::Feed, ELSEWHERE)
            .never(Ability::Sweep, "the server removes what has expired")
            .never(
                Ability::Outage,
                "a server is not taken from one case alone; outages are among the faults",
            )
            .real_time(Duration::from_millis(100))
    }
}
