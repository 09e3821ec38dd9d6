//! Errors. They quote nothing that was sent.

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
    /// No connection could be made.
    Unreachable(io::Error),
    /// The connection was broken before the system took the request.
    Unsent(io::Error),
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
    /// `limit` is the time limit of an operation.
    pub(crate) fn into_error(self, limit: Duration) -> StoreError {
        match self {
            Self::Unreachable(error) => unreachable(&error),
            Self::Unsent(error) | Self::Broken(error) => transient(format!(
                "the connection to a server broke: {}; the next operation makes a new one",
                error.kind()
            )),
            Self::Busy => transient(format!(
                "all connections to the server were in use for {limit:?}; raise max_connections \
                 if this lasts"
            )),
            Self::Late => transient(format!(
                "the server did not answer within {limit:?}; check that it runs and that the \
                 network leads there"
            )),
            Self::Refused(refusal) => refused(refusal),
        }
    }
}

/// The system names the cause, and never the address.
fn unreachable(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => transient(
            "nothing listens at a server's address; start Memcached there or mend the URL",
        ),
        io::ErrorKind::NotFound => transient(
            "the URL's socket does not exist; start Memcached with --unix-socket, or mend the URL",
        ),
        io::ErrorKind::PermissionDenied => permanent(
            "the user of this process may not open the URL's socket; start Memcached with \
             another --unix-mask, or give the user the right to write to the socket",
        ),
        kind => transient(format!(
            "a server of the URL could not be reached: {kind}; check its host and port"
        )),
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
            "the record is larger than the server takes, and the old one is as it was; raise the \
             server's option -I (1 MiB by default) or store less in a session",
        ),
        Refusal::Full => transient(
            "the server is out of memory, and the old record is as it was; give it more (-m)",
        ),
        Refusal::Crowded => transient(
            "the server has as many connections as it may have; raise its option -c, or lower \
             max_connections",
        ),
        Refusal::Server => transient("the server reported an error of its own; see its log"),
        Refusal::Unknown => {
            permanent("the server does not know the command; it must be Memcached 1.6.12 or newer")
        }
        Refusal::Unauthenticated => permanent(
            "the server requires a password, and the store has no authentication; start Memcached \
             without --auth-file and --enable-sasl",
        ),
        Refusal::Garbled => transient(
            "the server's answer is not Memcached's text protocol; check what listens there",
        ),
    }
}

/// The sign in a server's first answer that it is not Memcached.
pub(crate) fn no_memcached() -> StoreError {
    permanent(
        "the server does not speak Memcached's text protocol; check host and port of the URL, and \
         that Memcached runs without TLS",
    )
}

pub(crate) fn too_large() -> StoreError {
    permanent(
        "the record has more than 64 MiB, and the old one is as it was; store less in a session",
    )
}

pub(crate) fn without_cas() -> StoreError {
    permanent(
        "the server runs without compare-and-swap, which the store needs; start Memcached \
         without its option -C",
    )
}

/// An answer that the protocol has, but not to this request.
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
