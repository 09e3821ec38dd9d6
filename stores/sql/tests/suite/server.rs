//! A database that has a server.

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_servers::pgbouncer::{Behind, Prepared, Sessions};
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::{Dialect, OnDemand, Sql, mariadb, postgres};
use cloakroom_sql::SqlStore;

const POSTGRES: &str = postgres::Own::NAME;
const BEHIND_SESSIONS: &str = Behind::<Sessions>::NAME;
const BEHIND_PREPARED: &str = Behind::<Prepared>::NAME;

pub(crate) struct On<D>(OnDemand<Sql<D>>);

impl<D> Default for On<D> {
    fn default() -> Self {
        Self(OnDemand::new())
    }
}

impl<D: Dialect> Fixture for On<D> {
    type Store = SqlStore;
    const NAME: &'static str = D::NAME;

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(Sql::new)?)
    }

    async fn open(&self, place: &Place) -> Result<SqlStore, FixtureError> {
        let clock = place.clock().clone();
        let server = &self.0.0;
        let (schema, table) = server.schema_and_table(place.name());
        let builder = match schema {
            Some(schema) => SqlStore::builder().schema(schema),
            None => SqlStore::builder(),
        };
        let builder = builder
            .table(table)
            .clock(move || clock.now())
            // Few connections, because many cases run at once, each with handles of its own.
            .max_connections(4);
        // Behind the pooler in the mode `transaction` the plain statement has its cases.
        let builder = match D::NAME {
            POSTGRES | BEHIND_SESSIONS | BEHIND_PREPARED => builder.announce_ends(),
            _ => builder,
        };
        let store = builder.connect(&server.url(place.name()).await?).await?;
        store.migrate().await?;
        Ok(store)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        let claims = match D::NAME {
            POSTGRES => claims.feed(),
            _ if D::AROUND == mariadb::Own::AROUND => {
                claims.never(Ability::Feed, "MySQL announces nothing")
            }
            _ => claims.never(Ability::Feed, "behind a pooler nobody listens"),
        };
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .sweep()
            .enumerate()
    }
}

impl<D: Dialect> Attach for On<D> {
    fn address(&self) -> String {
        self.0.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(Sql::attach(address).into())
    }
}

impl<D: Dialect> Outage for On<D> {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.0.set(place.name(), Mode::Cut)?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.0.set(place.name(), Mode::Pass)?)
    }
}
