use std::error::Error;
use std::fmt;
use std::time::Duration;

use cloakroom_store::StoreError;
use mongodb::error::{ErrorKind, WriteFailure};

const STORE: &str = "mongodb";

/// The failed step, in this crate's words. The driver's error quotes keys, subjects and the
/// server's whole answer.
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

/// Server codes after which the same command may succeed: another member has become primary,
/// another operation used the same document, or a time limit was reached.
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
        ErrorKind::Io(error) => transient(format!(
            "the connection broke: {}; the next operation makes a new one",
            error.kind()
        )),
        ErrorKind::ConnectionPoolCleared { .. } => transient(
            "the connection failed, as others to the same server did; check that the server runs",
        ),
        ErrorKind::ServerSelection { message, .. } => unreachable(message),
        ErrorKind::DnsResolve { .. } => {
            transient("the name service does not have the servers of the URL; check their spelling")
        }
        ErrorKind::InvalidResponse { .. } | ErrorKind::Internal { .. } => transient(
            "the server's answer is not MongoDB's protocol; check the URL's host and port",
        ),
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
        ErrorKind::Authentication { .. } => permanent(
            "the server did not accept user and password; check them and authSource in the URL",
        ),
        ErrorKind::InvalidArgument { .. } => permanent(
            "the URL cannot be read; write mongodb://user:password@host:port/database, and \
             percent-encode special characters in the password",
        ),
        ErrorKind::InvalidTlsConfig { .. } => permanent(
            "the TLS settings of the URL cannot be used; check that its files exist and are PEM",
        ),
        ErrorKind::IncompatibleServer { .. } => {
            permanent("the driver does not work with the server's version; MongoDB 4.2 is needed")
        }
        ErrorKind::Shutdown => permanent("the application has shut the client down; keep it open"),
        _ => permanent("the driver failed with an unknown error; see the server's log"),
    }
}

/// The same for opening a change stream.
pub(crate) fn of_stream(error: &mongodb::error::Error) -> StoreError {
    match &*error.kind {
        ErrorKind::Command(error) if !PASSING.contains(&error.code) => permanent(format!(
            "the server opens no change stream ({}, code {}): that needs a replica set or a \
             sharded cluster, and the right `changeStream` on the collection",
            error.code_name, error.code
        )),
        _ => of(error),
    }
}

/// Returns whether another connection may do better.
pub(crate) fn is_of_the_connection(error: &mongodb::error::Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }
    )
}

/// Returns whether another document has this key.
pub(crate) fn is_taken(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}

fn other_index() -> StoreError {
    permanent(
        "the collection has an index of the same name or on the same field with other options; \
         remove it, or choose another collection",
    )
}

fn answered(code: i32, name: Option<&str>) -> StoreError {
    if CONFLICTING_INDEX.contains(&code) {
        return other_index();
    }
    // A name like `Unauthorized`. The message next to it quotes the command.
    let name = name.filter(|name| !name.is_empty()).unwrap_or("no name");
    let what = format!("the server refused it ({name}, code {code})");
    if PASSING.contains(&code) {
        transient(what)
    } else {
        permanent(what)
    }
}

/// Returns the cause why no server could be reached, without repeating the URL.
fn unreachable(message: &str) -> StoreError {
    const WHAT: &str = "no server that takes writes could be reached in time";
    // A part of a message, the cause, and whether a retry can help.
    const CAUSES: &[(&str, &str, bool)] = &[
        (
            "ertificate",
            "the TLS certificate of a server or of the client was not accepted; check its dates \
             and name, tlsCAFile and tlsCertificateKeyFile",
            false,
        ),
        (
            "InvalidContentType",
            "the server does not speak TLS, and the URL asks for it; remove tls=true or check the \
             port",
            false,
        ),
        (
            "replicaSet name",
            "its replica set has another name than the URL says; mend replicaSet",
            false,
        ),
        (
            "refused",
            "connection refused; start the server or mend the URL",
            true,
        ),
        (
            "lookup address",
            "unknown host name; check the URL and the name service",
            true,
        ),
    ];
    let found = CAUSES.iter().find(|(sign, ..)| message.contains(sign));
    match found {
        Some((_, cause, true)) => transient(format!("{WHAT}: {cause}")),
        Some((_, cause, false)) => permanent(format!("{WHAT}: {cause}")),
        None => transient(format!(
            "{WHAT}; check that a primary runs at the URL's servers"
        )),
    }
}

pub(crate) fn timed_out(limit: Duration) -> StoreError {
    transient(format!(
        "the server did not answer within {limit:?}; check that it runs and that the network leads \
         there"
    ))
}

pub(crate) fn busy(limit: Duration) -> StoreError {
    transient(format!(
        "all connections to the server were in use for {limit:?}; raise max_connections if this \
         lasts"
    ))
}

pub(crate) fn no_randomness() -> StoreError {
    permanent("the system gave no random number")
}

pub(crate) fn contended() -> StoreError {
    transient("others wrote the same record again and again; try again")
}

pub(crate) fn too_large(limit: usize) -> StoreError {
    permanent(format!(
        "the record is larger than a document of MongoDB may be ({limit} bytes)"
    ))
}

pub(crate) fn corrupt() -> StoreError {
    permanent(
        "a document of the collection is not this store's, and was left as it is; give the store a \
         collection of its own",
    )
}

pub(crate) fn bad_name(what: &'static str, longest: usize) -> StoreError {
    permanent(format!(
        "the name of the {what} must be letters, digits, `_`, `-` and (in a collection's) `.` of \
         ASCII, a letter or `_` first, at most {longest} of them, and not begin with `system.`"
    ))
}

pub(crate) fn setting(what: &'static str) -> StoreError {
    permanent(what)
}

pub(crate) fn unacknowledged() -> StoreError {
    permanent(
        "the URL turns off acknowledgements (w=0), and sessions need an answer to each write; \
         remove it",
    )
}

fn transient(what: impl Into<String>) -> StoreError {
    StoreError::transient(STORE, Said { what: what.into() })
}

fn permanent(what: impl Into<String>) -> StoreError {
    StoreError::permanent(STORE, Said { what: what.into() })
}
