//! What went wrong, in words that hold nothing of what was sent.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use cloakroom_store::StoreError;

use crate::protocol::Refusal;

const STORE: &str = "memcached";

/// Why an exchange with a server failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection broke.
    Broken(io::Error),
    /// All connections were in use for too long.
    Busy,
    /// There was no answer in time.
    Late,
    /// The server answered, but not to the request.
    Refused(Refusal),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Failure {
    /// `limit` is how long an operation may take.
    pub(crate) fn into_error(self, limit: Duration) -> StoreError {
        match self {
            Self::Broken(error) => transient(format!(
                "the connection to a server failed: {}",
                error.kind()
            )),
            Self::Busy => transient("no connection to the server was free in time"),
            Self::Late => transient(format!("the server did not answer within {limit:?}")),
            Self::Refused(refusal) => refused(refusal),
        }
    }
}

#[derive(Debug)]
struct Said(Box<str>);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Said {}

fn refused(refusal: Refusal) -> StoreError {
    match refusal {
        Refusal::TooLarge => permanent(
            "the record is larger than the server takes (1 MB unless its option -I says otherwise); the old one was left as it is",
        ),
        Refusal::Full => transient("the server is out of memory; the old record was left as it is"),
        Refusal::Server => transient("the server reported an error of its own"),
        Refusal::Unknown => {
            permanent("the server does not know the command: it is to be Memcached 1.6.12 or newer")
        }
        Refusal::Unauthenticated => {
            permanent("the server wants a password, which the store cannot give")
        }
        Refusal::Garbled => transient("the server's answer could not be understood"),
    }
}

pub(crate) fn too_large() -> StoreError {
    permanent("the record has more than 64 MiB; the old one was left as it is")
}

pub(crate) fn without_cas() -> StoreError {
    permanent(
        "the server runs without compare-and-swap (its option -C), without which nothing can be kept safe",
    )
}

/// An answer that the protocol knows, but not to this request.
pub(crate) fn misplaced() -> StoreError {
    refused(Refusal::Garbled)
}

pub(crate) fn prefix() -> StoreError {
    permanent("the prefix must be at most 200 bytes of printable ASCII without spaces")
}

pub(crate) fn setting(what: &'static str) -> StoreError {
    permanent(what)
}

fn transient(what: impl Into<Box<str>>) -> StoreError {
    StoreError::transient(STORE, Said(what.into()))
}

fn permanent(what: impl Into<Box<str>>) -> StoreError {
    StoreError::permanent(STORE, Said(what.into()))
}
