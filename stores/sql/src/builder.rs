use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{StoreError, UnixTime};

use crate::database::{Kind, Pool};
use crate::failure;
use crate::health::Health;
use crate::name::{Name, Table};
use crate::store::{Clock, SqlStore};

/// How a [`SqlStore`] is to work. From [`SqlStore::builder`].
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
    clock: Clock,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            schema: None,
            table: "cloakroom_sessions".to_owned(),
            timeout: Duration::from_secs(5),
            max_connections: 10,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// The table; `cloakroom_sessions` unless said otherwise. Letters, digits and underscores of ASCII, no digit first, at most
    /// 48 of them.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().table("admin_sessions");
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// The schema of the table (PostgreSQL), its database (MySQL) or the attached database (SQLite); what the connection has as
    /// default unless said otherwise. The same rules as for the [`table`](Self::table).
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().schema("web");
    /// ```
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// How long one operation may take, with all it waits for and tries again; 5 s unless said otherwise. Then it ends with a
    /// transient error.
    ///
    /// A [sweep](cloakroom_store::Sweep::sweep) may take so long for each 250 rows.
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

    /// How many connections the store's own pool may have; 10 unless said otherwise. Whoever needs one more waits for one that
    /// becomes free. Of no effect with an application's pool.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().max_connections(32);
    /// ```
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// The clock by which records end; the system's unless said otherwise. Never the database's.
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

    /// A store with a pool of its own. Makes the first connection, so that a wrong URL is found at the start. For the forms of
    /// the URL see [the crate](crate#urls).
    ///
    /// # Errors
    ///
    /// When the URL cannot be read or the database cannot be reached; when a name breaks the rules. An error never contains
    /// the URL.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = SqlStore::builder().connect("redis://:secret@localhost").await.unwrap_err();
    /// assert!(error.to_string().contains("no known scheme") && !error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self, url: &str) -> Result<SqlStore, StoreError> {
        let table = self.checked()?;
        let health = Health::new();
        let connecting = connect(url, self.max_connections, self.timeout, health.clone());
        let kind = match tokio::time::timeout(self.timeout, connecting).await {
            Ok(kind) => kind?,
            Err(_) => return Err(failure::timed_out(self.timeout)),
        };
        Ok(SqlStore::new(
            kind,
            &table,
            self.clock,
            self.timeout,
            health,
        ))
    }

    /// A store on the application's pool, which also sets what the store sets on its own: see
    /// [the crate](crate#with-the-applications-pool).
    ///
    /// # Errors
    ///
    /// When a name breaks the rules.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cloakroom_sql::{SqlStore, sqlx::SqlitePool};
    ///
    /// let pool = SqlitePool::connect("sqlite::memory:").await?;
    /// assert!(SqlStore::builder().table("x; DROP TABLE y").with_pool(pool.clone()).is_err());
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
            .finish_non_exhaustive()
    }
}

async fn connect(
    url: &str,
    size: u32,
    timeout: Duration,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(unused_variables, reason = "there is no server that could go")
    )]
    health: Health,
) -> Result<Kind, StoreError> {
    // A little earlier than the store's own, so that one hears what was waited for.
    let limit = timeout / 10 * 9;
    let (scheme, rest) = url.split_once(':').ok_or_else(failure::unknown_scheme)?;
    // In which case it is makes no difference (RFC 3986, section 3.1), but does to sqlx.
    let scheme = scheme.to_ascii_lowercase();
    let url = &format!("{scheme}:{rest}");
    match scheme.as_str() {
        #[cfg(feature = "sqlite")]
        "sqlite" => match crate::sqlite::connect(url, size, limit).await {
            Ok(pool) => Ok(Kind::Sqlite(pool)),
            Err(error) => Err(failure::of(error, &crate::sqlite::CODES).into()),
        },
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            match crate::postgres::connect(url, size, limit, health).await {
                Ok(pool) => Ok(Kind::Postgres(pool)),
                Err(error) => Err(failure::of(error, &crate::postgres::CODES).into()),
            }
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => match crate::mysql::connect(url, size, limit, health).await {
            Ok(pool) => Ok(Kind::MySql(pool)),
            Err(error) => Err(failure::of(error, &crate::mysql::CODES).into()),
        },
        _ => Err(failure::unknown_scheme()),
    }
}
