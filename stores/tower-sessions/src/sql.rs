//! The tables of tower-sessions-sqlx-store.

use std::fmt;
use std::time::Duration;

use cloakroom_flask_stores::{Columns, SqlAlchemyBuilder, SqlAlchemyStore};
use cloakroom_store::{StoreError, UnixTime};

use crate::store::TowerSessions;

impl TowerSessions<SqlAlchemyStore> {
    /// Connects to the database of tower-sessions-sqlx-store, with the
    /// [builder](Self::sql_builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`SqlBuilder::connect`].
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = TowerSessions::connect_sql("oracle://user:secret@localhost").await;
    /// assert!(!error.unwrap_err().to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect_sql(url: &str) -> Result<Self, StoreError> {
        Self::sql_builder(url).connect().await
    }

    /// Returns a builder of a store on the table of `PostgresStore`, `SqliteStore` or `MySqlStore`.
    /// The URL is sqlx's: `postgres://…`, `mysql://…`, `sqlite:…`. Each needs the feature of that
    /// name.
    ///
    /// The store has connections of its own. A request that its client gives up leaves none of them
    /// in use.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let builder = TowerSessions::sql_builder("sqlite:/var/lib/app/app.db");
    /// ```
    pub fn sql_builder(url: &str) -> SqlBuilder {
        let (schema, table) = match url.starts_with("sqlite:") {
            true => (None, "tower_sessions"),
            false => (Some("tower_sessions"), "session"),
        };
        let inner = SqlAlchemyStore::builder_of_sqlx(url).columns(Columns::TowerSessions);
        let inner = inner.table(table);
        SqlBuilder {
            inner: match schema {
                Some(schema) => inner.schema(schema),
                None => inner,
            },
        }
    }

    /// Makes the table where it is missing, and its schema, as `migrate` does. Not needed where
    /// tower-sessions has run.
    ///
    /// # Errors
    ///
    /// When the database does not let it.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let store = TowerSessions::connect_sql("sqlite::memory:").await?;
    /// store.create_table().await?;
    /// store.create_table().await?; // nothing left to do
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub async fn create_table(&self) -> Result<(), StoreError> {
        self.get_ref().create_table().await
    }
}

/// Configures a [`TowerSessions`] on SQL. From [`TowerSessions::sql_builder`].
///
/// ```no_run
/// use cloakroom_tower_sessions::TowerSessions;
///
/// # async fn open() -> Result<(), cloakroom_store::StoreError> {
/// let store = TowerSessions::sql_builder("postgres://app@db.example/app")
///     .max_connections(20)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct SqlBuilder {
    inner: SqlAlchemyBuilder,
}

impl SqlBuilder {
    /// Sets the name of `with_table_name`. Default: `session`, in SQLite `tower_sessions`. ASCII
    /// letters, digits and underscores, no digit first, at most 63 of them.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let builder =
    ///     TowerSessions::sql_builder("sqlite:app.db").table("visitors");
    /// ```
    pub fn table(self, name: impl Into<String>) -> Self {
        let inner = self.inner.table(name);
        Self { inner }
    }

    /// Sets the name of `with_schema_name`. Default: `tower_sessions`, in SQLite none. The same
    /// rules hold as for the table.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let builder =
    ///     TowerSessions::sql_builder("mysql://app@db.example/app").schema("web");
    /// ```
    pub fn schema(self, name: impl Into<String>) -> Self {
        let inner = self.inner.schema(name);
        Self { inner }
    }

    /// Sets how long one operation may take, including all waits. Default: 5 seconds. Then it fails
    /// with a transient error.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # use std::time::Duration;
    /// let builder = TowerSessions::sql_builder("sqlite:app.db")
    ///     .timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        let inner = self.inner.timeout(timeout);
        Self { inner }
    }

    /// Sets the maximum number of connections. Default: 10. At least 1: with 0
    /// [`connect`](Self::connect) fails.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let builder =
    ///     TowerSessions::sql_builder("sqlite:app.db").max_connections(4);
    /// ```
    pub fn max_connections(self, connections: u32) -> Self {
        let inner = self.inner.max_connections(connections);
        Self { inner }
    }

    /// Sets the clock by which records expire. Default: the system's clock. The database's clock is
    /// never used.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # use cloakroom_store::UnixTime;
    /// let builder = TowerSessions::sql_builder("sqlite:app.db")
    ///     .clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        let inner = self.inner.clock(now);
        Self { inner }
    }

    /// Opens the store and makes the first connection, so that a wrong URL fails at the start. It
    /// makes no table (see [`TowerSessions::create_table`]).
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, the database cannot be reached, or a name breaks the rules. An
    /// error never contains the URL.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let builder = TowerSessions::sql_builder("sqlite::memory:").table("a b");
    /// assert!(builder.connect().await.is_err());
    /// # }
    /// ```
    pub async fn connect(self) -> Result<TowerSessions<SqlAlchemyStore>, StoreError> {
        self.inner.connect().await.map(TowerSessions::new)
    }
}

impl fmt::Debug for SqlBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL, which may hold a password.
        f.write_str("SqlBuilder(..)")
    }
}
