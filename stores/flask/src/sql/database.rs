//! The three databases, as one.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{StoreError, UnixTime};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::STORE;
use super::connections::Connections;
use super::failure::{self, Failure};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::options;
#[cfg(feature = "postgres")]
use super::postgres;
use super::statements::Statement;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::tls;
use crate::failure as said;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::tls::Options;

#[derive(Clone)]
pub(super) enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(Connections<sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Connections<sqlx::Postgres>),
    #[cfg(feature = "mysql")]
    MySql(Connections<sqlx::MySql>),
}

/// The same for each: `$connections` are those to it.
macro_rules! each {
    ($kind:expr, |$connections:ident| $body:expr) => {
        match $kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite($connections) => $body,
            #[cfg(feature = "postgres")]
            Kind::Postgres($connections) => $body,
            #[cfg(feature = "mysql")]
            Kind::MySql($connections) => $body,
        }
    };
}

/// The server and the database of a driver's options, without user and password.
#[cfg(any(feature = "postgres", feature = "mysql"))]
macro_rules! place {
    ($options:expr) => {{
        let socket = $options.get_socket();
        let host = socket.map_or_else(
            || $options.get_host().into(),
            |socket| socket.to_string_lossy(),
        );
        let database = $options.get_database().unwrap_or_default();
        format!("{host}:{}/{database}", $options.get_port())
    }};
}

/// A query with its values, in a database whose statements can be relied on.
macro_rules! bound {
    ($database:ty, $statement:expr, $values:expr) => {{
        let sql = AssertSqlSafe(Arc::clone(&$statement.sql));
        let query = sqlx::query::<$database>(sql);
        $values.iter().fold(query, |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Number(number) => query.bind(number),
        })
    }};
}

/// The value of a placeholder.
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

    #[cfg(feature = "postgres")]
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    pub(super) fn place(&self) -> &str {
        each!(self, |connections| connections.place())
    }

    /// Executes a statement. Returns how many rows it met.
    pub(super) async fn execute(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<u64, Failure> {
        macro_rules! plain {
            ($connections:expr, $database:ty) => {{
                let query = bound!($database, statement, values);
                let executed = $connections.run(true, |one| Box::pin(query.execute(one)));
                Ok(executed.await?.rows_affected())
            }};
        }
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connections) => plain!(connections, sqlx::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(connections) => {
                let row = postgres::row(connections, true, statement, values).await?;
                let rows: i64 = row.try_get(1).map_err(failure::of)?;
                Ok(u64::try_from(rows).unwrap_or(0))
            }
            #[cfg(feature = "mysql")]
            Self::MySql(connections) => plain!(connections, sqlx::MySql),
        }
    }

    /// Executes SQL without values, and without preparing it.
    pub(super) async fn make(&self, sql: &Arc<str>) -> Result<(), Failure> {
        let sql = AssertSqlSafe(Arc::clone(sql));
        each!(self, |connections| {
            let made = connections.run(true, |one| {
                Box::pin(async { one.execute(sqlx::raw_sql(sql)).await.map(drop) })
            });
            made.await
        })
    }

    /// Data and end of the row that a statement selects, if there is one.
    pub(super) async fn row(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Option<(Vec<u8>, i64)>, Failure> {
        macro_rules! read {
            ($row:expr, $first:expr) => {{
                // PostgreSQL reports a missing row as a row of nulls.
                let end: Option<i64> = $row.try_get($first + 1).map_err(failure::of)?;
                let Some(end) = end else {
                    return Ok(None);
                };
                let data: Option<Vec<u8>> = $row.try_get($first).map_err(failure::of)?;
                Ok(Some((data.unwrap_or_default(), end)))
            }};
        }
        macro_rules! plain {
            ($connections:expr, $database:ty) => {{
                let query = bound!($database, statement, values);
                let row = $connections.run(false, |one| Box::pin(query.fetch_optional(one)));
                match row.await? {
                    Some(row) => read!(row, 0),
                    None => Ok(None),
                }
            }};
        }
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connections) => plain!(connections, sqlx::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(connections) => {
                let row = postgres::row(connections, false, statement, values).await?;
                read!(row, 1)
            }
            #[cfg(feature = "mysql")]
            Self::MySql(connections) => plain!(connections, sqlx::MySql),
        }
    }
}

/// The database at a URL as SQLAlchemy writes it: `postgresql+psycopg2://…`, `mysql+pymysql://…`,
/// `sqlite:///relative`, `sqlite:////absolute`.
pub(super) async fn connect(url: &str, size: u32, limit: Duration) -> Result<Kind, StoreError> {
    let failed = |error| StoreError::from(failure::of_handshake(error));
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
            let file = options.get_filename().to_owned();
            let pool = pool.connect_with(options).await.map_err(failed)?;
            // By whatever path it was opened.
            let file = file.canonicalize().unwrap_or(file);
            let place = file.to_string_lossy().into_owned();
            Ok(Kind::Sqlite(Connections::new(pool, place, limit, true)))
        }
        #[cfg(feature = "postgres")]
        "postgresql" | "postgres" => {
            // Without it, an abandoned statement would go on waiting for a lock.
            let limited = ("statement_timeout", limit.as_millis().to_string());
            let (rest, tls) = Options::take_from(rest, STORE)?;
            let rest = options::for_postgres(&rest)?;
            let options = sqlx::postgres::PgConnectOptions::from_str(&format!("postgres:{rest}"))
                .map_err(failed)?
                // There are no fractions here, and PgBouncer refuses the setting.
                .extra_float_digits(None);
            let options = tls::postgres(options, tls)?;
            let options = match unbracketed(options.get_host()) {
                Some(address) => options.host(&address),
                None => options,
            };
            let pool = sqlx::postgres::PgPoolOptions::new()
                .max_connections(size)
                // Each connection is tested before it is used: one round trip more.
                .acquire_timeout(limit);
            // Not by the pool, which would retry again and again, and then hide the cause.
            let with_limit = options.clone().options([limited]);
            let options = match first(&with_limit, limit).await {
                Ok(()) => with_limit,
                // A pooler that keeps no settings of a session refuses it, and then goes without.
                Err(sqlx::Error::Database(error)) if error.message().contains("parameter") => {
                    first(&options, limit).await.map_err(failed)?;
                    options
                }
                Err(error) => return Err(failed(error)),
            };
            let place = place!(options);
            let pool = pool.connect_lazy_with(options);
            Ok(Kind::Postgres(Connections::new(pool, place, limit, false)))
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => {
            let (rest, tls) = Options::take_from(rest, STORE)?;
            let rest = options::for_mysql(&rest)?;
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
            // As with PostgreSQL.
            first(&options, limit).await.map_err(failed)?;
            let place = place!(options);
            let pool = pool.connect_lazy_with(options);
            Ok(Kind::MySql(Connections::new(pool, place, limit, false)))
        }
        // The URL itself may hold a password.
        _ => Err(said::permanent(
            STORE,
            "the URL begins with no scheme that this program was built for (sqlite, postgresql, mysql)",
        )),
    }
}

/// Opens a first connection. Tries again while a server is starting or accepts no more connections.
#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn first<O>(options: &O, limit: Duration) -> sqlx::Result<()>
where
    O: sqlx::ConnectOptions<Connection: Sized>,
{
    const PAUSE: Duration = Duration::from_millis(50);
    let end = std::time::Instant::now() + limit;
    loop {
        match options.connect().await {
            Ok(connection) => return sqlx::Connection::close(connection).await,
            Err(sqlx::Error::Database(error))
                if failure::may_connect_later(&*error)
                    && std::time::Instant::now() + PAUSE < end =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// sqlx leaves the brackets of an IPv6 address on, and then looks for a host of that name.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn unbracketed(host: &str) -> Option<String> {
    let address = host.strip_prefix('[')?.strip_suffix(']')?;
    Some(address.to_owned())
}
