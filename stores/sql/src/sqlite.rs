//! What is SQLite's own.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::check::Check;
use crate::connections::Connections;
use crate::database::Done;
use crate::failure::Codes;
use crate::file::File;
use crate::name::Table;
use crate::statements::{Statements, Sweeping, takeover};

pub(crate) fn statements(table: &Table) -> Statements {
    let full = table.full('"');
    let sweep = format!(
        "DELETE FROM {full} WHERE rowid IN (SELECT rowid FROM {full} WHERE expires_at <= ? LIMIT ?) AND expires_at <= ?"
    );
    let index = |column: &str, only: &str| {
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {} ({column}){only}",
            table.in_schema('"', &format!("_{column}")),
            table.named('"', ""),
        )
    };
    let made = format!(
        "CREATE TABLE IF NOT EXISTS {full} (\n  session_key BLOB NOT NULL PRIMARY KEY,\n  value BLOB NOT NULL,\n  \
         expires_at INTEGER NOT NULL,\n  subject BLOB,\n  version INTEGER NOT NULL,\n  created_at INTEGER NOT NULL\n)"
    );
    let indexes = [
        index("expires_at", ""),
        index("subject", " WHERE subject IS NOT NULL"),
    ];
    Statements::new(
        &full,
        &takeover(&full),
        Sweeping::AtOnce(sweep.into()),
        columns(table),
        (made, indexes),
    )
}

fn columns(table: &Table) -> String {
    let schema = table.schema.as_ref();
    let schema = schema.map_or(String::new(), |schema| format!(", '{schema}'"));
    format!(
        "SELECT name, type FROM pragma_table_info('{}'{schema})",
        table.name
    )
}

/// What a column must be that has another type. SQLite's types are what values are changed into (their affinity): a number becomes a
/// text or a fraction, bytes stay what they are.
pub(crate) fn wants(is_number: bool, found: &str) -> Option<&'static str> {
    let found = found.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| found.contains(part));
    let changes = !has(&["INT"]) && has(&["CHAR", "CLOB", "TEXT", "REAL", "FLOA", "DOUB"]);
    (is_number && changes).then_some("INTEGER")
}

pub(crate) async fn connect(
    url: &str,
    size: u32,
    timeout: Duration,
) -> sqlx::Result<Connections<Sqlite>> {
    let options = SqliteConnectOptions::from_str(url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(timeout);
    let pool = SqlitePoolOptions::new()
        .test_before_acquire(false)
        .acquire_timeout(timeout);
    // A database in memory is one connection's, and ends with it.
    if url.contains(":memory:") || url.contains("mode=memory") {
        let pool = pool
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        return Ok(Connections::own(pool, &CODES, Check::None, timeout));
    }
    let file = File::at(options.get_filename());
    let check = Check::File(file.clone());
    let of_pool = file.clone();
    let pool = pool
        .max_connections(size)
        .before_acquire(move |_, meta| {
            Box::pin(std::future::ready(Ok(of_pool.is_that_of(meta.age))))
        })
        .after_connect(move |_, _| {
            file.opened();
            Box::pin(std::future::ready(Ok(())))
        });
    if url.contains("mode=") {
        let pool = pool.connect_with(options).await?;
        return Ok(Connections::own(pool, &CODES, check, timeout));
    }
    let pool = pool
        .connect_with(options.clone().create_if_missing(true))
        .await?;
    // Once it is there, it is not to be replaced by an empty one.
    pool.set_connect_options(options);
    Ok(Connections::own(pool, &CODES, check, timeout))
}

pub(crate) const CODES: Codes = Codes {
    is_conflict,
    is_transient,
    is_harmless,
    in_this_process: true,
};

pub(crate) fn done(executed: &sqlx::sqlite::SqliteQueryResult) -> Done {
    let rows = executed.rows_affected();
    Done {
        rows,
        taken: rows == 0,
    }
}

/// Whether this failure means that nothing happened and that the statement may be tried again at once.
fn is_conflict(code: &str) -> bool {
    // SQLITE_LOCKED and its kinds: another connection with the same cache.
    primary(code) == Some(6)
}

fn is_transient(code: &str) -> bool {
    // BUSY, NOMEM, INTERRUPT, IOERR, CANTOPEN (no descriptors left), PROTOCOL
    matches!(primary(code), Some(5 | 7 | 9 | 10 | 14 | 15))
}

/// SQLite's messages name tables and columns, never values.
fn is_harmless(_code: &str) -> bool {
    true
}

fn primary(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|extended| extended & 0xff)
}

pub(crate) type Database = Sqlite;
