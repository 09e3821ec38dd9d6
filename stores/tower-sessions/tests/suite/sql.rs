//! tower-sessions-sqlx-store's tables.

use std::path::PathBuf;
use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::SqlAlchemyStore;
use cloakroom_servers::proxy::Mode;
use cloakroom_servers::{Dialect, OnDemand, Sql, mariadb, postgres};
use cloakroom_tower_sessions::TowerSessions;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tempfile::TempDir;

use crate::ids::{Calendar, Ids, NO_SUBJECT, NOT_ANNOUNCED, NOT_ENUMERATED};

pub(crate) struct Sqlite {
    root: PathBuf,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Sqlite {
    pub(crate) fn new() -> std::io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-tower-sqlite-")
            .tempdir()?;
        Ok(Self {
            root: directory.path().to_owned(),
            _remove: Some(directory),
        })
    }

    async fn execute(&self, place: &Place, sql: &'static str) -> Result<(), FixtureError> {
        let url = format!("sqlite:{}/{}.db", self.root.display(), place.name());
        let mut connection = SqliteConnection::connect(&url).await?;
        connection.execute(sql).await?;
        Ok(connection.close().await?)
    }
}

impl Fixture for Sqlite {
    type Store = Ids<SqlAlchemyStore>;
    const NAME: &'static str = "tower-sessions-sqlite";

    async fn open(&self, place: &Place) -> Result<Ids<SqlAlchemyStore>, FixtureError> {
        let url = format!("sqlite://{}/{}.db", self.root.display(), place.name());
        open(&url, None, "tower_sessions", place, Calendar::SUITE).await
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

impl Attach for Sqlite {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn attach(address: &str) -> Self {
        Self {
            root: address.into(),
            _remove: None,
        }
    }
}

/// There is no server that could stop. Another program can drop the table instead.
impl Outage for Sqlite {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.execute(place, "ALTER TABLE tower_sessions RENAME TO away")
            .await
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.execute(place, "ALTER TABLE away RENAME TO tower_sessions")
            .await
    }
}

async fn open(
    url: &str,
    schema: Option<&str>,
    table: &str,
    place: &Place,
    calendar: Calendar,
) -> Result<Ids<SqlAlchemyStore>, FixtureError> {
    let clock = place.clock().clone();
    let mut builder = TowerSessions::sql_builder(url);
    if let Some(schema) = schema {
        builder = builder.schema(schema);
    }
    let builder = builder
        .table(table)
        .clock(move || calendar.of_store(clock.now()))
        // More than a busy machine with a slow disk needs for what the suite does at once.
        .timeout(Duration::from_secs(15))
        .max_connections(4);
    let store = builder.connect().await?;
    store.create_table().await?;
    Ok(Ids { store, calendar })
}

/// A database's properties that matter to SQLSqlxStore's table.
pub(crate) trait SqlxStore: Dialect {
    const NAME: &'static str;
    const LONGEST: usize;
    const CALENDAR: Calendar = Calendar::SUITE;
}

impl SqlxStore for postgres::Own {
    const NAME: &'static str = "tower-sessions-postgres";
    const LONGEST: usize = 1024 * 1024;
}

impl SqlxStore for mariadb::Own {
    const NAME: &'static str = "tower-sessions-mariadb";
    /// A BLOB, without the id and the expiry of the longest record.
    const LONGEST: usize = 65_535 - 19 - 46;
    const CALENDAR: Calendar = Calendar::TIMESTAMP;
}

pub(crate) struct On<D>(OnDemand<Sql<D>>);

impl<D> Default for On<D> {
    fn default() -> Self {
        Self(OnDemand::new())
    }
}

impl<D: SqlxStore> Fixture for On<D> {
    type Store = Ids<SqlAlchemyStore>;
    const NAME: &'static str = <D as SqlxStore>::NAME;
    const MAX_VALUE: usize = D::LONGEST;

    async fn prepare(&self) -> Result<(), FixtureError> {
        Ok(self.0.start(Sql::new)?)
    }

    async fn open(&self, place: &Place) -> Result<Ids<SqlAlchemyStore>, FixtureError> {
        let server = &self.0.0;
        let url = server.url(place.name()).await?;
        let (schema, table) = server.schema_and_table(place.name());
        open(&url, schema, &table, place, D::CALENDAR).await
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

impl<D: SqlxStore> Attach for On<D> {
    fn address(&self) -> String {
        self.0.0.describe()
    }

    fn attach(address: &str) -> Self {
        Self(Sql::attach(address).into())
    }
}

impl<D: SqlxStore> Outage for On<D> {
    const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.0.set(place.name(), Mode::Cut)?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        Ok(self.0.0.set(place.name(), Mode::Pass)?)
    }
}
