//! Failures of the driver, and of operations.

use cloakroom_store::StoreError;
use mongodb::error::{ErrorKind, WriteFailure};

use crate::failure;

pub(super) const STORE: &str = "flask-mongodb";

pub(super) fn contended() -> StoreError {
    failure::transient(STORE, "others wrote the same session again and again")
}

/// Returns whether another connection may do better.
pub(super) fn is_of_the_connection(error: &mongodb::error::Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }
    )
}

pub(super) fn is_taken(error: &mongodb::error::Error) -> bool {
    const DUPLICATE_KEY: i32 = 11000;
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Codes after which the same command may succeed: another member has become primary, another
/// operation used the same document, or a time limit was reached.
const PASSING: &[i32] = &[
    6, 7, 24, 50, 64, 89, 91, 112, 134, 175, 189, 202, 262, 462, 9001, 10058, 10107, 11600, 11601,
    11602, 13388, 13435, 13436,
];

/// A failure of the driver without its words, which quote documents and URLs.
pub(super) fn failed(error: &mongodb::error::Error) -> StoreError {
    let answered = |code: i32| {
        let what = format!("the server answered with code {code}");
        match PASSING.contains(&code) {
            true => failure::transient(STORE, what),
            false => failure::permanent(STORE, what),
        }
    };
    match &*error.kind {
        ErrorKind::Command(error) => answered(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => answered(error.code),
        ErrorKind::Write(_) => failure::transient(STORE, "the write was not confirmed"),
        ErrorKind::Io(error) => {
            failure::transient(STORE, format!("the connection failed: {}", error.kind()))
        }
        ErrorKind::ConnectionPoolCleared { .. } => {
            failure::transient(STORE, "the connection failed, as others did")
        }
        ErrorKind::ServerSelection { .. } => failure::transient(
            STORE,
            "no server that takes writes could be reached in time",
        ),
        ErrorKind::DnsResolve { .. } => {
            failure::transient(STORE, "the name service does not know the servers")
        }
        ErrorKind::Authentication { .. } => {
            failure::permanent(STORE, "the server refused user name and password")
        }
        ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. } => {
            failure::permanent(STORE, "SESSION_MONGODB cannot be read as a MongoDB URL")
        }
        ErrorKind::BsonSerialization(_) | ErrorKind::BsonDeserialization(_) => {
            failure::permanent(STORE, "the session is no MongoDB document")
        }
        _ => failure::transient(STORE, "the driver failed"),
    }
}
