use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{StoreError, UnixTime};

use crate::database::{Kind, Pool};
use crate::deadline::Deadline;
use crate::failure;
use crate::health::Health;
use crate::name::{Name, Table};
use crate::store::{Clock, SqlStore};

/// Builds a [`SqlStore`] with options. From [`SqlStore::builder`].
///
/// ```no_run
/// use cloakroom_sql::SqlStore;
/// use std::time::Duration;
///
/// # async fn open() -> Result<(), cloakroom_store::StoreError> {
/// let store = SqlStore::builder()
///     .schema("web")
///     .table("sessions")
///     .timeout(Duration::from_secs(2))
///     .connect("postgres://app@db.example.com/app")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect` or `with_pool`"]
pub struct Builder {
    schema: Option<String>,
    table: String,
    timeout: Duration,
    max_connections: u32,
    announces: bool,
    clock: Clock,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            schema: None,
            table: "cloakroom_sessions".to_owned(),
            timeout: Duration::from_secs(5),
            max_connections: 10,
            announces: false,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// Names the table. Default: `cloakroom_sessions`.
    ///
    /// A name has at most 48 letters, digits and underscores of ASCII, and no digit first.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().table("admin_sessions");
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Names the table's schema (PostgreSQL), database (MySQL) or attached database (SQLite).
    /// Default: the connection's.
    ///
    /// The rules are those of the [`table`](Self::table).
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().schema("web");
    /// ```
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// Limits the time of one operation, including waits and retries. Default: 5 s.
    ///
    /// Then it ends with a transient error. A [sweep](cloakroom_store::Sweep::sweep) may take this
    /// long for each 250 rows.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// # use std::time::Duration;
    /// let builder = SqlStore::builder().timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Limits the store's own connections. Default: 10, at least 1: with 0
    /// [`connect`](Self::connect) fails.
    ///
    /// Operations wait for a free connection. If the server allows fewer, the store works with
    /// those, and tries for more after a minute. Has no effect with an application's pool, which
    /// has its own limit.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().max_connections(32);
    /// ```
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Announces each deleted record to the other processes, so that they notice at once that a
    /// session has ended. Default: no, and they notice within the lease of
    /// `cloakroom::Sessions::with_lease`.
    ///
    /// In PostgreSQL only: SQLite and MySQL announce nothing, and this has no effect there. All
    /// processes set it, with the same [`schema`](Self::schema) and [`table`](Self::table). See
    /// [the channel and its costs](crate#announcements).
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().announce_ends();
    /// ```
    pub fn announce_ends(mut self) -> Self {
        self.announces = true;
        self
    }

    /// Sets the clock by which records expire. Default: the system's. It is never the database's.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = SqlStore::builder().clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Opens a store with connections of its own, and makes the first. See [the forms of a
    /// URL](crate#urls).
    ///
    /// # Errors
    ///
    /// Permanent, if the URL cannot be read or has an unknown option, or if a name breaks the
    /// rules. Permanent also if the server refuses the user, the database or the certificate.
    /// Transient, if the server cannot be reached. No error contains the URL.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = SqlStore::builder()
    ///     .connect("redis://:secret@localhost")
    ///     .await
    ///     .unwrap_err();
    /// assert!(error.to_string().contains("no known scheme"));
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self, url: &str) -> Result<SqlStore, StoreError> {
        let table = self.checked()?;
        if self.max_connections == 0 {
            return Err(failure::no_connections());
        }
        let health = Health::new();
        let deadline = Deadline::after(self.timeout);
        let kind = kind(url, self.max_connections, self.timeout, health.clone())?;
        deadline.limit(kind.open(deadline)).await??;
        Ok(SqlStore::new(
            kind,
            &table,
            self.announces,
            self.clock,
            self.timeout,
            health,
        ))
    }

    /// Opens a store on the application's pool. See [what the pool has to
    /// set](crate#with-the-applications-pool).
    ///
    /// # Errors
    ///
    /// Permanent, if a name breaks the rules.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cloakroom_sql::{SqlStore, sqlx::SqlitePool};
    ///
    /// let pool = SqlitePool::connect("sqlite::memory:").await?;
    /// assert!(
    ///     SqlStore::builder()
    ///         .table("x; DROP TABLE y")
    ///         .with_pool(pool.clone())
    ///         .is_err()
    /// );
    /// let store = SqlStore::builder().table("sessions").with_pool(pool)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub fn with_pool(self, pool: impl Into<Pool>) -> Result<SqlStore, StoreError> {
        let table = self.checked()?;
        Ok(SqlStore::new(
            pool.into().0,
            &table,
            self.announces,
            self.clock,
            self.timeout,
            // How its connections are tested is the application's affair.
            Health::new(),
        ))
    }

    fn checked(&self) -> Result<Table, StoreError> {
        let schema = self.schema.as_deref().map(|name| Name::new("schema", name));
        Ok(Table {
            schema: schema.transpose()?,
            name: Name::new("table", &self.table)?,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("schema", &self.schema)
            .field("table", &self.table)
            .field("timeout", &self.timeout)
            .field("max_connections", &self.max_connections)
            .field("announces", &self.announces)
            .finish_non_exhaustive()
    }
}

fn kind(
    url: &str,
    size: u32,
    timeout: Duration,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(unused_variables, reason = "there is no server that could go")
    )]
    health: Health,
) -> Result<Kind, StoreError> {
    let (scheme, rest) = url.split_once(':').ok_or_else(failure::unknown_scheme)?;
    // In which case it is makes no difference (RFC 3986, section 3.1), but does to sqlx.
    let scheme = scheme.to_ascii_lowercase();
    let url = &format!("{scheme}:{rest}");
    match scheme.as_str() {
        #[cfg(feature = "sqlite")]
        "sqlite" => crate::sqlite::connections(url, size, timeout).map(Kind::Sqlite),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            crate::postgres::connections(url, size, timeout, health).map(Kind::Postgres)
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => {
            crate::mysql::connections(url, size, timeout, health).map(Kind::MySql)
        }
        _ => Err(failure::unknown_scheme()),
    }
}
