//! PostgreSQL.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom_store::StoreError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres, Row as _};

use crate::check::Check;
use crate::connections::{Connections, What};
use crate::database::{Done, Value};
use crate::deadline::Deadline;
use crate::failure::{self, Codes, Failure};
use crate::health::Health;
use crate::kept::Connect;
use crate::name::{Table, unbracketed};
use crate::proof;
use crate::statements::{Made, Statement, Statements, Sweeping};
use crate::url;

/// In front of the columns of a record stands the proof.
pub(crate) const FIRST: usize = 1;

pub(crate) fn statements(table: &Table) -> Statements {
    const RECORD: &str = "r.value, r.expires_at, r.version";
    let full = table.full('"');
    // One row at least, with the proof, whether or not there is a record.
    let select = |columns: &str, only: &str| {
        proof::statement(|proof| {
            format!(
                "SELECT {proof}, {columns} FROM (SELECT $1::bytea AS proof) AS p \
                 LEFT JOIN {full} AS r ON p.proof = {proof} AND {only}"
            )
        })
    };
    let change = |change: &dyn Fn(&str) -> String| {
        proof::statement(|proof| {
            let change = change(&format!("$1::bytea = {proof}"));
            format!("WITH done AS ({change} RETURNING 1) SELECT {proof}, COUNT(*) FROM done")
        })
    };
    let index = |column: &str, using: &str| {
        let index = table.named('"', &format!("_{column}"));
        format!("CREATE INDEX IF NOT EXISTS {index} ON {full} {using}")
    };
    let schema = table.schema_name('"');
    Statements {
        load: select(RECORD, "r.session_key = $2 AND r.expires_at > $3"),
        create: change(&|proven| {
            format!(
                "INSERT INTO {full} (session_key, value, expires_at, subject, version, created_at) \
                 SELECT $2, $3, $4, $5, $6, $7 WHERE {proven} \
                 ON CONFLICT (session_key) DO UPDATE SET value = excluded.value, \
                 expires_at = excluded.expires_at, subject = excluded.subject, \
                 version = excluded.version, created_at = excluded.created_at \
                 WHERE {full}.expires_at <= $8"
            )
        }),
        create_nows: 1,
        replace: change(&|proven| {
            format!(
                "UPDATE {full} SET value = $2, expires_at = $3, subject = $4, version = $5 \
                 WHERE session_key = $6 AND version = $7 AND expires_at > $8 AND {proven}"
            )
        }),
        touch: change(&|proven| {
            format!(
                "UPDATE {full} SET expires_at = $2 \
                 WHERE session_key = $3 AND expires_at > $4 AND {proven}"
            )
        }),
        delete: change(&|proven| {
            format!(
                "DELETE FROM {full} \
                 WHERE session_key = $2 AND version = $3 AND expires_at > $4 AND {proven}"
            )
        }),
        list: select(
            &format!("{RECORD}, r.session_key"),
            "r.subject = $2 AND r.expires_at > $3 LIMIT $4",
        ),
        // The inner query follows the index and ends with its limit.
        page: proof::statement(|proof| {
            format!(
                "SELECT {proof}, {RECORD}, r.session_key, r.subject \
                 FROM (SELECT $1::bytea AS proof) AS p LEFT JOIN (\
                 SELECT value, expires_at, version, session_key, subject FROM {full} \
                 WHERE session_key > $2 AND expires_at > $3 ORDER BY session_key LIMIT $4\
                 ) AS r ON p.proof = {proof}"
            )
        }),
        // The array makes the inner query run once. Without it the limit may be applied several
        // times. Rows locked by a writer are left to the next sweep.
        sweep: Sweeping::AtOnce(change(&|proven| {
            format!(
                "DELETE FROM {full} WHERE session_key = ANY(ARRAY(\
                 SELECT session_key FROM {full} WHERE expires_at <= $2 \
                 ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED)) \
                 AND expires_at <= $4 AND {proven}"
            )
        })),
        columns: columns(&full).into(),
        namespace: (!schema.is_empty())
            .then(|| format!("CREATE SCHEMA IF NOT EXISTS {schema}").into()),
        table: format!(
            "CREATE TABLE IF NOT EXISTS {full} (\n  session_key bytea NOT NULL PRIMARY KEY,\n  \
             value bytea NOT NULL,\n  expires_at bigint NOT NULL,\n  subject bytea,\n  \
             version bigint NOT NULL,\n  created_at bigint NOT NULL\n)"
        )
        .into(),
        indexes: [
            ("expires_at", "(expires_at)"),
            // A hash, because a subject may be longer than an entry of a tree can be.
            ("subject", "USING hash (subject) WHERE subject IS NOT NULL"),
        ]
        .map(|(column, using)| Made {
            name: table.in_schema('"', &format!("_{column}")),
            sql: index(column, using).into(),
        })
        .into(),
    }
}

/// The delete that announces the key of what it removes on this channel. In the same statement, so
/// what is announced was removed, and it costs no round trip.
pub(crate) fn announcing_delete(table: &Table, channel: &str) -> Statement {
    let full = table.full('"');
    proof::statement(|proof| {
        format!(
            "WITH done AS (DELETE FROM {full} \
             WHERE session_key = $2 AND version = $3 AND expires_at > $4 \
             AND $1::bytea = {proof} RETURNING session_key) SELECT {proof}, \
             COUNT(pg_notify('{channel}', convert_from(session_key, 'UTF8'))) FROM done"
        )
    })
}

/// Of a domain the type that it stands for. Of a table that is not there, nothing. An index is a
/// row too: its name, and the type `index`.
fn columns(full: &str) -> String {
    format!(
        "SELECT attname::text, format_type(CASE typtype WHEN 'd' THEN typbasetype \
         ELSE atttypid END, NULL) FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid \
         WHERE attrelid = to_regclass('{full}') AND attnum > 0 AND NOT attisdropped \
         UNION ALL SELECT relname::text, 'index' FROM pg_index JOIN pg_class \
         ON pg_class.oid = indexrelid WHERE indrelid = to_regclass('{full}')"
    )
}

/// Returns the type that the column must have, unless it has it.
pub(crate) fn wants(is_number: bool, found: &str) -> Option<&'static str> {
    let wanted = if is_number { "bigint" } else { "bytea" };
    (found != wanted).then_some(wanted)
}

pub(crate) fn connections(
    url: &str,
    size: u32,
    timeout: Duration,
    health: Health,
) -> Result<Connections<Postgres>, StoreError> {
    url::check(url, &url::POSTGRES)?;
    let options = PgConnectOptions::from_str(url).map_err(|error| failure::of(error, &CODES))?;
    // sqlx leaves the brackets of an IPv6 address on, and then looks for a host of that name.
    let host = unbracketed(options.get_host()).map(str::to_owned);
    let options = match host {
        Some(address) => options.host(&address),
        None => options,
    };
    // There are no fractions here, and PgBouncer refuses the setting.
    let options = options.extra_float_digits(None);
    let place = place(&options);
    // So that there is time for a new connection.
    let check = Check::Server(health.clone(), timeout / 4);
    let connect = connect(options.clone(), timeout / 10 * 9, health);
    let own = Connections::own(connect, Some(place), size, &CODES, check);
    Ok(own.with_options(options))
}

fn connect(options: PgConnectOptions, limit: Duration, health: Health) -> Connect<Postgres> {
    // Without it, an abandoned statement would go on waiting for a lock.
    let limit = ("statement_timeout", limit.as_millis().to_string());
    let limited = options.clone().options([limit]);
    let is_refused = Arc::new(AtomicBool::new(false));
    Box::new(move || {
        let (options, limited) = (options.clone(), limited.clone());
        let (health, is_refused) = (health.clone(), Arc::clone(&is_refused));
        Box::pin(async move {
            let connection = match is_refused.load(Ordering::Relaxed) {
                true => options.connect().await?,
                false => match limited.connect().await {
                    // A pooler that keeps no settings of a session refuses it, and then goes
                    // without.
                    Err(sqlx::Error::Database(error)) if is_refusal(&*error) => {
                        let connection = options.connect().await?;
                        is_refused.store(true, Ordering::Relaxed);
                        connection
                    }
                    other => other?,
                },
            };
            health.made();
            Ok(connection)
        })
    })
}

/// Returns whether a start-up parameter was refused, as by PgBouncer, pgcat and the poolers of
/// hosters.
pub(crate) fn is_refusal(error: &dyn sqlx::error::DatabaseError) -> bool {
    let is_about_startup =
        error.message().contains("parameter") || error.message().contains("option");
    matches!(error.code().as_deref(), Some("08P01" | "0A000")) && is_about_startup
}

/// The rows that a statement returns, of which it is sure that they are its own.
///
/// Prepared statements are fast, and sqlx names them from 1 on each connection. A pooler may give
/// each transaction another server connection. If it does not track the names, it executes another
/// client's statement of the same name. So each statement gets a proof as its first value, executes
/// only with its own, and returns it with each row. If another proof comes back, or the server
/// refuses the name, nothing was done. From then on statements are prepared without a name, inside
/// a transaction, which no pooler divides.
pub(crate) async fn rows(
    connections: &Connections<Postgres>,
    what: What,
    deadline: Deadline,
    statement: &Statement,
    values: &[Value<'_>],
) -> Result<Vec<PgRow>, Failure> {
    let is_mixed_up = connections.is_mixed_up();
    let query = bound(statement, values, is_mixed_up);
    let asked = connections
        .run(what, deadline, move |connection| {
            Box::pin(async move {
                match is_mixed_up {
                    false => fetch(connection, query, what).await,
                    true => within_transaction(connection, query, what).await,
                }
            })
        })
        .await;
    let error = match asked {
        Ok(rows) if rows.first().is_some_and(|row| proves(row, statement)) => return Ok(rows),
        Ok(_) => failure::mixed_up(),
        Err(Failure::MixedUp(error)) => error,
        Err(failure) => return Err(failure),
    };
    match is_mixed_up {
        true => Err(Failure::Final(failure::no_transactions())),
        false => {
            connections.mixed_up();
            Err(Failure::Conflict(error))
        }
    }
}

/// Runs a statement whose effect is its number of rows.
pub(crate) async fn execute(
    connections: &Connections<Postgres>,
    deadline: Deadline,
    statement: &Statement,
    values: &[Value<'_>],
) -> Result<Done, Failure> {
    let rows = rows(connections, What::Write, deadline, statement, values).await?;
    let count = rows.first().map(|row| row.try_get::<i64, _>(FIRST));
    let count = count
        .transpose()
        .map_err(|error| failure::of(error, &CODES))?;
    let rows = u64::try_from(count.unwrap_or(0)).unwrap_or(0);
    Ok(Done {
        rows,
        taken: rows == 0,
    })
}

type Bound = Query<'static, Postgres, PgArguments>;

fn bound(statement: &Statement, values: &[Value<'_>], is_mixed_up: bool) -> Bound {
    // Under another text, because a connection may have prepared this one by name.
    let sql: Arc<str> = match is_mixed_up {
        true => format!("{} ", statement.sql).into(),
        false => Arc::clone(&statement.sql),
    };
    let query = sqlx::query::<Postgres>(AssertSqlSafe(sql)).persistent(!is_mixed_up);
    let query = query.bind(&*statement.proof);
    values.iter().fold(query, |query, value| match *value {
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Subject(subject) => query.bind(subject.map(str::as_bytes)),
        Value::Number(number) => query.bind(number),
    })
}

async fn fetch(
    connection: &mut PgConnection,
    query: Bound,
    what: What,
) -> sqlx::Result<Vec<PgRow>> {
    match what {
        // A write may still fail after its row.
        What::Write | What::List => query.fetch_all(connection).await,
        // Nothing more is waited for.
        What::Read => Ok(query
            .fetch_optional(connection)
            .await?
            .into_iter()
            .collect()),
    }
}

async fn within_transaction(
    connection: &mut PgConnection,
    query: Bound,
    what: What,
) -> sqlx::Result<Vec<PgRow>> {
    let mut transaction = connection.begin().await?;
    match fetch(&mut transaction, query, what).await {
        Ok(rows) => transaction.commit().await.map(|()| rows),
        Err(error) => {
            // At once, because until then the pooler has a connection for this transaction alone.
            transaction.rollback().await?;
            Err(error)
        }
    }
}

fn proves(row: &PgRow, statement: &Statement) -> bool {
    row.try_get::<&[u8], _>(0)
        .is_ok_and(|proof| *proof == *statement.proof)
}

/// Returns the server and the database, without user and password.
pub(crate) fn place(options: &PgConnectOptions) -> String {
    let database = options
        .get_database()
        .unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("postgres:{}/{database}", socket.display()),
        None => format!(
            "postgres:{}:{}/{database}",
            options.get_host(),
            options.get_port()
        ),
    }
}

pub(crate) const CODES: Codes = Codes {
    is_conflict,
    is_transient,
    is_harmless,
    // too_many_connections
    is_full: |code, message| code == "53300" || message.contains("no more connections"),
    // cannot_connect_now
    is_starting: |code, _| code == "57P03",
    is_mixed_up,
    in_this_process: false,
};

/// Returns whether this failure means that nothing happened and that the statement may be tried
/// again at once.
fn is_conflict(code: &str) -> bool {
    // serialization_failure, deadlock_detected; 0A000: the table was altered under a prepared
    // statement; the last three: another process creates the same table at the same time
    matches!(
        code,
        "40001" | "40P01" | "0A000" | "23505" | "42P07" | "42710"
    )
}

/// Returns whether a statement by this name is not there, is there already, or takes other values.
/// Nothing happened then.
fn is_mixed_up(code: &str, message: &str) -> bool {
    // invalid_sql_statement_name, duplicate_prepared_statement, invalid_binary_representation,
    // character_not_in_repertoire (the proof is no text)
    matches!(code, "26000" | "42P05" | "22P03" | "22021")
        // protocol_violation, of which there are many
        || (code == "08P01" && (message.contains("bind message") || message.contains("in message")))
}

fn is_transient(code: &str, message: &str) -> bool {
    if code == "08P01" {
        // PgBouncer has this code for everything.
        const FOR_EVER: [&str; 6] = [
            "no such",
            "unsupported startup parameter",
            "not allowed in",
            "authentication failed",
            "auth failed",
            "server login failed",
        ];
        return !FOR_EVER.iter().any(|part| message.contains(part));
    }
    // Connection, resources, lock_not_available, read-only after a failover, operator intervention,
    // system, internal
    matches!(code.get(..2), Some("08" | "40" | "53" | "57" | "58" | "XX"))
        || matches!(code, "55P03" | "25006")
}

/// Returns whether the message quotes no value. Those about data and constraints do.
fn is_harmless(code: &str) -> bool {
    !matches!(code.get(..2), Some("22" | "23") | None)
}
