//! The three databases as one: takes a connection, sends a statement, reads what comes back.

use std::sync::Arc;

use bytes::Bytes;
use cloakroom_store::{Key, StoreError, Stored, UnixTime};
use sqlx::{AssertSqlSafe, Row as _};

use crate::connections::{Connections, What};
use crate::failure::{self, Failure};
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
        Self(Kind::Sqlite(Connections::of_application(
            pool,
            &crate::sqlite::CODES,
        )))
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for Pool {
    fn from(pool: sqlx::PgPool) -> Self {
        Self(Kind::Postgres(Connections::of_application(
            pool,
            &crate::postgres::CODES,
        )))
    }
}

#[cfg(feature = "mysql")]
impl From<sqlx::MySqlPool> for Pool {
    fn from(pool: sqlx::MySqlPool) -> Self {
        Self(Kind::MySql(Connections::of_application(
            pool,
            &crate::mysql::CODES,
        )))
    }
}

#[derive(Clone)]
pub(crate) enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(Connections<sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Connections<sqlx::Postgres>),
    #[cfg(feature = "mysql")]
    MySql(Connections<sqlx::MySql>),
}

/// The same for each database: `$connections` are those to it, `$driver` is its module.
macro_rules! each {
    ($kind:expr, |$connections:ident, $driver:ident| $body:expr) => {
        match $kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(ref $connections) => {
                use crate::sqlite as $driver;
                $body
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres(ref $connections) => {
                use crate::postgres as $driver;
                $body
            }
            #[cfg(feature = "mysql")]
            Kind::MySql(ref $connections) => {
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

/// A column of a row.
macro_rules! column {
    ($driver:ident, $row:expr, $index:expr) => {
        $row.try_get($index)
            .map_err(|error| failure::of(error, &$driver::CODES))?
    };
}

/// The record in the first columns of a row.
macro_rules! stored {
    ($driver:ident, $row:expr) => {{
        let row = &$row;
        let value: Vec<u8> = column!($driver, row, 0);
        let (end, version) = (column!($driver, row, 1), column!($driver, row, 2));
        stored(value, end, version).map_err(Failure::Final)
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

/// What a statement did.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    pub(crate) rows: u64,
    /// For a create: something living was there.
    pub(crate) taken: bool,
}

impl Kind {
    pub(crate) fn statements(&self, table: &Table) -> Statements {
        each!(*self, |_connections, driver| driver::statements(table))
    }

    /// Whether the database lets one connection write at a time.
    pub(crate) fn has_one_writer(&self) -> bool {
        each!(*self, |_connections, driver| driver::CODES.in_this_process)
    }

    /// Executes a statement.
    pub(crate) async fn execute(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Done, Failure> {
        each!(*self, |connections, driver| {
            let query = bound!(driver, sql, values);
            let executed = connections
                .run(What::Write, async |connection| {
                    query.execute(connection).await
                })
                .await?;
            Ok(driver::done(&executed))
        })
    }

    /// The record that a statement selects, if there is one. Nothing is waited for once it is there.
    pub(crate) async fn load(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Option<Stored>, Failure> {
        each!(*self, |connections, driver| {
            let query = bound!(driver, sql, values);
            let row = connections
                .run(What::Read, async |connection| {
                    query.fetch_optional(connection).await
                })
                .await?;
            row.map(|row| stored!(driver, row)).transpose()
        })
    }

    /// The records that a statement selects.
    pub(crate) async fn list(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Vec<(Key, Stored)>, Failure> {
        each!(*self, |connections, driver| {
            let query = bound!(driver, sql, values);
            let rows = connections
                .run(What::Read, async |connection| {
                    query.fetch_all(connection).await
                })
                .await?;
            let records = rows.into_iter().map(|row| {
                let stored = stored!(driver, row)?;
                let key: Vec<u8> = column!(driver, row, 3);
                match std::str::from_utf8(&key).ok().and_then(Key::new) {
                    Some(key) => Ok((key, stored)),
                    None => Err(Failure::Final(failure::corrupt())),
                }
            });
            records.collect()
        })
    }

    /// The first column of which a statement says that it has a type that is of no use: its name, its type, and what it must be.
    pub(crate) async fn unfit(
        &self,
        columns: &Arc<str>,
    ) -> Result<Option<(String, String, &'static str)>, Failure> {
        each!(*self, |connections, driver| {
            let query = bound!(driver, columns, &[] as &[Value<'_>]);
            let rows = connections
                .run(What::Read, async |connection| {
                    query.fetch_all(connection).await
                })
                .await?;
            for row in rows {
                let name: String = column!(driver, row, 0);
                let found: String = column!(driver, row, 1);
                let is_number = match name.as_str() {
                    "expires_at" | "version" | "created_at" => true,
                    "session_key" | "value" | "subject" => false,
                    // What an application has added is its own affair.
                    _ => continue,
                };
                if let Some(wanted) = driver::wants(is_number, &found) {
                    return Ok(Some((name, found, wanted)));
                }
            }
            Ok(None)
        })
    }

    /// The keys that a statement selects.
    #[cfg(feature = "mysql")]
    pub(crate) async fn keys(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        each!(*self, |connections, driver| {
            let query = bound!(driver, sql, values);
            let rows = connections
                .run(What::Read, async |connection| {
                    query.fetch_all(connection).await
                })
                .await?;
            let keys = rows.into_iter().map(|row| Ok(column!(driver, row, 0)));
            keys.collect()
        })
    }
}

fn stored(value: Vec<u8>, end: i64, version: i64) -> Result<Stored, StoreError> {
    match (u64::try_from(end), u64::try_from(version)) {
        (Ok(end), Ok(version)) => Ok(Stored::new(
            Bytes::from(value),
            UnixTime::from_secs(end),
            version,
        )),
        _ => Err(failure::corrupt()),
    }
}
