//! SQL databases, by the pool that the store uses.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cloakroom_sql::sqlx::mysql::MySqlPoolOptions;
use cloakroom_sql::sqlx::postgres::PgPoolOptions;
use cloakroom_sql::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use cloakroom_sql::sqlx::{self, AssertSqlSafe, Database, MySql, Pool, Postgres, Row as _, Sqlite};

use crate::Failure;
use crate::direct::{self, ENDS, next, wrong};

pub(crate) const TABLE: &str = "bench";
/// The store's default number of connections.
const CONNECTIONS: u32 = 10;

/// The store's statements, in this database's dialect.
struct Statements {
    load: Arc<str>,
    create: Arc<str>,
    replace: Arc<str>,
    touch: Arc<str>,
    delete: Arc<str>,
}

pub(crate) struct Direct<D: Database> {
    pool: Pool<D>,
    statements: Arc<Statements>,
    /// How often a create needs the time.
    nows: usize,
}

impl<D: Database> Clone for Direct<D> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            statements: Arc::clone(&self.statements),
            nows: self.nows,
        }
    }
}

fn statements(takeover: &str, numbered: bool) -> Arc<Statements> {
    let say = |sql: &str| -> Arc<str> {
        let mut parts = sql.split('?');
        let mut printed = parts.next().unwrap_or_default().to_owned();
        for (index, part) in parts.enumerate() {
            match numbered {
                true => printed.push_str(&format!("${}{part}", index + 1)),
                false => printed.push_str(&format!("?{part}")),
            }
        }
        printed.into()
    };
    Arc::new(Statements {
        load: say(
            "SELECT value, expires_at, version FROM bench WHERE session_key = ? AND expires_at > ?",
        ),
        create: say(&format!(
            "INSERT INTO bench (session_key, value, expires_at, subject, version, created_at) VALUES (?, ?, ?, ?, ?, ?) {takeover}"
        )),
        replace: say(
            "UPDATE bench SET value = ?, expires_at = ?, subject = ?, version = ? \
                      WHERE session_key = ? AND version = ? AND expires_at > ?",
        ),
        touch: say("UPDATE bench SET expires_at = ? WHERE session_key = ? AND expires_at > ?"),
        delete: say("DELETE FROM bench WHERE session_key = ? AND version = ? AND expires_at > ?"),
    })
}

const ON_CONFLICT: &str = "ON CONFLICT (session_key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, \
     subject = excluded.subject, version = excluded.version, created_at = excluded.created_at WHERE bench.expires_at <= ?";

const ON_DUPLICATE: &str = "ON DUPLICATE KEY UPDATE value = IF(expires_at <= ?, VALUES(value), value), \
     subject = IF(expires_at <= ?, VALUES(subject), subject), \
     created_at = IF(expires_at <= ?, VALUES(created_at), created_at), \
     version = IF(expires_at <= ?, VALUES(version), LAST_INSERT_ID(version)), \
     expires_at = IF(expires_at <= ?, VALUES(expires_at), expires_at)";

impl Direct<Postgres> {
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .connect(url)
            .await?;
        Ok(Self {
            pool,
            statements: statements(ON_CONFLICT, true),
            nows: 1,
        })
    }
}

impl Direct<MySql> {
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .connect(url)
            .await?;
        Ok(Self {
            pool,
            statements: statements(ON_DUPLICATE, false),
            nows: 5,
        })
    }
}

impl Direct<Sqlite> {
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(std::time::Duration::from_secs(30));
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self {
            pool,
            statements: statements(ON_CONFLICT, false),
            nows: 1,
        })
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

/// The same for each database: their types have nothing in common that a generic function could
/// name shortly.
macro_rules! direct {
    ($($database:ty),+) => {$(
        impl direct::Direct for Direct<$database> {
            type Version = i64;

            async fn load(&self, key: &str) -> Result<i64, Failure> {
                let row = sqlx::query::<$database>(AssertSqlSafe(Arc::clone(&self.statements.load)))
                    .bind(key.as_bytes())
                    .bind(now())
                    .fetch_one(&self.pool)
                    .await?;
                let (_value, _ends): (Vec<u8>, i64) = (row.try_get(0)?, row.try_get(1)?);
                Ok(row.try_get(2)?)
            }

            async fn create(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
                let now = now();
                let mut query = sqlx::query::<$database>(AssertSqlSafe(Arc::clone(&self.statements.create)))
                    .bind(key.as_bytes())
                    .bind(value)
                    .bind(ENDS.cast_signed())
                    .bind(None::<&[u8]>)
                    .bind(next().cast_signed())
                    .bind(now);
                for _ in 0..self.nows {
                    query = query.bind(now);
                }
                match query.execute(&self.pool).await?.rows_affected() {
                    1 => Ok(()),
                    _ => wrong("INSERT"),
                }
            }

            async fn replace(&self, key: &str, old: i64, value: &[u8]) -> Result<(), Failure> {
                let done = sqlx::query::<$database>(AssertSqlSafe(Arc::clone(&self.statements.replace)))
                    .bind(value)
                    .bind(ENDS.cast_signed())
                    .bind(None::<&[u8]>)
                    .bind(next().cast_signed())
                    .bind(key.as_bytes())
                    .bind(old)
                    .bind(now())
                    .execute(&self.pool)
                    .await?;
                match done.rows_affected() {
                    1 => Ok(()),
                    _ => wrong("UPDATE"),
                }
            }

            async fn touch(&self, key: &str) -> Result<(), Failure> {
                // Not to the same second each time: a database may see that nothing changes.
                let ends = (ENDS + next() % 1000).cast_signed();
                let done = sqlx::query::<$database>(AssertSqlSafe(Arc::clone(&self.statements.touch)))
                    .bind(ends)
                    .bind(key.as_bytes())
                    .bind(now())
                    .execute(&self.pool)
                    .await?;
                match done.rows_affected() {
                    1 => Ok(()),
                    _ => wrong("UPDATE"),
                }
            }

            async fn delete(&self, key: &str, old: i64) -> Result<(), Failure> {
                let done = sqlx::query::<$database>(AssertSqlSafe(Arc::clone(&self.statements.delete)))
                    .bind(key.as_bytes())
                    .bind(old)
                    .bind(now())
                    .execute(&self.pool)
                    .await?;
                match done.rows_affected() {
                    1 => Ok(()),
                    _ => wrong("DELETE"),
                }
            }
        }
    )+};
}

direct!(Postgres, MySql, Sqlite);
