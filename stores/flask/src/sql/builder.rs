use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, SystemTime};

use cloakroom_store::{Place, StoreError, UnixTime};

use super::STORE;
use super::columns::Columns;
use super::database;
use super::statements::Statements;
use super::store::{Clock, Inner, SqlAlchemyStore};
use crate::failure;

/// Configures a [`SqlAlchemyStore`]. From [`SqlAlchemyStore::builder`].
///
/// ```no_run
/// use cloakroom_flask_stores::SqlAlchemyStore;
///
/// # async fn open() -> Result<(), cloakroom_store::StoreError> {
/// let store =
///     SqlAlchemyStore::builder("postgresql+psycopg2://app@db.example/app")
///         .table("flask_sessions")
///         .connect()
///         .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct SqlAlchemyBuilder {
    url: String,
    table: String,
    schema: Option<String>,
    columns: Columns,
    timeout: Duration,
    max_connections: u32,
    cleanup_n_requests: Option<u32>,
    clock: Clock,
}

impl SqlAlchemyBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            table: "sessions".to_owned(),
            schema: None,
            columns: Columns::default(),
            timeout: Duration::from_secs(5),
            max_connections: 10,
            cleanup_n_requests: None,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// Sets the table (`SESSION_SQLALCHEMY_TABLE`). Default: `sessions`. ASCII letters, digits and
    /// underscores, no digit first, at most 63 of them.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder = SqlAlchemyStore::builder("sqlite:////var/lib/app/app.db")
    ///     .table("flask_sessions");
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Sets the schema (`SESSION_SQLALCHEMY_SCHEMA`). Default: the connection's. The same rules
    /// hold as for the table.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder =
    ///     SqlAlchemyStore::builder("postgresql://app@db.example/app").schema("web");
    /// ```
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// Sets the columns of the table. Default: [`Columns::FlaskSession`].
    ///
    /// ```
    /// # use cloakroom_flask_stores::{Columns, SqlAlchemyStore};
    /// let builder = SqlAlchemyStore::builder("sqlite:////var/lib/app/app.db")
    ///     .table("tower_sessions")
    ///     .columns(Columns::TowerSessions);
    /// ```
    pub fn columns(mut self, columns: Columns) -> Self {
        self.columns = columns;
        self
    }

    /// Sets how long one operation may take, including all waits. Default: 5 seconds. Then it fails
    /// with a transient error.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// # use std::time::Duration;
    /// let builder = SqlAlchemyStore::builder("sqlite:///app.db")
    ///     .timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the maximum number of connections. Default: 10. At least 1: with 0
    /// [`connect`](Self::connect) fails.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder = SqlAlchemyStore::builder("sqlite:///app.db").max_connections(4);
    /// ```
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Removes up to 1,000 expired sessions before every n-th load
    /// (`SESSION_CLEANUP_N_REQUESTS`). Default: never. Then call
    /// [`sweep`](cloakroom_store::Sweep::sweep).
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder =
    ///     SqlAlchemyStore::builder("sqlite:///app.db").cleanup_n_requests(1_000);
    /// ```
    pub fn cleanup_n_requests(mut self, requests: u32) -> Self {
        self.cleanup_n_requests = Some(requests).filter(|requests| *requests > 0);
        self
    }

    /// Sets the clock by which sessions expire. Default: the system's clock.
    /// The database's clock is never used.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = SqlAlchemyStore::builder("sqlite:///app.db")
    ///     .clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Opens the store and makes the first connection, so that a wrong URL fails at the start. It
    /// makes no table (see [`SqlAlchemyStore::create_table`]).
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, the database cannot be reached, or a name breaks the rules. An
    /// error never contains the URL.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = SqlAlchemyStore::builder("oracle://app:secret@db/app")
    ///     .connect()
    ///     .await
    ///     .unwrap_err();
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<SqlAlchemyStore, StoreError> {
        for name in [Some(&self.table), self.schema.as_ref()]
            .into_iter()
            .flatten()
        {
            check(name).map_err(|error| self.columns.named(error))?;
        }
        if self.max_connections == 0 {
            let problem =
                "`max_connections` is 0, which leaves none for an operation; set at least 1";
            return Err(failure::permanent(self.columns.store(), problem));
        }
        // A little before the operation's own, so that the error can name the cause of the wait.
        let limit = self.timeout / 10 * 9;
        let connecting = database::connect(&self.url, self.max_connections, limit);
        let kind = tokio::time::timeout(self.timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(failure::timed_out(STORE, self.timeout)))
            .map_err(|error| self.columns.named(error))?;
        let quote = if kind.is_mysql() { '`' } else { '"' };
        let mut table = format!("{quote}{}{quote}", self.table);
        let schema = self.schema.map(|schema| format!("{quote}{schema}{quote}"));
        if let Some(schema) = &schema {
            table = format!("{schema}.{table}");
        }
        let statements = Statements::new(&kind, &table, schema.as_deref(), self.columns);
        let place = Place::new(self.columns.store(), [kind.place(), &table]);
        Ok(SqlAlchemyStore::new(Inner {
            database: kind,
            place,
            statements,
            columns: self.columns,
            clock: self.clock,
            timeout: self.timeout,
            cleanup: self.cleanup_n_requests,
            loads: AtomicU32::new(0),
        }))
    }
}

/// Only what may stand in SQL without any doubt.
fn check(name: &str) -> Result<(), StoreError> {
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let all_well = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match begins_well && all_well && name.len() <= 63 {
        true => Ok(()),
        false => Err(failure::permanent(
            STORE,
            "the table and the schema (SESSION_SQLALCHEMY_TABLE and _SCHEMA) must be letters, digits and underscores of \
             ASCII, no digit first, at most 63",
        )),
    }
}

impl fmt::Debug for SqlAlchemyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL, which may hold a password.
        f.debug_struct("SqlAlchemyBuilder")
            .field("table", &self.table)
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
