use cloakroom_store::StoreError;

use super::STORE;
use crate::failure::{NO_TLS, TLS_IS_MISSING, of_tls, permanent, transient};

/// The consequence of a failed statement.
pub(super) enum Failure {
    /// Nothing happened, because others were at it at the same time.
    Conflict(StoreError),
    /// There is a row with that key.
    Taken(StoreError),
    /// Nothing happened: the server has no statement by the name that it was prepared under, or
    /// another one.
    MixedUp(StoreError),
    Other(StoreError),
}

impl Failure {
    pub(super) fn map(self, change: impl FnOnce(StoreError) -> StoreError) -> Self {
        match self {
            Self::Conflict(error) => Self::Conflict(change(error)),
            Self::Taken(error) => Self::Taken(change(error)),
            Self::MixedUp(error) => Self::MixedUp(change(error)),
            Self::Other(error) => Self::Other(change(error)),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(error)
            | Failure::Taken(error)
            | Failure::MixedUp(error)
            | Failure::Other(error) => error,
        }
    }
}

/// A failure of the driver, sorted. Messages of databases quote values, and session ids are values
/// here: only codes are kept.
pub(super) fn of(error: sqlx::Error) -> Failure {
    use sqlx::Error as E;

    let error = match error {
        E::Database(error) => return answered(&*error),
        E::Io(error) => {
            let what = of_tls(&error);
            let what = what.unwrap_or_else(|| format!("the connection failed: {error}"));
            transient(STORE, what)
        }
        // The environment can ask for it too: PGSSLMODE.
        E::Tls(_) if !cfg!(feature = "tls") => permanent(STORE, TLS_IS_MISSING),
        E::Tls(_) => transient(STORE, NO_TLS),
        E::PoolTimedOut => transient(
            STORE,
            "all connections were in use for the whole timeout: raise max_connections, or find out \
             what keeps the database busy",
        ),
        E::PoolClosed => permanent(STORE, "the pool has been closed"),
        E::Configuration(_) => permanent(STORE, "the URL cannot be read"),
        E::ColumnDecode { .. }
        | E::ColumnNotFound(_)
        | E::ColumnIndexOutOfBounds { .. }
        | E::Decode(_) => permanent(
            STORE,
            "the table has other columns than the library that it belongs to makes",
        ),
        _ => transient(STORE, "the driver failed"),
    };
    Failure::Other(error)
}

/// A failure to make a connection: nothing was sent that could have happened.
pub(super) fn of_handshake(error: sqlx::Error) -> Failure {
    use sqlx::Error as E;

    Failure::Other(match error {
        E::Tls(_) if cfg!(feature = "tls") => permanent(STORE, NO_TLS),
        // How rustls refuses a certificate, among other things.
        E::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            permanent(STORE, of_tls(&error).unwrap_or_else(|| NO_TLS.to_owned()))
        }
        E::Io(error) => {
            let why = "is it running at the host and port of the URL?";
            transient(
                STORE,
                format!("the server cannot be reached: {error}; {why}"),
            )
        }
        error => return of(error),
    })
}

fn answered(error: &dyn sqlx::error::DatabaseError) -> Failure {
    let code = code(error);
    if error.is_unique_violation() {
        let what = permanent(STORE, "there is a session with that id already");
        return Failure::Taken(what);
    }
    let message = error.message();
    if matches!(&*code, "26000" | "42P05" | "22P03" | "22021")
        || (code == "08P01" && (message.contains("bind message") || message.contains("in message")))
    {
        let what = transient(STORE, "prepared statements are mixed up");
        return Failure::MixedUp(what);
    }
    // Serialization failure, deadlock (2), record changed, locked in a shared cache
    if matches!(
        &*code,
        "40001" | "40P01" | "1213" | "1020" | "1615" | "6" | "262"
    ) {
        let what = transient(STORE, "others wrote the same record again and again");
        return Failure::Conflict(what);
    }
    let missing = matches!(&*code, "42P01" | "1146")
        || (code == "1" && error.message().starts_with("no such table"));
    // Wrong user or password, no right to connect, insecure transport prohibited
    let shut_out = matches!(&*code, "28000" | "28P01" | "1045" | "3159");
    Failure::Other(if shut_out {
        permanent(
            STORE,
            format!(
                "the database refused the user (code {code}); check user and password, and whether \
                 it requires TLS"
            ),
        )
    } else if missing {
        permanent(
            STORE,
            "there is no such table; Flask-Session 0.8 and axum_session make it at their start, and tower-sessions by \
             `migrate`; for others call `create_table`",
        )
    } else if is_transient(error, &code) {
        transient(STORE, format!("the database answered with code {code}"))
    } else {
        let hint = "is it the other library's table, and may it be written to?";
        permanent(
            STORE,
            format!("the database refused it with code {code}; {hint}"),
        )
    })
}

/// Returns whether the server is starting, or accepts no more connections for now.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn may_connect_later(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(&*code(error), "57P03" | "53300" | "1040" | "1203" | "1226")
}

fn code(error: &dyn sqlx::error::DatabaseError) -> String {
    // MySQL's number is more specific than the SQLSTATE.
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return error.number().to_string();
    }
    error.code().unwrap_or_default().into_owned()
}

/// Returns whether it may be gone at the next try.
fn is_transient(error: &dyn sqlx::error::DatabaseError, code: &str) -> bool {
    #[cfg(feature = "sqlite")]
    if error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        // BUSY, NOMEM, INTERRUPT, IOERR, CANTOPEN (no descriptors left), PROTOCOL
        let primary = code.parse::<u32>().map(|extended| extended & 0xff);
        return matches!(primary, Ok(5 | 7 | 9 | 10 | 14 | 15));
    }
    let _ = error;
    // PostgreSQL: connection, resources, operator intervention, system, internal,
    // lock_not_available, read-only
    let of_postgres = code.len() == 5
        && (matches!(code.get(..2), Some("08" | "53" | "57" | "58" | "XX"))
            || matches!(code, "55P03" | "25006"));
    of_postgres
        || matches!(
            code,
            // MySQL: too many connections, shutting down, out of memory, lock wait, aborted,
            // read-only, interrupted, too slow, not part of the cluster
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
