//! One Redis server.

use std::time::{Duration, Instant, SystemTime};

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_near::Near;
use cloakroom_redis::RedisStore;
use cloakroom_servers::OnDemand;
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::redis::{Plain, Standalone};

/// With or without the server's announcements.
pub(crate) struct OnRedis<const TRACKED: bool>(OnDemand<Standalone<Plain>>);

impl<const TRACKED: bool> Default for OnRedis<TRACKED> {
    fn default() -> Self {
        Self(OnDemand::new())
    }
}

impl<const TRACKED: bool> OnRedis<TRACKED> {
    /// A lease as the cases wait for it. The store asks the server by the real clock.
    const REAL_LEASE: Duration = match TRACKED {
        true => super::LEASE,
        false => super::REAL_LEASE,
    };
}

impl<const TRACKED: bool> Fixture for OnRedis<TRACKED> {
    type Store = Near<RedisStore>;
    const NAME: &'static str = match TRACKED {
        true => "near-redis-tracked",
        false => "near-redis",
    };

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(Standalone::new)?)
    }

    async fn open(&self, place: &Place) -> Result<Self::Store, FixtureError> {
        let way = self.0.way(place.name()).await?;
        let builder = RedisStore::builder(&self.0.store_url(way));
        let store = builder.prefix(&self.0.prefix(place.name())).connect();
        let near = Near::builder(store.await?).lease(super::LEASE);
        if TRACKED {
            return Ok(near.build_tracked()?);
        }
        let begin = Instant::now();
        Ok(near
            .clocks(move || begin.elapsed() * super::SPEED, SystemTime::now)
            .build())
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .stale(Self::REAL_LEASE)
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .never(Ability::Enumerate, "it does not go through all its records")
            .never(Ability::Feed, "the stores beneath it have those cases")
            .never(Ability::Sweep, "the server removes what has expired")
            .real_time(Duration::from_millis(100))
    }
}

impl<const TRACKED: bool> Attach for OnRedis<TRACKED> {
    fn address(&self) -> String {
        self.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(Standalone::attach(address).into())
    }
}

impl<const TRACKED: bool> Outage for OnRedis<TRACKED> {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.set(place.name(), Mode::Cut)?;
        // Until then, reads are answered from memory.
        tokio::time::sleep(Self::REAL_LEASE).await;
        Ok(())
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.reset(place.name())?)
    }
}
