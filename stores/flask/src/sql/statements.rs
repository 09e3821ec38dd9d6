//! The statements, on the table that SQLAlchemy makes for Flask-Session.
//!
//! Times enter and leave as seconds since 1970, so that neither this process's nor the session's time zone has a say: the
//! column holds UTC without saying so. A row without an expiry counts as expired, as it does in Flask-Session 0.8.

use std::sync::Arc;

use super::database::Kind;

pub(super) struct Statements {
    pub(super) load: Arc<str>,
    /// MySQL: takes an expired row over, before the insert.
    pub(super) revive: Option<Arc<str>>,
    pub(super) create: Arc<str>,
    pub(super) replace: Arc<str>,
    pub(super) touch: Arc<str>,
    pub(super) delete: Arc<str>,
    pub(super) sweep: Arc<str>,
    pub(super) table: Arc<str>,
    /// Succeeds if the table is there.
    pub(super) probe: Arc<str>,
}

/// How a database writes what the statements need.
struct Dialect {
    /// Equals the key. It may be asked for twice.
    key: &'static str,
    /// The moment of a placeholder with seconds.
    at: &'static str,
    /// The seconds of the column.
    seconds: &'static str,
    /// Up to so many rows, by a subquery.
    columns: &'static str,
}

impl Statements {
    pub(super) fn new(kind: &Kind, table: &str) -> Self {
        let dialect = dialect(kind);
        let Dialect {
            key,
            at,
            seconds,
            columns,
        } = dialect;
        let upsert = format!(
            "INSERT INTO {table} (session_id, data, expiry) VALUES (?, ?, {at}) ON CONFLICT (session_id) DO UPDATE \
             SET data = excluded.data, expiry = excluded.expiry WHERE {table}.expiry IS NULL OR {table}.expiry <= {at}"
        );
        let insert = format!("INSERT INTO {table} (session_id, data, expiry) VALUES (?, ?, {at})");
        let mut this = Self {
            load: format!("SELECT data, {seconds} FROM {table} WHERE {key} AND expiry > {at}").into(),
            revive: None,
            create: upsert.into(),
            replace: format!(
                "UPDATE {table} SET data = ?, expiry = {at} WHERE {key} AND data = ? AND expiry > {at}"
            )
            .into(),
            touch: format!("UPDATE {table} SET expiry = {at} WHERE {key} AND expiry > {at}").into(),
            delete: format!("DELETE FROM {table} WHERE {key} AND data = ? AND expiry > {at}").into(),
            sweep: format!(
                "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE expiry <= {at} LIMIT ?) AND expiry <= {at}"
            )
            .into(),
            probe: format!("SELECT id, session_id, data, expiry FROM {table} WHERE 1 = 0").into(),
            table: format!("CREATE TABLE IF NOT EXISTS {table} ({columns})").into(),
        };
        if kind.is_mysql() {
            let revive = format!(
                "UPDATE {table} SET data = ?, expiry = {at} WHERE {key} AND (expiry IS NULL OR expiry <= {at})"
            );
            this.revive = Some(revive.into());
            this.create = insert.into();
            this.sweep = format!("DELETE FROM {table} WHERE expiry <= {at} LIMIT ?").into();
        }
        if kind.is_postgres() {
            for statement in [
                &mut this.load,
                &mut this.create,
                &mut this.replace,
                &mut this.touch,
                &mut this.delete,
                &mut this.sweep,
            ] {
                *statement = numbered(statement);
            }
        }
        this
    }
}

fn dialect(kind: &Kind) -> Dialect {
    match kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite(_) => Dialect {
            key: "session_id = ?",
            // Exactly the text that SQLAlchemy stores, so that texts compare as times do.
            at: "strftime('%Y-%m-%d %H:%M:%S.000000', ?, 'unixepoch')",
            seconds: "CAST(strftime('%s', expiry) AS INTEGER)",
            columns: "id INTEGER NOT NULL, session_id VARCHAR(255), data BLOB, expiry DATETIME, PRIMARY KEY (id), \
                      UNIQUE (session_id)",
        },
        #[cfg(feature = "postgres")]
        Kind::Postgres(_) => Dialect {
            key: "session_id = ?",
            at: "(to_timestamp(?::bigint) AT TIME ZONE 'UTC')",
            seconds: "floor(extract(epoch FROM expiry))::bigint",
            columns: "id SERIAL NOT NULL, session_id VARCHAR(255), data BYTEA, expiry TIMESTAMP WITHOUT TIME ZONE, \
                      PRIMARY KEY (id), UNIQUE (session_id)",
        },
        #[cfg(feature = "mysql")]
        Kind::MySql(_) => Dialect {
            // Found by the index, which may take different letters for the same, then compared byte by byte.
            key: "session_id = ? AND CAST(session_id AS BINARY) = ?",
            at: "(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ? SECOND)",
            seconds: "TIMESTAMPDIFF(SECOND, TIMESTAMP'1970-01-01 00:00:00', expiry)",
            columns: "id INTEGER NOT NULL AUTO_INCREMENT, session_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin, \
                      data BLOB, expiry DATETIME, PRIMARY KEY (id), UNIQUE (session_id)",
        },
    }
}

/// PostgreSQL counts its values: `$1`, `$2`.
fn numbered(sql: &str) -> Arc<str> {
    let mut parts = sql.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        numbered.push_str(&format!("${}{part}", index + 1));
    }
    numbered.into()
}
