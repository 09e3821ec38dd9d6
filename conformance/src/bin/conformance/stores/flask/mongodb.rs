//! `mongodb`, a collection for each place.

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::MongoDbStore;

use super::NO_SUBJECT;
use crate::servers::MongoDb;

pub(crate) struct OnMongoDb(pub(crate) MongoDb);

impl Fixture for OnMongoDb {
    type Store = MongoDbStore;
    const NAME: &'static str = "flask-mongodb";

    async fn open(&self, place: &Place) -> Result<MongoDbStore, FixtureError> {
        let clock = place.clock().clone();
        let store = MongoDbStore::builder(&self.0.url(place).await?)
            .database(self.0.database())
            .collection(place.name())
            .clock(move || clock.now());
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
    }
}

impl Attach for OnMongoDb {
    fn address(&self) -> String {
        self.0.address()
    }

    fn attach(address: &str) -> Self {
        Self(MongoDb::attach(address))
    }
}

impl Outage for OnMongoDb {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.begin(place).await
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.end(place).await
    }
}
