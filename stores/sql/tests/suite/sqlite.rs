//! SQLite, a file for each place.

use std::path::PathBuf;
use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::{Connection as _, Executor as _, SqliteConnection};
use tempfile::TempDir;

pub(crate) struct Sqlite {
    root: PathBuf,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Sqlite {
    pub(crate) fn new() -> std::io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-sqlite-")
            .tempdir()?;
        Ok(Self {
            root: directory.path().to_owned(),
            _remove: Some(directory),
        })
    }

    fn url(&self, place: &Place) -> String {
        format!("sqlite:{}/{}.db", self.root.display(), place.name())
    }

    async fn execute(&self, place: &Place, sql: &'static str) -> Result<(), FixtureError> {
        let mut connection = SqliteConnection::connect(&self.url(place)).await?;
        connection.execute(sql).await?;
        Ok(connection.close().await?)
    }
}

impl Fixture for Sqlite {
    type Store = SqlStore;
    const NAME: &'static str = "sqlite";

    async fn open(&self, place: &Place) -> Result<SqlStore, FixtureError> {
        let clock = place.clock().clone();
        let builder = SqlStore::builder()
            .clock(move || clock.now())
            // More than the machine needs for what the suite does at once on a slow disk.
            .timeout(Duration::from_secs(15))
            .max_connections(4);
        let store = builder.connect(&self.url(place)).await?;
        store.migrate().await?;
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
            .never(Ability::Feed, "SQLite announces nothing")
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
        self.execute(place, "ALTER TABLE cloakroom_sessions RENAME TO away")
            .await
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.execute(place, "ALTER TABLE away RENAME TO cloakroom_sessions")
            .await
    }
}
