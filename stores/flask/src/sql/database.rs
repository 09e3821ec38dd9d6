//! The three databases, as one.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{StoreError, UnixTime};
#[cfg(feature = "mysql")]
use sqlx::Executor as _;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::STORE;
use super::failure::{self, Failure};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::tls;
use crate::failure as said;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::tls::Options;

#[derive(Clone)]
pub(super) enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlPool),
}

/// The same for each: `$pool` is its pool, `$database` its type.
macro_rules! each {
    ($kind:expr, |$pool:ident, $database:ident| $body:expr) => {
        match $kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite($pool) => {
                type $database = sqlx::Sqlite;
                $body
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres($pool) => {
                type $database = sqlx::Postgres;
                $body
            }
            #[cfg(feature = "mysql")]
            Kind::MySql($pool) => {
                type $database = sqlx::MySql;
                $body
            }
        }
    };
}

/// A query with its values.
macro_rules! bound {
    ($database:ident, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query::<$database>(AssertSqlSafe(Arc::clone($sql)));
        for value in $values {
            query = match *value {
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Number(number) => query.bind(number),
            };
        }
        query
    }};
}

/// What a placeholder stands for.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(i64),
}

impl From<UnixTime> for Value<'_> {
    fn from(time: UnixTime) -> Self {
        // `UnixTime::MAX` is far below the limit.
        Self::Number(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Kind {
    pub(super) fn is_mysql(&self) -> bool {
        match self {
            #[cfg(feature = "mysql")]
            Self::MySql(_) => true,
            #[allow(unreachable_patterns, reason = "there may be no other")]
            _ => false,
        }
    }

    pub(super) fn is_postgres(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            #[allow(unreachable_patterns, reason = "there may be no other")]
            _ => false,
        }
    }

    /// Whether the database is a library in this process, which lets one connection write at a time.
    pub(super) fn is_sqlite(&self) -> bool {
        !self.is_mysql() && !self.is_postgres()
    }

    /// Executes a statement; says how many rows it met.
    pub(super) async fn execute(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<u64, Failure> {
        let in_process = self.is_sqlite();
        each!(self, |pool, Database| {
            let query = bound!(Database, sql, values);
            let mut lease = Lease::take(pool, in_process).await?;
            let outcome = query.execute(lease.connection()?).await;
            let done = lease.end(outcome)?;
            Ok(done.rows_affected())
        })
    }

    /// Data and end of the row that a statement selects, if there is one.
    pub(super) async fn row(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Option<(Vec<u8>, i64)>, Failure> {
        let in_process = self.is_sqlite();
        each!(self, |pool, Database| {
            let query = bound!(Database, sql, values);
            let mut lease = Lease::take(pool, in_process).await?;
            let outcome = query.fetch_optional(lease.connection()?).await;
            let Some(row) = lease.end(outcome)? else {
                return Ok(None);
            };
            let data: Option<Vec<u8>> = row.try_get(0).map_err(failure::of)?;
            let end = row.try_get(1).map_err(failure::of)?;
            Ok(Some((data.unwrap_or_default(), end)))
        })
    }
}

/// A connection for one statement. Dropped before the statement's end, it is closed and not given back: the pool would wait
/// for that statement first.
struct Lease<D: sqlx::Database> {
    connection: Option<PoolConnection<D>>,
    in_process: bool,
}

impl<D: sqlx::Database> Lease<D> {
    async fn take(pool: &sqlx::Pool<D>, in_process: bool) -> Result<Self, Failure> {
        let connection = pool.acquire().await.map_err(failure::of)?;
        Ok(Self {
            connection: Some(connection),
            in_process,
        })
    }

    fn connection(&mut self) -> Result<&mut D::Connection, Failure> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(failure::of(sqlx::Error::PoolClosed)),
        }
    }

    fn end<T>(mut self, outcome: sqlx::Result<T>) -> Result<T, Failure> {
        if matches!(outcome, Ok(_) | Err(sqlx::Error::Database(_))) {
            // Back to the pool.
            self.connection = None;
        }
        outcome.map_err(failure::of)
    }
}

impl<D: sqlx::Database> Drop for Lease<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.in_process
        {
            drop(connection.detach());
        }
    }
}

/// The database at a URL as SQLAlchemy writes it: `postgresql+psycopg2://…`, `mysql+pymysql://…`, `sqlite:///relative`,
/// `sqlite:////absolute`.
pub(super) async fn connect(url: &str, size: u32, limit: Duration) -> Result<Kind, StoreError> {
    let failed = |error| StoreError::from(failure::of(error));
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    let dialect = scheme.split('+').next().unwrap_or_default();
    match dialect {
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            // Behind two slashes stands a host, which is empty, and behind the third the path.
            let path = rest
                .strip_prefix("//")
                .map_or(rest, |rest| rest.strip_prefix('/').unwrap_or(rest));
            let in_memory = path.is_empty() || path.contains(":memory:");
            let options = match in_memory {
                true => sqlx::sqlite::SqliteConnectOptions::from_str("sqlite::memory:"),
                false => sqlx::sqlite::SqliteConnectOptions::from_str(&format!("sqlite:{path}")),
            };
            let options = options
                .map_err(failed)?
                .busy_timeout(limit)
                .create_if_missing(true);
            let pool = sqlx::sqlite::SqlitePoolOptions::new()
                .test_before_acquire(false)
                .acquire_timeout(limit);
            // A database in memory is one connection's, and ends with it.
            let pool = match in_memory {
                true => pool
                    .max_connections(1)
                    .idle_timeout(None)
                    .max_lifetime(None),
                false => pool.max_connections(size),
            };
            let pool = pool.connect_with(options).await.map_err(failed)?;
            Ok(Kind::Sqlite(pool))
        }
        #[cfg(feature = "postgres")]
        "postgresql" | "postgres" => {
            // Without it a statement whose client has given up would wait on for a lock.
            let statement = ("statement_timeout", limit.as_millis().to_string());
            let (rest, tls) = Options::take_from(rest, STORE)?;
            let options = sqlx::postgres::PgConnectOptions::from_str(&format!("postgres:{rest}"))
                .map_err(failed)?
                .options([statement]);
            let options = tls::postgres(options, tls)?;
            let options = match unbracketed(options.get_host()) {
                Some(address) => options.host(&address),
                None => options,
            };
            let pool = sqlx::postgres::PgPoolOptions::new()
                .max_connections(size)
                // Each connection is tested before it is used: one round trip more.
                .acquire_timeout(limit);
            let pool = pool.connect_with(options).await.map_err(failed)?;
            Ok(Kind::Postgres(pool))
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => {
            let (rest, tls) = Options::take_from(rest, STORE)?;
            let options = sqlx::mysql::MySqlConnectOptions::from_str(&format!("mysql:{rest}"))
                .map_err(failed)?;
            let options = tls::mysql(options, tls)?;
            let options = match unbracketed(options.get_host()) {
                Some(address) => options.host(&address),
                None => options,
            };
            let pool = sqlx::mysql::MySqlPoolOptions::new()
                .max_connections(size)
                // A server may be set to commit nothing by itself.
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        connection
                            .execute("SET SESSION autocommit = 1")
                            .await
                            .map(drop)
                    })
                })
                // Each connection is tested before it is used: one round trip more.
                .acquire_timeout(limit);
            let pool = pool.connect_with(options).await.map_err(failed)?;
            Ok(Kind::MySql(pool))
        }
        // The URL itself may hold a password.
        _ => Err(said::permanent(
            STORE,
            "the URL begins with no scheme that this program was built for (sqlite, postgresql, mysql)",
        )),
    }
}

/// sqlx leaves the brackets of an IPv6 address on, and then looks for a host of that name.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn unbracketed(host: &str) -> Option<String> {
    let address = host.strip_prefix('[')?.strip_suffix(']')?;
    Some(address.to_owned())
}
