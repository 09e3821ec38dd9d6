//! A cluster of three masters with a replica each.

use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Place};
use cloakroom_redis::RedisStore;
use cloakroom_servers::{OnDemand, RedisCluster};

#[derive(Default)]
pub(crate) struct OnCluster(OnDemand<RedisCluster>);

impl Fixture for OnCluster {
    type Store = RedisStore;
    const NAME: &'static str = "redis-cluster";

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(RedisCluster::new)?)
    }

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        let builder = RedisStore::builder(self.0.store_url());
        Ok(builder
            .prefix(&self.0.prefix(place.name()))
            .connect()
            .await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .directory()
            .never(Ability::Enumerate, "`SCAN` is for one server")
            .never(Ability::Feed, "in a cluster no process can listen")
            .never(Ability::Sweep, "the servers remove what has expired")
            .never(
                Ability::Outage,
                "a node cannot be taken from one case alone; `cargo conformance faults` has the outages",
            )
            .real_time(Duration::from_millis(100))
    }
}

impl Attach for OnCluster {
    fn address(&self) -> String {
        self.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(RedisCluster::attach(address).into())
    }
}
