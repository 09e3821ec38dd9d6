//! Failures of the driver, without its words, which quote documents and URLs.

use cloakroom_store::StoreError;
use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::fields::Fields;
use crate::failure::{permanent, transient};

/// Returns whether another connection may do better.
pub(super) fn is_of_the_connection(error: &Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }
    )
}

pub(super) fn is_taken(error: &Error) -> bool {
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

/// Returns the failure of a store with these fields.
pub(super) fn of(fields: Fields, error: &Error) -> StoreError {
    let store = fields.store();
    let answered = |code: i32| {
        let what = format!("the server answered with code {code}");
        match PASSING.contains(&code) {
            true => transient(store, what),
            false => permanent(store, what),
        }
    };
    match &*error.kind {
        ErrorKind::Command(error) => answered(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => answered(error.code),
        ErrorKind::Write(_) => transient(store, "the write was not confirmed"),
        ErrorKind::Io(error) => {
            transient(store, format!("the connection failed: {}", error.kind()))
        }
        ErrorKind::ConnectionPoolCleared { .. } => {
            transient(store, "the connection failed, as others did")
        }
        ErrorKind::ServerSelection { .. } => transient(
            store,
            "no server that takes writes could be reached in time",
        ),
        ErrorKind::DnsResolve { .. } => {
            transient(store, "the name service does not know the servers")
        }
        ErrorKind::Authentication { .. } => {
            permanent(store, "the server refused user name and password")
        }
        ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. } => {
            let [url, _] = fields.settings();
            permanent(store, format!("{url} cannot be read as a MongoDB URL"))
        }
        ErrorKind::BsonSerialization(_) | ErrorKind::BsonDeserialization(_) => {
            permanent(store, "the session is no MongoDB document")
        }
        _ => transient(store, "the driver failed"),
    }
}
