//! The three databases as one: takes a connection, sends a statement, reads what comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloakroom_store::{Key, StoreError, Stored, UnixTime};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Row as _};

use crate::failure::{self, Codes, Failure};
use crate::name::Table;
use crate::statements::Statements;

/// The application's pool of connections to one of the databases, or the store's own.
///
/// Made from the pool of a driver by `into`, which [`Builder::with_pool`](crate::Builder::with_pool) does.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cloakroom_sql::{Pool, sqlx::SqlitePool};
///
/// let pool = Pool::from(SqlitePool::connect("sqlite::memory:").await?);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Pool(pub(crate) Kind);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool(..)")
    }
}

#[cfg(feature = "sqlite")]
impl From<sqlx::SqlitePool> for Pool {
    fn from(pool: sqlx::SqlitePool) -> Self {
        Self(Kind::Sqlite(pool))
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for Pool {
    fn from(pool: sqlx::PgPool) -> Self {
        Self(Kind::Postgres(pool))
    }
}

#[cfg(feature = "mysql")]
impl From<sqlx::MySqlPool> for Pool {
    fn from(pool: sqlx::MySqlPool) -> Self {
        Self(Kind::MySql(pool))
    }
}

#[derive(Clone)]
pub(crate) enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlPool),
}

/// The same for each database: `$pool` is its pool, `$driver` its module.
macro_rules! each {
    ($kind:expr, |$pool:ident, $driver:ident| $body:expr) => {
        match $kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(ref $pool) => {
                use crate::sqlite as $driver;
                $body
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres(ref $pool) => {
                use crate::postgres as $driver;
                $body
            }
            #[cfg(feature = "mysql")]
            Kind::MySql(ref $pool) => {
                use crate::mysql as $driver;
                $body
            }
        }
    };
}

/// A query with its values.
macro_rules! bound {
    ($driver:ident, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query::<$driver::Database>(AssertSqlSafe(Arc::clone($sql)));
        for value in $values {
            query = match *value {
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Subject(subject) => query.bind(subject.map(str::as_bytes)),
                Value::Number(number) => query.bind(number),
            };
        }
        query
    }};
}

/// What a placeholder stands for.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Subject(Option<&'a str>),
    Number(i64),
}

impl From<UnixTime> for Value<'_> {
    fn from(time: UnixTime) -> Self {
        // `UnixTime::MAX` is far below the limit.
        Self::Number(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
    }
}

/// How many records a statement can select.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One at most: nothing is waited for once it is there.
    One,
    All,
}

/// What a statement did.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    pub(crate) rows: u64,
    /// For a create: something living was there.
    pub(crate) taken: bool,
}

impl Kind {
    pub(crate) fn statements(&self, table: &Table) -> Statements {
        each!(*self, |_pool, driver| driver::statements(table))
    }

    /// Whether the database lets one connection write at a time.
    pub(crate) fn has_one_writer(&self) -> bool {
        each!(*self, |_pool, driver| driver::CODES.in_this_process)
    }

    /// Executes a statement.
    pub(crate) async fn execute(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Done, Failure> {
        each!(*self, |pool, driver| {
            let query = bound!(driver, sql, values);
            let lease = Lease::take(pool, &driver::CODES).await?;
            let executed = lease
                .run(async |connection| query.execute(connection).await)
                .await?;
            Ok(driver::done(&executed))
        })
    }

    /// The records that a statement selects.
    pub(crate) async fn records(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
        rows: Rows,
    ) -> Result<Vec<(Key, Stored)>, Failure> {
        each!(*self, |pool, driver| {
            let query = bound!(driver, sql, values);
            let lease = Lease::take(pool, &driver::CODES).await?;
            let rows = lease
                .run(async |connection| match rows {
                    Rows::One => {
                        let row = query.fetch_optional(connection).await?;
                        Ok(Vec::from_iter(row))
                    }
                    Rows::All => query.fetch_all(connection).await,
                })
                .await?;
            let rows = rows.into_iter();
            let records = rows.map(|row| {
                let failed = |error| failure::of(error, &driver::CODES);
                let key: Vec<u8> = row.try_get(0).map_err(failed)?;
                let value: Vec<u8> = row.try_get(1).map_err(failed)?;
                let (end, version) = (
                    row.try_get(2).map_err(failed)?,
                    row.try_get(3).map_err(failed)?,
                );
                record(&key, value, end, version).map_err(Failure::Answered)
            });
            records.collect()
        })
    }

    /// The keys that a statement selects.
    #[cfg(feature = "mysql")]
    pub(crate) async fn keys(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        each!(*self, |pool, driver| {
            let query = bound!(driver, sql, values);
            let lease = Lease::take(pool, &driver::CODES).await?;
            let rows = lease
                .run(async |connection| query.fetch_all(connection).await)
                .await?;
            let rows = rows.into_iter();
            let keys = rows.map(|row| {
                row.try_get(0)
                    .map_err(|error| failure::of(error, &driver::CODES))
            });
            keys.collect()
        })
    }
}

fn record(key: &[u8], value: Vec<u8>, end: i64, version: i64) -> Result<(Key, Stored), StoreError> {
    let key = std::str::from_utf8(key).ok().and_then(Key::new);
    match (key, u64::try_from(end), u64::try_from(version)) {
        (Some(key), Ok(end), Ok(version)) => {
            let stored = Stored::new(Bytes::from(value), UnixTime::from_secs(end), version);
            Ok((key, stored))
        }
        _ => Err(failure::corrupt()),
    }
}

/// A connection for one statement.
///
/// If it is dropped before the statement's end, or the connection broke, the connection is closed and not given back: the
/// pool would wait for that statement first, and for ever if the server hangs.
struct Lease<D: sqlx::Database> {
    // There until it is dropped.
    connection: Option<PoolConnection<D>>,
    codes: &'static Codes,
}

impl<D: sqlx::Database> Lease<D> {
    async fn take(pool: &sqlx::Pool<D>, codes: &'static Codes) -> Result<Self, Failure> {
        match pool.acquire().await {
            Ok(connection) => Ok(Self {
                connection: Some(connection),
                codes,
            }),
            Err(error) => Err(failure::of(error, codes)),
        }
    }

    async fn run<T>(
        mut self,
        statement: impl AsyncFnOnce(&mut D::Connection) -> sqlx::Result<T>,
    ) -> Result<T, Failure> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(failure::of(sqlx::Error::PoolClosed, self.codes));
        };
        let outcome = statement(connection).await;
        if matches!(outcome, Ok(_) | Err(sqlx::Error::Database(_))) {
            self.give_back();
        }
        outcome.map_err(|error| failure::of(error, self.codes))
    }
}

impl<D: sqlx::Database> Lease<D> {
    /// Gives the connection back to the pool, which first asks the server whether it is still there. That would take a place in
    /// the pool for as long as the server does not answer.
    fn give_back(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        if let Some(mut connection) = self.connection.take()
            && !self.codes.in_this_process
        {
            tokio::spawn(tokio::time::timeout(PATIENCE, connection.return_to_pool()));
        }
    }
}

impl<D: sqlx::Database> Drop for Lease<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.codes.in_this_process
        {
            drop(connection.detach());
        }
    }
}
