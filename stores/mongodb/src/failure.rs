use std::error::Error;
use std::fmt;
use std::time::Duration;

use cloakroom_store::StoreError;
use mongodb::error::{ErrorKind, WriteFailure};

const STORE: &str = "mongodb";

/// What failed, in this crate's words. Not the driver's error itself: it quotes keys, subjects and the server's whole answer.
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

/// Codes of the server after which the same command may succeed: another member is the primary now, somebody else was at the
/// same document, a limit of time was reached.
const PASSING: &[i32] = &[
    6,     // HostUnreachable
    7,     // HostNotFound
    24,    // LockTimeout
    43,    // CursorNotFound
    50,    // MaxTimeMSExpired
    64,    // WriteConcernTimeout
    89,    // NetworkTimeout
    91,    // ShutdownInProgress
    112,   // WriteConflict
    134,   // ReadConcernMajorityNotAvailableYet
    175,   // QueryPlanKilled
    189,   // PrimarySteppedDown
    202,   // NetworkInterfaceExceededTimeLimit
    237,   // CursorKilled
    262,   // ExceededTimeLimit
    462,   // IngressRequestRateLimitExceeded
    9001,  // SocketException
    10058, // LegacyNotPrimary
    10107, // NotWritablePrimary
    11600, // InterruptedAtShutdown
    11601, // Interrupted
    11602, // InterruptedDueToReplStateChange
    13388, // StaleConfig
    13435, // NotPrimaryNoSecondaryOk
    13436, // NotPrimaryOrSecondary
];

const DUPLICATE_KEY: i32 = 11000;

/// IndexOptionsConflict, IndexKeySpecsConflict.
const CONFLICTING_INDEX: &[i32] = &[85, 86];

/// A failure of the driver, sorted and without its secrets.
pub(crate) fn of(error: &mongodb::error::Error) -> StoreError {
    match &*error.kind {
        ErrorKind::Io(error) => transient(format!("the connection failed: {}", error.kind())),
        ErrorKind::ConnectionPoolCleared { .. } => {
            transient("the connection failed, as others to the same server did")
        }
        ErrorKind::ServerSelection { message, .. } => transient(format!(
            "no server that takes writes could be reached in time{}",
            hint(message)
        )),
        ErrorKind::DnsResolve { .. } => {
            transient("the name service does not know the servers of the URL")
        }
        ErrorKind::InvalidResponse { .. } | ErrorKind::Internal { .. } => {
            transient("the server's answer could not be understood")
        }
        ErrorKind::Command(error) => answered(error.code, Some(&error.code_name)),
        ErrorKind::Write(WriteFailure::WriteError(error)) => {
            answered(error.code, error.code_name.as_deref())
        }
        // It was written, and may be undone when another member takes over.
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => transient(format!(
            "the write was not confirmed by as many servers as asked for ({}, code {})",
            error.code_name, error.code
        )),
        ErrorKind::Write(_) => transient("a write failed in a way unknown to this version"),
        ErrorKind::Authentication { .. } => {
            permanent("the server did not accept the user or the password")
        }
        ErrorKind::InvalidArgument { .. } => permanent(
            "the URL cannot be read: see the crate's documentation for its form, and percent-encode what is special in a \
             password",
        ),
        ErrorKind::InvalidTlsConfig { .. } => permanent(
            "the TLS settings of the URL cannot be used: is a file missing or not in PEM?",
        ),
        ErrorKind::IncompatibleServer { .. } => {
            permanent("the server's version is not one that the driver works with")
        }
        ErrorKind::Shutdown => permanent("the application has shut the client down"),
        _ => permanent("the driver failed"),
    }
}

/// Whether somebody else has a document of this key.
pub(crate) fn is_taken(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}

fn other_index() -> StoreError {
    permanent(
        "the collection has an index of the same name or on the same field with other options; remove it, or choose another \
         collection",
    )
}

fn answered(code: i32, name: Option<&str>) -> StoreError {
    if CONFLICTING_INDEX.contains(&code) {
        return other_index();
    }
    // A name like `Unauthorized`. The message beside it quotes what was sent.
    let name = name.filter(|name| !name.is_empty()).unwrap_or("no name");
    let what = format!("the server refused it ({name}, code {code})");
    if PASSING.contains(&code) {
        transient(what)
    } else {
        permanent(what)
    }
}

/// Why no server could be reached, as far as it can be told without repeating the URL.
fn hint(message: &str) -> &'static str {
    const HINTS: &[(&str, &str)] = &[
        ("refused", ": connection refused"),
        ("lookup address", ": unknown host name"),
        ("ertificate", ": its TLS certificate was not accepted"),
        (
            "InvalidContentType",
            ": it does not speak TLS, and the URL asks for it",
        ),
        (
            "replica set name",
            ": its replica set has another name than the URL says",
        ),
    ];
    let found = HINTS.iter().find(|(sign, _)| message.contains(sign));
    found.map_or("", |(_, hint)| hint)
}

pub(crate) fn timed_out(limit: Duration) -> StoreError {
    transient(format!("the server did not answer within {limit:?}"))
}

pub(crate) fn busy() -> StoreError {
    transient("no connection was free in time")
}

pub(crate) fn no_randomness() -> StoreError {
    permanent("the system gave no random number")
}

pub(crate) fn contended() -> StoreError {
    transient("others wrote the same record again and again")
}

pub(crate) fn too_large(limit: usize) -> StoreError {
    permanent(format!(
        "the record is larger than a document of MongoDB may be ({limit} bytes)"
    ))
}

pub(crate) fn corrupt() -> StoreError {
    permanent(
        "a document of the collection is not one that a session store has written; it was left as it is",
    )
}

pub(crate) fn bad_name(what: &'static str, longest: usize) -> StoreError {
    permanent(format!(
        "the name of the {what} must be letters, digits, `_`, `-` and (in a collection's) `.` of ASCII, a letter or `_` first, \
         at most {longest} of them, and not begin with `system.`"
    ))
}

pub(crate) fn unacknowledged() -> StoreError {
    permanent(
        "the URL asks for writes that nobody acknowledges (w=0); sessions need an answer to each write",
    )
}

fn transient(what: impl Into<String>) -> StoreError {
    StoreError::transient(STORE, Said { what: what.into() })
}

fn permanent(what: impl Into<String>) -> StoreError {
    StoreError::permanent(STORE, Said { what: what.into() })
}
