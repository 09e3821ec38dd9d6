use std::error::Error as _;

use cloakroom_store::StoreError;

use super::STORE;
use super::database::Kind;
use super::statements::Dialect;
use crate::failure;

/// The columns of a table that has one row for each session.
///
/// ```
/// use cloakroom_flask_stores::{Columns, SqlAlchemyStore};
///
/// let builder = SqlAlchemyStore::builder("postgresql://app@db.example/app")
///     .schema("tower_sessions")
///     .table("session")
///     .columns(Columns::TowerSessions);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Columns {
    /// `id` (a number), `session_id`, `data`, `expiry`: those that SQLAlchemy makes for
    /// Flask-Session. The default.
    #[default]
    FlaskSession,
    /// `id`, `data`, `expiry_date`: those of tower-sessions-sqlx-store 0.15. The crate
    /// `cloakroom-tower-sessions` reads the data.
    TowerSessions,
    /// `id`, `expires` (seconds since 1970), `session` (a text): those of axum_session_sqlx 0.12.
    /// The crate `cloakroom-axum-session` reads the text.
    AxumSession,
}

impl Columns {
    /// The name of the store in errors.
    pub(super) fn store(self) -> &'static str {
        match self {
            Self::FlaskSession => STORE,
            Self::TowerSessions => "tower-sessions-sql",
            Self::AxumSession => "axum-session-sql",
        }
    }

    /// Returns an error of the store in this name.
    pub(super) fn named(self, error: StoreError) -> StoreError {
        let source = match error.source() {
            Some(source) if self != Self::FlaskSession => source.to_string(),
            _ => return error,
        };
        match error.is_transient() {
            true => failure::transient(self.store(), source),
            false => failure::permanent(self.store(), source),
        }
    }
}

/// The table that `migrate` makes. sqlx keeps times in UTC: as RFC 3339 in SQLite, with an offset
/// if an application has set one.
pub(super) fn tower_sessions(kind: &Kind) -> Dialect {
    match kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite(_) => Dialect {
            id: "id",
            row: "id",
            expiry: "expiry_date",
            data: "data",
            bytes: "data",
            value: "?",
            key: "id = ?",
            at: "strftime('%Y-%m-%dT%H:%M:%SZ', ?, 'unixepoch')",
            // Texts with and without fractions or offsets do not compare as times do.
            end: "CAST(strftime('%s', @) AS INTEGER)",
            now: "?",
            seconds: "CAST(strftime('%s', expiry_date) AS INTEGER)",
            columns: "id TEXT PRIMARY KEY NOT NULL, data BLOB NOT NULL, expiry_date INTEGER NOT NULL",
        },
        #[cfg(feature = "postgres")]
        Kind::Postgres(_) => Dialect {
            id: "id",
            row: "id",
            expiry: "expiry_date",
            data: "data",
            bytes: "data",
            value: "?",
            key: "id = ?",
            at: "to_timestamp(?::bigint)",
            end: "@",
            now: "to_timestamp(?::bigint)",
            seconds: "floor(extract(epoch FROM expiry_date))::bigint",
            columns: "id TEXT PRIMARY KEY NOT NULL, data BYTEA NOT NULL, expiry_date TIMESTAMPTZ NOT NULL",
        },
        #[cfg(feature = "mysql")]
        Kind::MySql(_) => Dialect {
            id: "id",
            row: "id",
            expiry: "expiry_date",
            data: "data",
            bytes: "data",
            value: "?",
            // The column takes different letters for the same.
            key: "id = ? AND CAST(id AS BINARY) = ?",
            // A TIMESTAMP begins a second after 1970 does, and ends with 32 bits.
            at: "FROM_UNIXTIME(GREATEST(1, LEAST(?, 2147483647)))",
            end: "@",
            now: "FROM_UNIXTIME(LEAST(?, 2147483647))",
            seconds: "CAST(FLOOR(UNIX_TIMESTAMP(expiry_date)) AS SIGNED)",
            columns: "id CHAR(22) PRIMARY KEY NOT NULL, data BLOB NOT NULL, expiry_date TIMESTAMP(6) NOT NULL",
        },
    }
}

/// The table that axum_session makes. A row without an end never ends, as there. The text is
/// exchanged as bytes, in UTF-8.
pub(super) fn axum_session(kind: &Kind) -> Dialect {
    match kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite(_) => Dialect {
            id: "id",
            row: "id",
            expiry: "expires",
            data: "session",
            bytes: "CAST(session AS BLOB)",
            value: "CAST(? AS TEXT)",
            key: "id = ?",
            at: "?",
            end: "COALESCE(@, 253402300799)",
            now: "?",
            seconds: "COALESCE(expires, 253402300799)",
            columns: "id VARCHAR(128) NOT NULL PRIMARY KEY, expires BIGINT NULL, session TEXT NOT NULL",
        },
        #[cfg(feature = "postgres")]
        Kind::Postgres(_) => Dialect {
            id: "id",
            row: "id",
            expiry: "expires",
            data: "session",
            bytes: "convert_to(session, 'UTF8')",
            value: "convert_from(?, 'UTF8')",
            key: "id = ?",
            at: "?::bigint",
            end: "COALESCE(@, 253402300799)",
            now: "?::bigint",
            // Earlier versions made it an INTEGER.
            seconds: "COALESCE(expires, 253402300799)::bigint",
            columns: "id VARCHAR(128) NOT NULL PRIMARY KEY, expires BIGINT NULL, session TEXT NOT NULL",
        },
        #[cfg(feature = "mysql")]
        Kind::MySql(_) => Dialect {
            id: "id",
            row: "id",
            expiry: "expires",
            data: "session",
            // In UTF-8, whatever the column has.
            bytes: "CAST(CONVERT(session USING utf8mb4) AS BINARY)",
            value: "CONVERT(? USING utf8mb4)",
            // The column takes different letters for the same.
            key: "id = ? AND CAST(id AS BINARY) = ?",
            at: "?",
            end: "COALESCE(@, 253402300799)",
            now: "?",
            seconds: "CAST(COALESCE(expires, 253402300799) AS SIGNED)",
            columns: "id VARCHAR(128) NOT NULL PRIMARY KEY, expires BIGINT NULL, session TEXT NOT NULL",
        },
    }
}
