//! The statements, on the table that SQLAlchemy makes for Flask-Session, or on another library's.
//!
//! Times are exchanged as seconds since 1970. So neither this process's nor the session's time zone
//! matters: SQLAlchemy's column holds UTC without a zone. A row without an expiry counts as
//! expired, as in Flask-Session 0.8.

use std::sync::Arc;

use super::columns::Columns;
use super::database::Kind;
#[cfg(feature = "postgres")]
use super::postgres::proven;

/// A statement with values.
#[derive(Clone)]
pub(super) struct Statement {
    pub(super) sql: Arc<str>,
    /// In PostgreSQL: the proof that one statement and its answer share.
    #[cfg(feature = "postgres")]
    pub(super) proof: Arc<[u8]>,
}

impl<T: Into<Arc<str>>> From<T> for Statement {
    fn from(sql: T) -> Self {
        Self {
            sql: sql.into(),
            #[cfg(feature = "postgres")]
            proof: Arc::default(),
        }
    }
}

pub(super) struct Statements {
    pub(super) load: Statement,
    /// MySQL: takes an expired row over, before the insert.
    pub(super) revive: Option<Statement>,
    pub(super) create: Statement,
    pub(super) replace: Statement,
    pub(super) touch: Statement,
    pub(super) delete: Statement,
    pub(super) sweep: Statement,
    pub(super) table: Arc<str>,
    /// Succeeds if the table is there.
    pub(super) probe: Arc<str>,
}

/// How a database writes what the statements need.
pub(super) struct Dialect {
    /// The column of the ids, and the one that tells rows apart.
    pub(super) id: &'static str,
    pub(super) row: &'static str,
    /// The column of the moment at which a session ends.
    pub(super) expiry: &'static str,
    /// The column of the session's value.
    pub(super) data: &'static str,
    /// The bytes of that column, and the value of a placeholder with bytes.
    pub(super) bytes: &'static str,
    pub(super) value: &'static str,
    /// Equals the key. It may be asked for twice.
    pub(super) key: &'static str,
    /// The moment of a placeholder with seconds.
    pub(super) at: &'static str,
    /// The end, comparable with the present moment: `@` is the column.
    pub(super) end: &'static str,
    /// The present moment of a placeholder, comparable with `end`.
    pub(super) now: &'static str,
    /// The seconds of the column.
    pub(super) seconds: &'static str,
    pub(super) columns: &'static str,
}

impl Statements {
    pub(super) fn new(kind: &Kind, table: &str, schema: Option<&str>, columns: Columns) -> Self {
        let dialect = match columns {
            Columns::FlaskSession => flask(kind),
            Columns::TowerSessions => super::columns::tower_sessions(kind),
            Columns::AxumSession => super::columns::axum_session(kind),
        };
        let Dialect {
            id,
            row,
            expiry,
            data,
            bytes,
            value,
            key,
            at,
            now,
            seconds,
            columns: made,
            ..
        } = dialect;
        let end = dialect.end.replace('@', expiry);
        // Beside `excluded` the row that is there needs its table's name.
        let old_end = dialect.end.replace('@', &format!("{table}.{expiry}"));
        let upsert = format!(
            "INSERT INTO {table} ({id}, {data}, {expiry}) VALUES (?, {value}, {at}) ON CONFLICT ({id}) DO UPDATE \
             SET {data} = excluded.{data}, {expiry} = excluded.{expiry} WHERE {old_end} IS NULL OR {old_end} <= {now}"
        );
        let insert =
            format!("INSERT INTO {table} ({id}, {data}, {expiry}) VALUES (?, {value}, {at})");
        let schema = match (columns, schema) {
            // Its owner makes the schema, too.
            (Columns::TowerSessions, Some(schema)) => {
                format!("CREATE SCHEMA IF NOT EXISTS {schema}; ")
            }
            _ => String::new(),
        };
        let mut this = Self {
            load: format!("SELECT {bytes}, {seconds} FROM {table} WHERE {key} AND {end} > {now}").into(),
            revive: None,
            create: upsert.into(),
            replace: format!(
                "UPDATE {table} SET {data} = {value}, {expiry} = {at} WHERE {key} AND {bytes} = ? AND {end} > {now}"
            )
            .into(),
            touch: format!("UPDATE {table} SET {expiry} = {at} WHERE {key} AND {end} > {now}").into(),
            delete: format!("DELETE FROM {table} WHERE {key} AND {bytes} = ? AND {end} > {now}").into(),
            sweep: format!(
                "DELETE FROM {table} WHERE {row} IN (SELECT {row} FROM {table} WHERE {end} <= {now} LIMIT ?) AND {end} <= {now}"
            )
            .into(),
            probe: format!("SELECT {row}, {id}, {data}, {expiry} FROM {table} WHERE 1 = 0").into(),
            table: format!("{schema}CREATE TABLE IF NOT EXISTS {table} ({made})").into(),
        };
        if kind.is_mysql() {
            let revive = format!(
                "UPDATE {table} SET {data} = {value}, {expiry} = {at} WHERE {key} AND ({end} IS NULL OR {end} <= {now})"
            );
            this.revive = Some(revive.into());
            this.create = insert.into();
            this.sweep = format!("DELETE FROM {table} WHERE {end} <= {now} LIMIT ?").into();
        }
        #[cfg(feature = "postgres")]
        if kind.is_postgres() {
            this.prove();
        }
        this
    }
}

#[cfg(feature = "postgres")]
impl Statements {
    /// Has each statement act only with its proof, and return it.
    fn prove(&mut self) {
        let load = numbered(&self.load.sql);
        self.load = proven(|proof| {
            format!(
                "SELECT {proof}, r.* FROM (SELECT 1) AS one \
                 LEFT JOIN ({load} AND $1::bytea = {proof}) AS r ON TRUE"
            )
        });
        // With values that are selected, so that it may be on a condition.
        let create = numbered(&self.create.sql).replacen("VALUES (", "SELECT ", 1);
        let create = create.split_once(") ON CONFLICT");
        let (insert, conflict) = create.unwrap_or_default();
        self.create = done(|is_proven| format!("{insert} WHERE {is_proven} ON CONFLICT{conflict}"));
        for statement in [
            &mut self.replace,
            &mut self.touch,
            &mut self.delete,
            &mut self.sweep,
        ] {
            let sql = numbered(&statement.sql);
            *statement = done(|is_proven| format!("{sql} AND {is_proven}"));
        }
    }
}

/// Returns a statement that returns how many rows it changed.
#[cfg(feature = "postgres")]
fn done(change: impl Fn(&str) -> String) -> Statement {
    proven(|proof| {
        let change = change(&format!("$1::bytea = {proof}"));
        format!("WITH done AS ({change} RETURNING 1) SELECT {proof}, COUNT(*) FROM done")
    })
}

/// SQLAlchemy's table for Flask-Session.
fn flask(kind: &Kind) -> Dialect {
    match kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite(_) => Dialect {
            id: "session_id",
            row: "id",
            expiry: "expiry",
            data: "data",
            bytes: "data",
            value: "?",
            key: "session_id = ?",
            end: "@",
            now: "strftime('%Y-%m-%d %H:%M:%S.000000', ?, 'unixepoch')",
            // Exactly the text that SQLAlchemy stores, so that texts compare as times do.
            at: "strftime('%Y-%m-%d %H:%M:%S.000000', ?, 'unixepoch')",
            seconds: "CAST(strftime('%s', expiry) AS INTEGER)",
            columns: "id INTEGER NOT NULL, session_id VARCHAR(255), data BLOB, expiry DATETIME, PRIMARY KEY (id), \
                      UNIQUE (session_id)",
        },
        #[cfg(feature = "postgres")]
        Kind::Postgres(_) => Dialect {
            id: "session_id",
            row: "id",
            expiry: "expiry",
            data: "data",
            bytes: "data",
            value: "?",
            key: "session_id = ?",
            end: "@",
            now: "(to_timestamp(?::bigint) AT TIME ZONE 'UTC')",
            at: "(to_timestamp(?::bigint) AT TIME ZONE 'UTC')",
            seconds: "floor(extract(epoch FROM expiry))::bigint",
            columns: "id SERIAL NOT NULL, session_id VARCHAR(255), data BYTEA, expiry TIMESTAMP WITHOUT TIME ZONE, \
                      PRIMARY KEY (id), UNIQUE (session_id)",
        },
        #[cfg(feature = "mysql")]
        Kind::MySql(_) => Dialect {
            id: "session_id",
            row: "id",
            expiry: "expiry",
            data: "data",
            bytes: "data",
            value: "?",
            end: "@",
            now: "(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ? SECOND)",
            // Found by the index, which may take different letters for the same, then compared byte
            // by byte.
            key: "session_id = ? AND CAST(session_id AS BINARY) = ?",
            at: "(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ? SECOND)",
            seconds: "TIMESTAMPDIFF(SECOND, TIMESTAMP'1970-01-01 00:00:00', expiry)",
            columns: "id INTEGER NOT NULL AUTO_INCREMENT, session_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin, \
                      data BLOB, expiry DATETIME, PRIMARY KEY (id), UNIQUE (session_id)",
        },
    }
}

/// PostgreSQL counts its values: `$2`, `$3`. The first is the proof.
#[cfg(feature = "postgres")]
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        numbered.push_str(&format!("${}{part}", index + 2));
    }
    numbered
}
