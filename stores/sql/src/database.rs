//! The three databases as one: takes a connection, sends a statement, reads what comes back.

use std::sync::Arc;

use bytes::Bytes;
use cloakroom_store::{Entry, Key, Place, StoreError, Stored, UnixTime};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::connections::{Connections, What};
use crate::deadline::Deadline;
use crate::failure::{self, Failure};
use crate::name::Table;
use crate::statements::{Statement, Statements};

/// Wraps the application's pool of connections to one of the databases.
///
/// [`Builder::with_pool`](crate::Builder::with_pool) makes it from a driver's pool by `into`.
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
            pool.clone(),
            crate::sqlite::place(&pool.connect_options()),
            &crate::sqlite::CODES,
        )))
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for Pool {
    fn from(pool: sqlx::PgPool) -> Self {
        Self(Kind::Postgres(Connections::of_application(
            pool.clone(),
            Some(crate::postgres::place(&pool.connect_options())),
            &crate::postgres::CODES,
        )))
    }
}

#[cfg(feature = "mysql")]
impl From<sqlx::MySqlPool> for Pool {
    fn from(pool: sqlx::MySqlPool) -> Self {
        Self(Kind::MySql(Connections::of_application(
            pool.clone(),
            Some(crate::mysql::place(&pool.connect_options())),
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

/// The same for each database: `$connections` are those to it, `$driver` is its module, `$on` has
/// `execute` and `rows`.
macro_rules! each {
    ($kind:expr, |$connections:ident, $driver:ident, $on:ident| $body:expr) => {
        match $kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(ref $connections) => {
                #[allow(unused_imports, reason = "not every function needs both")]
                use {crate::sqlite as $driver, on_sqlite as $on};
                $body
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres(ref $connections) => {
                #[allow(unused_imports, reason = "not every function needs both")]
                use {crate::postgres as $driver, on_postgres as $on};
                $body
            }
            #[cfg(feature = "mysql")]
            Kind::MySql(ref $connections) => {
                #[allow(unused_imports, reason = "not every function needs both")]
                use {crate::mysql as $driver, on_mysql as $on};
                $body
            }
        }
    };
}

/// A column of a row.
macro_rules! column {
    ($driver:ident, $row:expr, $index:expr) => {
        $row.try_get($index)
            .map_err(|error| failure::of(error, &$driver::CODES))?
    };
}

/// The record in the first columns of a row. PostgreSQL returns a row without one too.
macro_rules! stored {
    ($driver:ident, $row:expr) => {{
        let row = &$row;
        let value: Option<Vec<u8>> = column!($driver, row, $driver::FIRST);
        match value {
            None => None,
            Some(value) => {
                let end = column!($driver, row, $driver::FIRST + 1);
                let version = column!($driver, row, $driver::FIRST + 2);
                Some(stored(value, end, version).map_err(Failure::Final)?)
            }
        }
    }};
}

/// The functions that PostgreSQL has in its own module, for a driver whose statements can be relied
/// on.
#[cfg(any(feature = "sqlite", feature = "mysql"))]
macro_rules! plain {
    ($module:ident, $driver:ident) => {
        mod $module {
            use super::*;
            use crate::$driver::{self as driver, Database};

            fn bound(
                statement: &Statement,
                values: &[Value<'_>],
            ) -> sqlx::query::Query<'static, Database, <Database as sqlx::Database>::Arguments>
            {
                let query = sqlx::query::<Database>(AssertSqlSafe(Arc::clone(&statement.sql)));
                values.iter().fold(query, |query, value| match *value {
                    Value::Bytes(bytes) => query.bind(bytes),
                    Value::Subject(subject) => query.bind(subject.map(str::as_bytes)),
                    Value::Number(number) => query.bind(number),
                })
            }

            pub(super) async fn execute(
                connections: &Connections<Database>,
                deadline: Deadline,
                statement: &Statement,
                values: &[Value<'_>],
            ) -> Result<Done, Failure> {
                let query = bound(statement, values);
                let executed = connections
                    .run(What::Write, deadline, |connection| {
                        Box::pin(query.execute(connection))
                    })
                    .await?;
                Ok(driver::done(&executed))
            }

            pub(super) async fn rows(
                connections: &Connections<Database>,
                what: What,
                deadline: Deadline,
                statement: &Statement,
                values: &[Value<'_>],
            ) -> Result<Vec<<Database as sqlx::Database>::Row>, Failure> {
                let query = bound(statement, values);
                connections
                    .run(what, deadline, move |connection| {
                        Box::pin(async move {
                            match what {
                                // Nothing more is waited for.
                                What::Read => {
                                    let row = query.fetch_optional(connection).await?;
                                    Ok(row.into_iter().collect())
                                }
                                _ => query.fetch_all(connection).await,
                            }
                        })
                    })
                    .await
            }
        }
    };
}

#[cfg(feature = "sqlite")]
plain!(on_sqlite, sqlite);
#[cfg(feature = "mysql")]
plain!(on_mysql, mysql);
#[cfg(feature = "postgres")]
use crate::postgres as on_postgres;

/// The value of a placeholder.
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

/// The effect of a statement.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    pub(crate) rows: u64,
    /// For a create: something living was there.
    pub(crate) taken: bool,
}

impl Kind {
    pub(crate) fn statements(&self, table: &Table) -> Statements {
        each!(*self, |_connections, driver, on| driver::statements(table))
    }

    /// Makes the delete announce what it removes. Returns the channel. A database without
    /// announcements has none.
    pub(crate) fn announce(&self, table: &Table, statements: &mut Statements) -> Option<String> {
        #[cfg(feature = "postgres")]
        if let Self::Postgres(_) = self {
            let channel = table.channel();
            statements.delete = crate::postgres::announcing_delete(table, &channel);
            return Some(channel);
        }
        let _ = (table, statements);
        None
    }

    /// Returns where the table is. None of a database in memory.
    pub(crate) fn place(&self, table: &Table) -> Option<Place> {
        let database = each!(*self, |connections, driver, on| connections.place())?;
        Some(Place::new("sql", [database, &*table.full('"')]))
    }

    /// Makes the first connection.
    pub(crate) async fn open(&self, deadline: Deadline) -> Result<(), Failure> {
        each!(*self, |connections, driver, on| connections
            .open(deadline)
            .await)
    }

    /// Executes a statement that changes records.
    pub(crate) async fn execute(
        &self,
        deadline: Deadline,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Done, Failure> {
        each!(*self, |connections, driver, on| {
            on::execute(connections, deadline, statement, values).await
        })
    }

    /// The record that a statement selects, if there is one.
    pub(crate) async fn load(
        &self,
        deadline: Deadline,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Option<Stored>, Failure> {
        each!(*self, |connections, driver, on| {
            let rows = on::rows(connections, What::Read, deadline, statement, values).await?;
            match rows.first() {
                Some(row) => Ok(stored!(driver, row)),
                None => Ok(None),
            }
        })
    }

    /// The records that a statement selects.
    pub(crate) async fn list(
        &self,
        deadline: Deadline,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<(Key, Stored)>, Failure> {
        each!(*self, |connections, driver, on| {
            let rows = on::rows(connections, What::List, deadline, statement, values).await?;
            let mut records = Vec::with_capacity(rows.len());
            for row in rows {
                let Some(stored) = stored!(driver, row) else {
                    continue;
                };
                let key: Vec<u8> = column!(driver, row, driver::FIRST + 3);
                match std::str::from_utf8(&key).ok().and_then(Key::new) {
                    Some(key) => records.push((key, stored)),
                    None => return Err(Failure::Final(failure::corrupt())),
                }
            }
            Ok(records)
        })
    }

    /// The records that a statement selects, with their subjects.
    pub(crate) async fn page(
        &self,
        deadline: Deadline,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<Entry>, Failure> {
        each!(*self, |connections, driver, on| {
            let rows = on::rows(connections, What::List, deadline, statement, values).await?;
            let mut records = Vec::with_capacity(rows.len());
            for row in rows {
                let Some(stored) = stored!(driver, row) else {
                    continue;
                };
                let key: Vec<u8> = column!(driver, row, driver::FIRST + 3);
                let subject: Option<Vec<u8>> = column!(driver, row, driver::FIRST + 4);
                records.push(entry(&key, stored, subject).map_err(Failure::Final)?);
            }
            Ok(records)
        })
    }

    /// Executes SQL without values, and without preparing it.
    pub(crate) async fn make(&self, deadline: Deadline, sql: &Arc<str>) -> Result<(), Failure> {
        let sql = AssertSqlSafe(Arc::clone(sql));
        each!(*self, |connections, driver, on| {
            connections
                .run(What::Write, deadline, |connection| {
                    Box::pin(async { connection.execute(sqlx::raw_sql(sql)).await.map(drop) })
                })
                .await
        })
    }

    /// The names and types of the columns that a table has, and of its indexes, whose type is
    /// `index`.
    pub(crate) async fn layout(
        &self,
        deadline: Deadline,
        columns: &Arc<str>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let sql = AssertSqlSafe(Arc::clone(columns));
        each!(*self, |connections, driver, on| {
            let rows = connections
                .run(What::List, deadline, |connection| {
                    Box::pin(async { connection.fetch_all(sqlx::raw_sql(sql)).await })
                })
                .await?;
            let mut layout = Vec::with_capacity(rows.len());
            for row in rows {
                layout.push((column!(driver, row, 0), column!(driver, row, 1)));
            }
            Ok(layout)
        })
    }

    /// Returns the type that the column must have, unless it has it.
    pub(crate) fn wants(&self, is_number: bool, found: &str) -> Option<&'static str> {
        each!(*self, |_connections, driver, on| driver::wants(
            is_number, found
        ))
    }

    /// The keys that a statement selects.
    #[cfg(feature = "mysql")]
    pub(crate) async fn keys(
        &self,
        deadline: Deadline,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        each!(*self, |connections, driver, on| {
            let rows = on::rows(connections, What::List, deadline, statement, values).await?;
            let mut keys = Vec::with_capacity(rows.len());
            for row in rows {
                keys.push(column!(driver, row, driver::FIRST));
            }
            Ok(keys)
        })
    }
}

fn entry(key: &[u8], stored: Stored, subject: Option<Vec<u8>>) -> Result<Entry, StoreError> {
    let key = str::from_utf8(key).ok().and_then(Key::new);
    let subject = subject.map(String::from_utf8).transpose();
    match (key, subject) {
        (Some(key), Ok(subject)) => Ok(Entry::new(key, stored, subject.map(Into::into))),
        _ => Err(failure::corrupt()),
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
