//! What is PostgreSQL's own.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::check::Check;
use crate::connections::Connections;
use crate::database::Done;
use crate::failure::Codes;
use crate::health::Health;
use crate::name::{Table, unbracketed};
use crate::statements::{Statements, Sweeping, takeover};

pub(crate) fn statements(table: &Table) -> Statements {
    let full = table.full('"');
    // The array makes the inner query run once; without it the limit may be applied several times. A row that somebody is
    // writing is left to the next sweep.
    let sweep = format!(
        "DELETE FROM {full} WHERE session_key = ANY(ARRAY(SELECT session_key FROM {full} WHERE expires_at <= ? \
         ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED)) AND expires_at <= ?"
    );
    let index = |column: &str, using: &str| {
        let index = table.named('"', &format!("_{column}"));
        format!("CREATE INDEX IF NOT EXISTS {index} ON {full} {using}")
    };
    let made = format!(
        "CREATE TABLE IF NOT EXISTS {full} (\n  session_key bytea NOT NULL PRIMARY KEY,\n  value bytea NOT NULL,\n  \
         expires_at bigint NOT NULL,\n  subject bytea,\n  version bigint NOT NULL,\n  created_at bigint NOT NULL\n)"
    );
    let indexes = [
        index("expires_at", "(expires_at)"),
        // A hash, because a subject may be longer than an entry of a tree can be.
        index("subject", "USING hash (subject) WHERE subject IS NOT NULL"),
    ];
    let schema = table.schema_name('"');
    let namespace =
        (!schema.is_empty()).then(|| format!("CREATE SCHEMA IF NOT EXISTS {schema}").into());
    numbered(Statements {
        namespace,
        ..Statements::new(
            &full,
            &takeover(&full),
            Sweeping::AtOnce(sweep.into()),
            columns(&full),
            (made, indexes),
        )
    })
}

/// Of a domain the type that it stands for.
fn columns(full: &str) -> String {
    format!(
        "SELECT attname::text, format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END, NULL) \
         FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid WHERE attrelid = '{full}'::regclass AND attnum > 0"
    )
}

/// What a column must be that has another type.
pub(crate) fn wants(is_number: bool, found: &str) -> Option<&'static str> {
    let wanted = if is_number { "bigint" } else { "bytea" };
    (found != wanted).then_some(wanted)
}

pub(crate) async fn connect(
    url: &str,
    size: u32,
    timeout: Duration,
    health: Health,
) -> sqlx::Result<Connections<Postgres>> {
    // Without it a statement whose client has given up would wait on for a lock.
    let limit = ("statement_timeout", timeout.as_millis().to_string());
    let options = PgConnectOptions::from_str(url)?.options([limit]);
    // sqlx leaves the brackets of an IPv6 address on, and then looks for a host of that name.
    let host = unbracketed(options.get_host()).map(str::to_owned);
    let options = match host {
        Some(address) => options.host(&address),
        None => options,
    };
    // So that there is time for a new connection.
    let check = Check::Server(health.clone(), timeout / 4);
    let of_pool = check.clone();
    let pool = PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(timeout)
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let check = of_pool.clone();
            Box::pin(async move { check.is_passed(connection, meta.idle_for, meta.age).await })
        })
        .after_connect(move |_, _| {
            health.made();
            Box::pin(std::future::ready(Ok(())))
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

pub(crate) fn done(executed: &sqlx::postgres::PgQueryResult) -> Done {
    let rows = executed.rows_affected();
    Done {
        rows,
        taken: rows == 0,
    }
}

/// Whether this failure means that nothing happened and that the statement may be tried again at once.
fn is_conflict(code: &str) -> bool {
    // serialization_failure, deadlock_detected; 0A000 and 26000: the table was altered under a prepared statement
    // the last three: somebody else makes the same table at the same time
    matches!(
        code,
        "40001" | "40P01" | "0A000" | "26000" | "23505" | "42P07" | "42710"
    )
}

fn is_transient(code: &str) -> bool {
    // Connection, resources, lock_not_available, read-only after a failover, operator intervention, system, internal
    matches!(code.get(..2), Some("08" | "40" | "53" | "57" | "58" | "XX"))
        || matches!(code, "55P03" | "25006")
}

/// Whether the message quotes no value. Those about data and constraints do.
fn is_harmless(code: &str) -> bool {
    !matches!(code.get(..2), Some("22" | "23") | None)
}

/// PostgreSQL counts its values: `$1`, `$2`.
fn numbered(statements: Statements) -> Statements {
    let number = |sql: Arc<str>| -> Arc<str> {
        let mut parts = sql.split('?');
        let mut numbered = parts.next().unwrap_or_default().to_owned();
        for (index, part) in parts.enumerate() {
            numbered.push_str(&format!("${}{part}", index + 1));
        }
        numbered.into()
    };
    Statements {
        load: number(statements.load),
        create: number(statements.create),
        replace: number(statements.replace),
        touch: number(statements.touch),
        delete: number(statements.delete),
        list: number(statements.list),
        sweep: match statements.sweep {
            Sweeping::AtOnce(sql) => Sweeping::AtOnce(number(sql)),
            #[cfg(feature = "mysql")]
            by_key @ Sweeping::ByKey { .. } => by_key,
        },
        ..statements
    }
}

pub(crate) type Database = Postgres;
