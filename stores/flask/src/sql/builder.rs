use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{StoreError, UnixTime};

use super::STORE;
use super::database;
use super::store::{Clock, SqlAlchemyStore};
use crate::failure;

/// How a [`SqlAlchemyStore`] is to work. From [`SqlAlchemyStore::builder`].
///
/// ```no_run
/// use cloakroom_flask_stores::SqlAlchemyStore;
///
/// # async fn open() -> Result<(), cloakroom_store::StoreError> {
/// let store = SqlAlchemyStore::builder("postgresql+psycopg2://app@db.example/app").table("flask_sessions").connect().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct SqlAlchemyBuilder {
    url: String,
    table: String,
    schema: Option<String>,
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
            timeout: Duration::from_secs(5),
            max_connections: 10,
            cleanup_n_requests: None,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// `SESSION_SQLALCHEMY_TABLE`; `sessions` unless said otherwise. Letters, digits and underscores of ASCII, no digit
    /// first, at most 63 of them.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder = SqlAlchemyStore::builder("sqlite:////var/lib/app/app.db").table("flask_sessions");
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// `SESSION_SQLALCHEMY_SCHEMA`; the connection's default unless said otherwise. The rules are those for the table.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder = SqlAlchemyStore::builder("postgresql://app@db.example/app").schema("web");
    /// ```
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// How long one operation may take, with all it waits for; 5 s unless said otherwise. Then it ends with a transient error.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// # use std::time::Duration;
    /// let builder = SqlAlchemyStore::builder("sqlite:///app.db").timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many connections the store may have; 10 unless said otherwise.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder = SqlAlchemyStore::builder("sqlite:///app.db").max_connections(4);
    /// ```
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// `SESSION_CLEANUP_N_REQUESTS`: each so manieth request that loads a session first removes up to 1,000 expired ones. Never unless
    /// said otherwise: then call [`sweep`](cloakroom_store::Sweep::sweep).
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder = SqlAlchemyStore::builder("sqlite:///app.db").cleanup_n_requests(1_000);
    /// ```
    pub fn cleanup_n_requests(mut self, requests: u32) -> Self {
        self.cleanup_n_requests = Some(requests).filter(|requests| *requests > 0);
        self
    }

    /// The clock by which sessions end; the system's unless said otherwise. Never the database's.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = SqlAlchemyStore::builder("sqlite:///app.db").clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// The store. Makes the first connection, so that a wrong URL is found at the start; makes no table (see
    /// [`SqlAlchemyStore::create_table`]).
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, the database cannot be reached, or a name breaks the rules. An error never contains the
    /// URL.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = SqlAlchemyStore::builder("oracle://app:secret@db/app").connect().await.unwrap_err();
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<SqlAlchemyStore, StoreError> {
        for name in [Some(&self.table), self.schema.as_ref()]
            .into_iter()
            .flatten()
        {
            check(name)?;
        }
        // A little earlier than the operation's own, so that one hears what was waited for.
        let limit = self.timeout / 10 * 9;
        let connecting = database::connect(&self.url, self.max_connections, limit);
        let kind = tokio::time::timeout(self.timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(failure::timed_out(STORE, self.timeout)))?;
        let quote = if kind.is_mysql() { '`' } else { '"' };
        let mut table = format!("{quote}{}{quote}", self.table);
        if let Some(schema) = &self.schema {
            table = format!("{quote}{schema}{quote}.{table}");
        }
        let cleanup = self.cleanup_n_requests;
        Ok(SqlAlchemyStore::new(
            kind,
            &table,
            self.clock,
            self.timeout,
            cleanup,
        ))
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
            "SESSION_SQLALCHEMY_TABLE and _SCHEMA must be letters, digits and underscores of ASCII, no digit first, at most 63",
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
