//! `mongodb`, a collection for each place.

use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::MongoDbStore;

use crate::layout::{NO_SUBJECT, NOT_ANNOUNCED, NOT_ENUMERATED};
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::{MongoDb, OnDemand};

#[derive(Default)]
pub(crate) struct OnMongoDb(OnDemand<MongoDb>);

impl Fixture for OnMongoDb {
    type Store = MongoDbStore;
    const NAME: &'static str = "flask-mongodb";

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(MongoDb::new)?)
    }

    async fn open(&self, place: &Place) -> Result<MongoDbStore, FixtureError> {
        let clock = place.clock().clone();
        let store = MongoDbStore::builder(&self.0.url(place.name()).await?)
            .database(self.0.database())
            .collection(place.name())
            .clock(move || clock.now())
            // More than a busy machine needs for what the suite does at once.
            .timeout(Duration::from_secs(15));
        Ok(store.connect().await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .sweep()
            .never(Ability::Directory, NO_SUBJECT)
            .never(Ability::Enumerate, NOT_ENUMERATED)
            .never(Ability::Feed, NOT_ANNOUNCED)
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
