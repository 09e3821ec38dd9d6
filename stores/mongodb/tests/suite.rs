//! The whole store suite on MongoDB.

use std::process::ExitCode;
use std::time::Duration;

use cloakroom_conformance::store::{self, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_mongodb::MongoDbStore;
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::{MongoDb, OnDemand};

fn main() -> ExitCode {
    store::worker::<OnMongoDb>();
    store::run(OnMongoDb::default())
}

#[derive(Default)]
struct OnMongoDb(OnDemand<MongoDb>);

impl Fixture for OnMongoDb {
    type Store = MongoDbStore;
    const NAME: &'static str = "mongodb";

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(MongoDb::new)?)
    }

    async fn open(&self, place: &Place) -> Result<MongoDbStore, FixtureError> {
        let clock = place.clock().clone();
        let builder = MongoDbStore::builder()
            .database(self.0.database())
            .collection(place.name())
            .clock(move || clock.now())
            // More than a busy machine needs for what the suite does at once.
            .timeout(Duration::from_secs(15))
            // Few connections, because many cases run at once, each with handles of its own.
            .max_connections(4);
        let store = builder.connect(&self.0.url(place.name()).await?).await?;
        store.create_indexes().await?;
        Ok(store)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .sweep()
            .enumerate()
            .feed()
    }
}

impl Attach for OnMongoDb {
    fn address(&self) -> String {
        self.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(MongoDb::attach(address).into())
    }
}

impl Outage for OnMongoDb {
    const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.set(place.name(), Mode::Cut)?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.set(place.name(), Mode::Pass)?)
    }
}
