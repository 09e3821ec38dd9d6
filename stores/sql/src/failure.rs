use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use cloakroom_store::StoreError;

const STORE: &str = "sql";

/// What came of a statement that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing happened, because others were at it at the same time: a deadlock, a serialization failure.
    Conflict(StoreError),
    /// There is nothing more to try: the database answered, and it was an error, or no connection was free in all the time there is.
    Final(StoreError),
    /// The state of the connection is not known.
    Broken(StoreError),
}

impl Failure {
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Conflict(error) | Self::Final(error) | Self::Broken(error) => error,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.into_error()
    }
}

/// What a driver knows about its errors, which it tells by their code.
pub(crate) struct Codes {
    pub(crate) is_conflict: fn(&str) -> bool,
    pub(crate) is_transient: fn(&str) -> bool,
    /// Whether the message quotes no value.
    pub(crate) is_harmless: fn(&str) -> bool,
    /// Whether a statement ends though nobody waits for it, because the database is a library.
    pub(crate) in_this_process: bool,
}

/// What the database said. Not the driver's error itself, which may hold values or parts of a URL.
#[derive(Debug)]
struct Said {
    what: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Said {}

/// A failure of the driver, sorted and without its secrets.
pub(crate) fn of(error: sqlx::Error, codes: &Codes) -> Failure {
    use sqlx::Error as E;

    match error {
        E::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            let code = error_number(&*error).unwrap_or(code);
            let what = if (codes.is_harmless)(&code) {
                format!("{} (code {code})", error.message())
            } else {
                format!(
                    "the database refused it with code {code}; has the table other columns than `migrate` makes?"
                )
            };
            if (codes.is_conflict)(&code) {
                Failure::Conflict(transient(what))
            } else if (codes.is_transient)(&code) {
                Failure::Final(transient(what))
            } else {
                Failure::Final(permanent(what))
            }
        }
        E::Io(error) => Failure::Broken(transient(io_text(&error))),
        E::Tls(error) => Failure::Broken(transient(format!("no TLS connection: {error}"))),
        E::PoolTimedOut => Failure::Final(transient("no connection was free in time")),
        E::PoolClosed => Failure::Final(permanent("the pool has been closed")),
        E::WorkerCrashed => Failure::Broken(transient("the database's thread has ended")),
        E::ColumnDecode { .. }
        | E::ColumnNotFound(_)
        | E::ColumnIndexOutOfBounds { .. }
        | E::Decode(_) => Failure::Final(permanent(
            "the table has other columns than `migrate` makes",
        )),
        E::Configuration(_) => Failure::Final(permanent(
            "the URL cannot be read: see the crate's documentation for its form, and percent-encode what is special in a password",
        )),
        E::Protocol(_) => Failure::Broken(transient("the server's answer could not be understood")),
        _ => Failure::Broken(transient("the driver failed")),
    }
}

/// MySQL's number, which tells more than the SQLSTATE.
fn error_number(error: &dyn sqlx::error::DatabaseError) -> Option<String> {
    #[cfg(feature = "mysql")]
    {
        let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
        Some(error.number().to_string())
    }
    #[cfg(not(feature = "mysql"))]
    {
        let _ = error;
        None
    }
}

fn io_text(error: &io::Error) -> String {
    format!("the connection failed: {error}")
}

pub(crate) fn timed_out(limit: Duration) -> StoreError {
    transient(format!("the database did not answer within {limit:?}"))
}

pub(crate) fn contended() -> StoreError {
    transient("others wrote the same record again and again")
}

pub(crate) fn no_randomness() -> StoreError {
    permanent("the system gave no random number")
}

pub(crate) fn corrupt() -> StoreError {
    permanent(
        "a row holds a time or a version that no session store has written; it was left as it is",
    )
}

pub(crate) fn unfit(column: &str, found: &str, wanted: &str) -> StoreError {
    permanent(format!(
        "the column {column} of the table is {found}, and must be {wanted}: it is not one that `migrate` has made, and was left as it is"
    ))
}

pub(crate) fn bad_name(what: &'static str, longest: usize) -> StoreError {
    permanent(format!(
        "the name of the {what} must be letters, digits and underscores of ASCII, no digit first, at most {longest} of them"
    ))
}

pub(crate) fn unknown_scheme() -> StoreError {
    let known = [
        (cfg!(feature = "sqlite"), "sqlite:"),
        (cfg!(feature = "postgres"), "postgres://, postgresql://"),
        (cfg!(feature = "mysql"), "mysql://, mariadb://"),
    ];
    let known: Vec<_> = known
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, scheme)| *scheme)
        .collect();
    // The URL itself may hold a password.
    permanent(format!(
        "the URL begins with no known scheme; known: {}",
        known.join(", ")
    ))
}

fn transient(what: impl Into<String>) -> StoreError {
    StoreError::transient(STORE, Said { what: what.into() })
}

fn permanent(what: impl Into<String>) -> StoreError {
    StoreError::permanent(STORE, Said { what: what.into() })
}
