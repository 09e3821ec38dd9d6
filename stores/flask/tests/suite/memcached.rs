//! `memcached`. One server for all places, and no namespaces in Flask's layout: here the keys get
//! one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::MemcachedStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use crate::layout::{NO_SUBJECT, NOT_ANNOUNCED, NOT_ENUMERATED};
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::{Memcached, OnDemand};

#[derive(Default)]
pub(crate) struct OnMemcached(OnDemand<Memcached>);

impl Fixture for OnMemcached {
    type Store = Named;
    const NAME: &'static str = "flask-memcached";
    /// The default maximum of a server: a little less than a MiB.
    const MAX_VALUE: usize = 1_000_000;

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(|| Memcached::new(&[]))?)
    }

    async fn open(&self, place: &Place) -> Result<Named, FixtureError> {
        let server = self.0.way(place.name()).await?.to_string();
        Ok(Named {
            store: MemcachedStore::connect(&server).await?,
            prefix: self.0.prefix(place.name()),
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
            // The server's clock ticks once a second, and it reports the remaining lifetime.
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

/// The store, in a place of its own.
pub(crate) struct Named {
    store: MemcachedStore,
    prefix: String,
}

impl Named {
    fn key(&self, key: &Key) -> Key {
        let whole = format!("{}{}", self.prefix, key.as_str());
        Key::new(&whole).unwrap_or_else(|| {
            // Too long together: the part beyond the limit becomes a digest.
            let mut hasher = DefaultHasher::new();
            whole.hash(&mut hasher);
            let digest = format!("{:016x}", hasher.finish());
            let rest = Key::MAX_LEN - digest.len();
            let short = whole.get(whole.len() - rest..).unwrap_or_default();
            Key::new(&format!("{digest}{short}")).unwrap_or_else(|| key.clone())
        })
    }
}

impl Store for Named {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.store.load(&self.key(key)).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.store.create(&self.key(key), write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.store.replace(&self.key(key), old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.store.touch(&self.key(key), expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.store.delete(&self.key(key), old).await
    }
}
