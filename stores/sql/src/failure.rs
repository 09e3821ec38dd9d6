use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use cloakroom_store::StoreError;

const STORE: &str = "sql";

/// The consequence of a failed statement.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing happened, because others were at it at the same time: a deadlock, a serialization
    /// failure.
    Conflict(StoreError),
    /// There is nothing more to try: the database answered, and it was an error, or no connection
    /// was free in all the time there is.
    Final(StoreError),
    /// The state of the connection is not known.
    Broken(StoreError),
    /// Nothing happened: the server has no statement by the name that it was prepared under, or
    /// another one.
    MixedUp(StoreError),
}

impl Failure {
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Conflict(error)
            | Self::Final(error)
            | Self::Broken(error)
            | Self::MixedUp(error) => error,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.into_error()
    }
}

/// A driver's classification of its errors, by their code and, for ambiguous codes, their message.
pub(crate) struct Codes {
    /// Nothing happened, and the same statement may succeed at once.
    pub(crate) is_conflict: fn(&str) -> bool,
    pub(crate) is_transient: fn(&str, &str) -> bool,
    /// Whether the message quotes no value.
    pub(crate) is_harmless: fn(&str) -> bool,
    /// The server accepts no more connections, of this user or at all.
    pub(crate) is_full: fn(&str, &str) -> bool,
    /// The server is about to take connections.
    pub(crate) is_starting: fn(&str, &str) -> bool,
    /// A prepared statement is not the one that was prepared.
    pub(crate) is_mixed_up: fn(&str, &str) -> bool,
    /// Whether a statement finishes without its caller, because the database is a library.
    pub(crate) in_this_process: bool,
}

/// The database's own message. Not the driver's error, which may hold values or parts of a URL.
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
            let code = code(&*error);
            let what = if error.message().starts_with("no such vfs") {
                // SQLite repeats the option.
                "SQLite has no such `vfs`; correct or remove this option of the URL".to_owned()
            } else if (codes.is_harmless)(&code) {
                format!("{} (code {code})", error.message())
            } else {
                format!(
                    "the database refused a statement with code {code}: compare the table's \
                     columns with `schema_sql`"
                )
            };
            if (codes.is_mixed_up)(&code, error.message()) {
                Failure::MixedUp(transient(what))
            } else if (codes.is_conflict)(&code) {
                Failure::Conflict(transient(what))
            } else if (codes.is_transient)(&code, error.message()) {
                Failure::Final(transient(what))
            } else {
                Failure::Final(permanent(what))
            }
        }
        E::Io(error) => Failure::Broken(transient(io_text(&error))),
        E::Tls(error) => Failure::Broken(transient(format!("no TLS connection: {error}"))),
        E::PoolTimedOut => Failure::Final(busy_pool()),
        E::PoolClosed => Failure::Final(permanent("the pool has been closed")),
        E::WorkerCrashed => Failure::Broken(transient("the database's thread has ended")),
        E::ColumnDecode { .. }
        | E::ColumnNotFound(_)
        | E::ColumnIndexOutOfBounds { .. }
        | E::Decode(_) => Failure::Final(permanent(
            "the table has other columns than `migrate` makes",
        )),
        E::Configuration(_) => Failure::Final(permanent(
            "the URL cannot be read: see the documentation of cloakroom-sql for its form, and \
             percent-encode special characters in the password",
        )),
        E::Protocol(_) => Failure::Broken(transient("the server's answer could not be understood")),
        _ => Failure::Broken(transient("the driver failed")),
    }
}

/// A failure of the driver while it made a connection: nothing was sent that could have happened.
pub(crate) fn of_handshake(error: sqlx::Error, codes: &Codes) -> Failure {
    use sqlx::Error as E;

    const TLS: &str = "compare the URL's TLS options with the server's certificate";
    match error {
        E::Tls(error) => Failure::Final(permanent(format!("no TLS connection: {error}; {TLS}"))),
        // How rustls refuses a certificate, among other things.
        E::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            Failure::Final(permanent(format!("no TLS connection: {error}; {TLS}")))
        }
        E::Io(error) => Failure::Broken(transient(format!(
            "the server cannot be reached: {error}; is it running at the host and port of the URL?"
        ))),
        error => of(error, codes),
    }
}

/// Returns whether the database answered with an error of this kind.
pub(crate) fn is(error: &sqlx::Error, kind: fn(&str, &str) -> bool) -> bool {
    match error {
        sqlx::Error::Database(error) => kind(&code(&**error), error.message()),
        _ => false,
    }
}

/// Returns the SQLSTATE and MySQL's more specific number.
fn code(error: &dyn sqlx::error::DatabaseError) -> String {
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return error.number().to_string();
    }
    error.code().unwrap_or_default().into_owned()
}

fn io_text(error: &io::Error) -> String {
    format!("the connection failed: {error}")
}

pub(crate) fn timed_out(limit: Duration) -> StoreError {
    transient(format!("the database did not answer within {limit:?}"))
}

/// For an operation that waited for one of so many connections.
pub(crate) fn none_free(open: usize) -> StoreError {
    transient(format!(
        "all {open} connections were in use for the whole timeout: raise `max_connections`, or \
         find out what keeps the database busy"
    ))
}

pub(crate) fn no_connections() -> StoreError {
    StoreError::permanent(
        STORE,
        "`max_connections` is 0, which leaves none for an operation; set at least 1",
    )
}

pub(crate) fn busy_pool() -> StoreError {
    transient(
        "the application's pool gave no connection in time: raise its `max_connections`, or find \
         out what keeps them in use",
    )
}

#[cfg(feature = "postgres")]
pub(crate) fn mixed_up() -> StoreError {
    transient("something between here and PostgreSQL mixed up prepared statements")
}

#[cfg(feature = "postgres")]
pub(crate) fn no_transactions() -> StoreError {
    permanent(
        "the pooler before PostgreSQL keeps neither prepared statements nor transactions: set \
         `pool_mode = transaction`, or `max_prepared_statements` (PgBouncer 1.21 and later)",
    )
}

/// For a listener where nothing is announced.
pub(crate) fn silent() -> StoreError {
    permanent(
        "no ended session is announced here; set `Builder::announce_ends` in every process, on \
         PostgreSQL: other databases announce nothing",
    )
}

#[cfg(feature = "postgres")]
pub(crate) fn lost_listener() -> StoreError {
    transient("the connection that listens broke")
}

/// For a listener whose connection is not PostgreSQL's own.
#[cfg(feature = "postgres")]
pub(crate) fn deaf() -> StoreError {
    permanent(
        "a pooler stands before PostgreSQL, and announcements would arrive at whichever client has \
         the connection then; to hear them, open the store at the server's own address",
    )
}

/// For `migrate`, which could not make something.
pub(crate) fn not_made(what: &str, error: &StoreError) -> StoreError {
    let cause = error.source().map_or_else(String::new, ToString::to_string);
    if error.is_transient() {
        return transient(cause);
    }
    permanent(format!(
        "`migrate` could not make {what}: {cause}; have the owner of the database execute \
         `schema_sql`, and grant this user SELECT, INSERT, UPDATE and DELETE \
         (`migrate(false)`, where the store is opened by URL, leaves this step out)"
    ))
}

pub(crate) fn contended() -> StoreError {
    transient("others wrote the same record again and again")
}

pub(crate) fn no_randomness() -> StoreError {
    permanent("the system gave no random number")
}

pub(crate) fn corrupt() -> StoreError {
    permanent(
        "a row holds a key, a time or a version that no session store has written; it was left as \
         it is",
    )
}

pub(crate) fn unfit(column: &str, found: &str, wanted: &str) -> StoreError {
    permanent(format!(
        "the column {column} of the table is {found}, and must be {wanted}: `migrate` did not \
         make this table and left it as it is; choose another name by `table`"
    ))
}

pub(crate) fn lacking(column: &str) -> StoreError {
    permanent(format!(
        "the table has no column {column}: `migrate` did not make this table and left it as it is; \
         choose another name by `table`"
    ))
}

/// Without the option, which may hold a secret.
pub(crate) fn unknown_option(known: &[&str]) -> StoreError {
    let known = known.join(", ");
    permanent(format!(
        "the URL has an option that this store does not know: remove it; known: {known}"
    ))
}

pub(crate) fn bad_name(what: &'static str, longest: usize) -> StoreError {
    permanent(format!(
        "the name of the {what} must be at most {longest} letters, digits and underscores of \
         ASCII, no digit first"
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
