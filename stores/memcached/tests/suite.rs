//! The whole store suite on Memcached.

use std::process::ExitCode;
use std::time::Duration;

use cloakroom_conformance::store::{
    self, Ability, Attach, Claims, Fixture, FixtureError, Outage, Place,
};
use cloakroom_memcached::MemcachedStore;
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::{Memcached, OnDemand};

fn main() -> ExitCode {
    store::worker::<OnMemcached>();
    store::run(OnMemcached::default())
}

#[derive(Default)]
struct OnMemcached(OnDemand<Memcached>);

impl Fixture for OnMemcached {
    type Store = MemcachedStore;
    const NAME: &'static str = "memcached";
    /// A server with its default settings stores a little less than a MiB.
    const MAX_VALUE: usize = 1_000_000;

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(|| Memcached::new(&[]))?)
    }

    async fn open(&self, place: &Place) -> Result<MemcachedStore, FixtureError> {
        let way = self.0.way(place.name()).await?;
        let builder = MemcachedStore::builder(&format!("memcached://{way}"));
        // Few connections, because many cases run at once, each with handles of its own.
        let builder = builder
            .prefix(&self.0.prefix(place.name()))
            .max_connections(4);
        Ok(builder.connect().await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .never(Ability::Directory, "Memcached cannot list")
            .never(Ability::Enumerate, "it does not go through all its records")
            .never(Ability::Feed, "Memcached announces nothing")
            .never(Ability::Sweep, "the server removes what has expired")
            // The server's clock ticks once a second.
            .real_time(Duration::from_secs(2))
    }
}

impl Attach for OnMemcached {
    fn address(&self) -> String {
        self.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(Memcached::attach(address).into())
    }
}

impl Outage for OnMemcached {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.set(place.name(), Mode::Cut)?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.set(place.name(), Mode::Pass)?)
    }
}
