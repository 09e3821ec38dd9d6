//! One server: Redis, Redis with TLS, or Valkey.

use std::env;
use std::fs;
use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_redis::{Builder, RedisStore};
use cloakroom_servers::OnDemand;
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::redis::{
    Balanced, Flavor, Impatient, Plain, Standalone, Tls, Valkey, Valkey9, execute,
};

pub(crate) struct On<F>(OnDemand<Standalone<F>>);

impl<F> Default for On<F> {
    fn default() -> Self {
        Self(OnDemand::new())
    }
}

/// A store's options besides its URL.
pub(crate) trait Secured: Flavor {
    /// Whether it announces ends. Elsewhere the permissions to do so are not there either.
    const ANNOUNCES: bool = false;

    fn secure(_server: &Standalone<Self>, builder: Builder) -> Result<Builder, FixtureError>
    where
        Self: Sized,
    {
        Ok(builder)
    }
}

impl Secured for Plain {}

impl Secured for Impatient {}

impl Secured for Balanced {}

impl Secured for Valkey9 {}

impl Secured for Valkey {
    const ANNOUNCES: bool = true;
}

impl Secured for Tls {
    fn secure(server: &Standalone<Self>, builder: Builder) -> Result<Builder, FixtureError> {
        if let Some(certificates) = server.certificates() {
            let [chain, key] = certificates.client_certificate()?;
            let builder = builder.root_certificates(&certificates.authority()?);
            return Ok(builder.client_certificate(&chain, &key));
        }
        // The authority of a given server: one that the system trusts, or this one.
        Ok(match env::var_os("REDIS_TLS_CA") {
            Some(file) => builder.root_certificates(&fs::read(file)?),
            None => builder,
        })
    }
}

impl<F: Secured> Fixture for On<F> {
    type Store = RedisStore;
    const NAME: &'static str = F::NAME;

    async fn prepare(&self) -> Result<(), FixtureError> {
        self.0.start(Standalone::new)?;
        if F::ANNOUNCES && env::var_os(F::VARIABLE).is_none() {
            let channel = self.0.prefix("*");
            let allow = format!("ACL SETUSER sessions &{channel}ended +publish +subscribe");
            execute(&self.0.admin(), &allow)?;
        }
        Ok(())
    }

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        let way = self.0.way(place.name()).await?;
        let builder = RedisStore::builder(&self.0.store_url(way));
        let builder = builder.prefix(&self.0.prefix(place.name()));
        let builder = match F::ANNOUNCES {
            true => builder.announce_ends(),
            false => builder,
        };
        Ok(F::secure(&self.0, builder)?.connect().await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        let claims = match F::SCHEME == "rediss" && env::var_os(F::VARIABLE).is_some() {
            true => claims.never(
                Ability::Outage,
                "a given server with TLS has no way that can be cut",
            ),
            false => claims.outage(),
        };
        let claims = match F::ANNOUNCES {
            true => claims.feed(),
            false => claims.never(Ability::Feed, "it is off by default; `valkey` has it on"),
        };
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .directory()
            .enumerate()
            .never(Ability::Sweep, "the server removes what has expired")
            .real_time(Duration::from_millis(100))
    }
}

impl<F: Secured> Attach for On<F> {
    fn address(&self) -> String {
        self.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(Standalone::attach(address).into())
    }
}

impl<F: Secured> Outage for On<F> {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.set(place.name(), Mode::Cut)?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.reset(place.name())?)
    }
}
