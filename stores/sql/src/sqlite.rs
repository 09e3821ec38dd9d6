//! SQLite.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom_store::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Sqlite};

use crate::check::Check;
use crate::connections::Connections;
use crate::database::Done;
use crate::failure::{self, Codes};
use crate::file::File;
use crate::kept::Connecting;
use crate::name::Table;
use crate::statements::{Made, Statements, Sweeping, takeover};
use crate::url;

pub(crate) fn statements(table: &Table) -> Statements {
    let full = table.full('"');
    let sweep = format!(
        "DELETE FROM {full} WHERE rowid IN \
         (SELECT rowid FROM {full} WHERE expires_at <= ? LIMIT ?) AND expires_at <= ?"
    );
    let index = |column: &str, only: &str| {
        let name = table.in_schema('"', &format!("_{column}"));
        let table = table.named('"', "");
        Made {
            sql: format!("CREATE INDEX IF NOT EXISTS {name} ON {table} ({column}){only}").into(),
            name,
        }
    };
    let made = format!(
        "CREATE TABLE IF NOT EXISTS {full} (\n  session_key BLOB NOT NULL PRIMARY KEY,\n  \
         value BLOB NOT NULL,\n  expires_at INTEGER NOT NULL,\n  subject BLOB,\n  \
         version INTEGER NOT NULL,\n  created_at INTEGER NOT NULL\n)"
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
        made,
        indexes,
    )
}

/// An index is a row too: its name, and the type `index`.
fn columns(table: &Table) -> String {
    let schema = table.schema.as_ref();
    let schema = schema.map_or(String::new(), |schema| format!(", '{schema}'"));
    let name = &table.name;
    format!(
        "SELECT name, type FROM pragma_table_info('{name}'{schema}) \
         UNION ALL SELECT name, 'index' FROM pragma_index_list('{name}'{schema})"
    )
}

/// Returns the type that the column must have, unless it has it. SQLite converts values by a
/// column's affinity: a number becomes a text or a fraction, and bytes stay bytes.
pub(crate) fn wants(is_number: bool, found: &str) -> Option<&'static str> {
    let found = found.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| found.contains(part));
    let changes = !has(&["INT"]) && has(&["CHAR", "CLOB", "TEXT", "REAL", "FLOA", "DOUB"]);
    (is_number && changes).then_some("INTEGER")
}

pub(crate) fn connections(
    url: &str,
    size: u32,
    timeout: Duration,
) -> Result<Connections<Sqlite>, StoreError> {
    url::check(url, &url::SQLITE)?;
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| failure::of(error, &CODES))?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(timeout / 10 * 9);
    // A database in memory is one connection's, and ends with it.
    if url.contains(":memory:") || url.contains("mode=memory") {
        let connect = move || -> Connecting<Sqlite> {
            let options = options.clone();
            Box::pin(async move { options.connect().await })
        };
        return Ok(Connections::own(
            Box::new(connect),
            None,
            1,
            &CODES,
            Check::Never,
        ));
    }
    let place = place(&options);
    let file = File::at(options.get_filename());
    let check = Check::File(file.clone());
    // Once it is there, it is not to be replaced by an empty one.
    let is_there = Arc::new(AtomicBool::new(url.contains("mode=")));
    let connect = move || -> Connecting<Sqlite> {
        let (options, file, is_there) = (options.clone(), file.clone(), Arc::clone(&is_there));
        Box::pin(async move {
            let connection = match is_there.load(Ordering::Relaxed) {
                true => options.connect().await?,
                false => options.create_if_missing(true).connect().await?,
            };
            is_there.store(true, Ordering::Relaxed);
            file.opened();
            Ok(connection)
        })
    };
    Ok(Connections::own(
        Box::new(connect),
        place,
        size,
        &CODES,
        check,
    ))
}

/// Returns the file's path. None of a database in memory.
pub(crate) fn place(options: &SqliteConnectOptions) -> Option<String> {
    let file = options.get_filename();
    // Such a database has a name that sqlx made up, with `mode=memory` as an option.
    if !file.has_root() && file.to_str().is_none_or(|name| name.starts_with("file:")) {
        return None;
    }
    // The file may not be there yet, but its directory is.
    let absolute = std::path::absolute(file).ok()?;
    let directory = absolute.parent()?.canonicalize().ok()?;
    let path = directory.join(absolute.file_name()?);
    let path = path.canonicalize().unwrap_or(path);
    Some(path.to_string_lossy().into_owned())
}

pub(crate) const CODES: Codes = Codes {
    is_conflict,
    is_transient: |code, _| is_transient(code),
    is_harmless,
    is_full: |_, _| false,
    is_starting: |_, _| false,
    is_mixed_up: |_, _| false,
    in_this_process: true,
};

/// In front of the columns of a record.
pub(crate) const FIRST: usize = 0;

pub(crate) fn done(executed: &sqlx::sqlite::SqliteQueryResult) -> Done {
    let rows = executed.rows_affected();
    Done {
        rows,
        taken: rows == 0,
    }
}

/// Returns whether this failure means that nothing happened and that the statement may be tried
/// again at once.
fn is_conflict(code: &str) -> bool {
    // SQLITE_LOCKED and its kinds: another connection with the same cache.
    primary(code) == Some(6)
}

fn is_transient(code: &str) -> bool {
    // BUSY, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN (no descriptors left), PROTOCOL
    matches!(primary(code), Some(5 | 7 | 9 | 10 | 13 | 14 | 15))
}

/// SQLite's messages name tables and columns, never values.
fn is_harmless(_code: &str) -> bool {
    true
}

fn primary(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|extended| extended & 0xff)
}

pub(crate) type Database = Sqlite;
