//! MySQL and MariaDB.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::StoreError;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySql};

use crate::check::Check;
use crate::connections::Connections;
use crate::database::Done;
use crate::failure::{self, Codes};
use crate::health::Health;
use crate::kept::Connecting;
use crate::name::{Table, unbracketed};
use crate::statements::{Statements, Sweeping};
use crate::url;

/// The number of affected rows is no help: sqlx has the server count found rows, so 1 means an
/// insert or an unchanged row. So the statement sets the insert id to a living row's version, which
/// is never 0. Otherwise the insert id is 0. Assignments run from left to right, and the others
/// depend on `expires_at`, so it comes last.
const TAKEOVER: &str = "ON DUPLICATE KEY UPDATE \
     value = IF(expires_at <= ?, VALUES(value), value), \
     subject = IF(expires_at <= ?, VALUES(subject), subject), \
     created_at = IF(expires_at <= ?, VALUES(created_at), created_at), \
     version = IF(expires_at <= ?, VALUES(version), LAST_INSERT_ID(version)), \
     expires_at = IF(expires_at <= ?, VALUES(expires_at), expires_at)";

pub(crate) fn statements(table: &Table) -> Statements {
    let full = table.full('`');
    // One statement would lock the gaps between the expired rows, into which others insert. Read
    // first, without locks.
    let sweep = Sweeping::ByKey {
        find: format!(
            "SELECT session_key FROM {full} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
        )
        .into(),
        delete: format!("DELETE FROM {full} WHERE expires_at <= ? AND session_key IN ").into(),
    };
    // Of a subject the index holds the beginning, because it may be longer than an entry of an
    // index can be.
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {full} (\n  \
         session_key VARBINARY(250) NOT NULL PRIMARY KEY,\n  value LONGBLOB NOT NULL,\n  \
         expires_at BIGINT NOT NULL,\n  subject MEDIUMBLOB,\n  version BIGINT NOT NULL,\n  \
         created_at BIGINT NOT NULL,\n  \
         KEY {expires_at} (expires_at),\n  KEY {subject} (subject(255))\n) ENGINE = InnoDB",
        expires_at = table.named('`', "_expires_at"),
        subject = table.named('`', "_subject"),
    );
    Statements::new(&full, TAKEOVER, sweep, columns(table), create, [])
}

/// Without a unique key a create would never find a living row, and would say nothing.
fn columns(table: &Table) -> String {
    let schema = table.schema.as_ref();
    let schema = schema.map_or_else(|| "DATABASE()".to_owned(), |schema| format!("'{schema}'"));
    format!(
        "SELECT CAST(column_name AS CHAR), CAST(CONCAT(column_type, \
         IF(column_name = 'session_key' AND column_key NOT IN ('PRI', 'UNI'), \
         ' without a key', '')) AS CHAR) \
         FROM information_schema.columns WHERE table_schema = {schema} AND table_name = '{}'",
        table.name
    )
}

/// Returns the type that the column must have, unless it has it.
pub(crate) fn wants(is_number: bool, found: &str) -> Option<&'static str> {
    let found = found.to_ascii_lowercase();
    let is_bytes = found.contains("blob") || found.contains("binary");
    match is_number {
        true => (!found.starts_with("bigint") || found.contains("unsigned")).then_some("BIGINT"),
        false if found.contains("without a key") => Some("the primary key"),
        false => (!is_bytes).then_some("VARBINARY or a BLOB"),
    }
}

pub(crate) fn connections(
    url: &str,
    size: u32,
    timeout: Duration,
    health: Health,
) -> Result<Connections<MySql>, StoreError> {
    url::check(url, &url::MYSQL)?;
    let options = MySqlConnectOptions::from_str(url).map_err(|error| failure::of(error, &CODES))?;
    // sqlx leaves the brackets of an IPv6 address on, and then looks for a host of that name.
    let host = unbracketed(options.get_host()).map(str::to_owned);
    let options = match host {
        Some(address) => options.host(&address),
        None => options,
    };
    // A server's autocommit may be off. Without the limit, an abandoned statement would go on
    // waiting for a lock.
    let session: Arc<str> = format!(
        "SET SESSION autocommit = 1, SESSION innodb_lock_wait_timeout = {}",
        (timeout / 10 * 9).as_secs().max(1)
    )
    .into();
    let place = place(&options);
    // So that there is time for a new connection.
    let check = Check::Server(health.clone(), timeout / 4);
    let connect = move || {
        let (options, session, health) = (options.clone(), Arc::clone(&session), health.clone());
        let connecting: Connecting<MySql> = Box::pin(async move {
            let mut connection = options.connect().await?;
            connection.execute(AssertSqlSafe(session)).await?;
            health.made();
            Ok(connection)
        });
        connecting
    };
    Ok(Connections::own(
        Box::new(connect),
        Some(place),
        size,
        &CODES,
        check,
    ))
}

/// Returns the server and the database, without user and password.
pub(crate) fn place(options: &MySqlConnectOptions) -> String {
    let database = options
        .get_database()
        .unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("mysql:{}/{database}", socket.display()),
        None => format!(
            "mysql:{}:{}/{database}",
            options.get_host(),
            options.get_port()
        ),
    }
}

pub(crate) const CODES: Codes = Codes {
    is_conflict,
    is_transient: |number, _| is_transient(number),
    is_harmless,
    // Too many connections: of all, of the user (2)
    is_full: |number, _| matches!(number, "1040" | "1203" | "1226"),
    is_starting: |_, _| false,
    is_mixed_up: |_, _| false,
    in_this_process: false,
};

/// In front of the columns of a record.
pub(crate) const FIRST: usize = 0;

pub(crate) fn done(executed: &sqlx::mysql::MySqlQueryResult) -> Done {
    let rows = executed.rows_affected();
    Done {
        rows,
        taken: executed.last_insert_id() != 0,
    }
}

/// Returns whether this failure means that nothing happened and that the statement may be tried
/// again at once.
fn is_conflict(number: &str) -> bool {
    // Deadlock, record changed since last read, statement must be prepared again
    matches!(number, "1213" | "1020" | "1615")
}

fn is_transient(number: &str) -> bool {
    matches!(
        number,
        // Too many connections, shutting down, out of memory (3), lock wait, aborted, read-only
        // (3), interrupted, too slow (2), not yet part of the cluster, group replication gave up
        "1040"
            | "1053"
            | "1037"
            | "1038"
            | "1041"
            | "1205"
            | "1152"
            | "1203"
            | "1226"
            | "1290"
            | "1792"
            | "1836"
            | "1317"
            | "1969"
            | "3024"
            | "1047"
            | "3101"
    )
}

/// Returns whether the message quotes no value.
fn is_harmless(number: &str) -> bool {
    is_transient(number)
        || is_conflict(number)
        || matches!(
            number,
            // No right (5), no database, no such database, column, table; packet too large, table
            // full
            "1044"
                | "1046"
                | "1045"
                | "1142"
                | "1143"
                | "1227"
                | "1049"
                | "1054"
                | "1146"
                | "1153"
                | "1114"
        )
}

pub(crate) type Database = MySql;
