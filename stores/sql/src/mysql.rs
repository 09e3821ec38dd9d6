//! What MySQL and MariaDB have of their own.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Executor as _, MySql};

use crate::check::Check;
use crate::connections::Connections;
use crate::database::Done;
use crate::failure::Codes;
use crate::health::Health;
use crate::name::{Table, unbracketed};
use crate::statements::{Statements, Sweeping};

/// How many affected rows say nothing: sqlx asks for the rows found, so that 1 is an insert as well as a row that was left as it
/// is. So a living row leaves its version, which is never 0, as the insert id, which otherwise is 0. Assignments are made from
/// left to right: `expires_at`, on which the others depend, is the last.
const TAKEOVER: &str = "ON DUPLICATE KEY UPDATE \
     value = IF(expires_at <= ?, VALUES(value), value), \
     subject = IF(expires_at <= ?, VALUES(subject), subject), \
     created_at = IF(expires_at <= ?, VALUES(created_at), created_at), \
     version = IF(expires_at <= ?, VALUES(version), LAST_INSERT_ID(version)), \
     expires_at = IF(expires_at <= ?, VALUES(expires_at), expires_at)";

pub(crate) fn statements(table: &Table) -> Statements {
    let full = table.full('`');
    // One statement would lock the gaps between the expired rows, into which others insert. Read first, without locks.
    let sweep = Sweeping::ByKey {
        find: format!(
            "SELECT session_key FROM {full} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
        )
        .into(),
        delete: format!("DELETE FROM {full} WHERE expires_at <= ? AND session_key IN ").into(),
    };
    // Of a subject the index holds the beginning, because it may be longer than an entry of an index can be.
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {full} (\n  session_key VARBINARY(250) NOT NULL PRIMARY KEY,\n  value LONGBLOB NOT NULL,\n  \
         expires_at BIGINT NOT NULL,\n  subject MEDIUMBLOB,\n  version BIGINT NOT NULL,\n  created_at BIGINT NOT NULL,\n  \
         KEY {expires_at} (expires_at),\n  KEY {subject} (subject(255))\n) ENGINE = InnoDB",
        expires_at = table.named('`', "_expires_at"),
        subject = table.named('`', "_subject"),
    );
    Statements::new(&full, TAKEOVER, sweep, columns(table), (create, []))
}

/// Without a unique key a create would never find a living row, and would say nothing.
fn columns(table: &Table) -> String {
    let schema = table.schema.as_ref();
    let schema = schema.map_or_else(|| "DATABASE()".to_owned(), |schema| format!("'{schema}'"));
    format!(
        "SELECT CAST(column_name AS CHAR), CAST(CONCAT(column_type, \
         IF(column_name = 'session_key' AND column_key NOT IN ('PRI', 'UNI'), ' without a key', '')) AS CHAR) \
         FROM information_schema.columns WHERE table_schema = {schema} AND table_name = '{}'",
        table.name
    )
}

/// What a column must be that has another type.
pub(crate) fn wants(is_number: bool, found: &str) -> Option<&'static str> {
    let found = found.to_ascii_lowercase();
    let is_bytes = found.contains("blob") || found.contains("binary");
    match is_number {
        true => (!found.starts_with("bigint") || found.contains("unsigned")).then_some("BIGINT"),
        false if found.contains("without a key") => Some("the primary key"),
        false => (!is_bytes).then_some("VARBINARY or a BLOB"),
    }
}

pub(crate) async fn connect(
    url: &str,
    size: u32,
    timeout: Duration,
    health: Health,
) -> sqlx::Result<Connections<MySql>> {
    let options = MySqlConnectOptions::from_str(url)?;
    // sqlx leaves the brackets of an IPv6 address on, and then looks for a host of that name.
    let host = unbracketed(options.get_host()).map(str::to_owned);
    let options = match host {
        Some(address) => options.host(&address),
        None => options,
    };
    // A server may be set to commit nothing by itself. Without the limit a statement whose client has given up would wait on for
    // a lock.
    let session = format!(
        "SET SESSION autocommit = 1, SESSION innodb_lock_wait_timeout = {}",
        timeout.as_secs().max(1)
    );
    // So that there is time for a new connection.
    let check = Check::Server(health.clone(), timeout / 4);
    let of_pool = check.clone();
    let pool = MySqlPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(timeout)
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let check = of_pool.clone();
            Box::pin(async move { check.is_passed(connection, meta.idle_for, meta.age).await })
        })
        .after_connect(move |connection, _| {
            health.made();
            let session = session.clone();
            Box::pin(async move { connection.execute(AssertSqlSafe(session)).await.map(drop) })
        })
        .connect_with(options)
        .await?;
    Ok(Connections::own(pool, &CODES, check, timeout))
}

pub(crate) const CODES: Codes = Codes {
    is_conflict,
    is_transient,
    is_harmless,
    in_this_process: false,
};

pub(crate) fn done(executed: &sqlx::mysql::MySqlQueryResult) -> Done {
    let rows = executed.rows_affected();
    Done {
        rows,
        taken: executed.last_insert_id() != 0,
    }
}

/// Whether this failure means that nothing happened and that the statement may be tried again at once.
fn is_conflict(number: &str) -> bool {
    // Deadlock, record changed since last read, statement must be prepared anew
    matches!(number, "1213" | "1020" | "1615")
}

fn is_transient(number: &str) -> bool {
    matches!(
        number,
        // Too many connections, shutting down, out of memory (3), lock wait, aborted, read-only (3), interrupted, too slow (2),
        // not yet part of the cluster, group replication gave up
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

/// Whether the message quotes no value.
fn is_harmless(number: &str) -> bool {
    is_transient(number)
        || is_conflict(number)
        || matches!(
            number,
            // No right (5), no database, no such database, column, table; packet too large, table full
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
