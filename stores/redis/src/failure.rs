//! What went wrong, in words that hold nothing of what was sent: a server repeats keys and values in some of its errors.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

const STORE: &str = "redis";

#[derive(Debug)]
struct Failure {
    what: &'static str,
    /// The first word of the server's answer, or what the system said.
    detail: Option<Box<str>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

pub(crate) fn of(error: &RedisError) -> StoreError {
    use ServerErrorKind as Server;

    let code = error.code().map(known_code);
    let (transient, what) = match error.kind() {
        ErrorKind::Io => return io_failure(error),
        ErrorKind::Parse => (true, "the server's answer was no Redis protocol"),
        ErrorKind::ClusterConnectionNotFound => {
            (true, "no node of the cluster could be reached for this key")
        }
        ErrorKind::MasterNameNotFoundBySentinel => (
            true,
            "the sentinels know no healthy master of this name; it is the last part of the URL",
        ),
        ErrorKind::NoValidReplicasFoundBySentinel | ErrorKind::EmptySentinelList => {
            (true, "no sentinel could be used")
        }
        ErrorKind::AuthenticationFailed => (
            false,
            "the server refused user name and password; check them in the URL",
        ),
        ErrorKind::InvalidClientConfig => (false, "the client cannot be set up like this"),
        ErrorKind::UnexpectedReturnType => {
            (false, "the server gave an answer of an unexpected type")
        }
        ErrorKind::Server(Server::BusyLoading) => (true, "the server is still loading its data"),
        ErrorKind::Server(Server::TryAgain | Server::Moved | Server::Ask) => {
            (true, "the cluster is moving this part of its data")
        }
        ErrorKind::Server(Server::ClusterDown | Server::MasterDown) => (true, "a master is down"),
        ErrorKind::Server(Server::ReadOnly) => (
            true,
            "the server is a read-only replica; connect to the master, or through Sentinel or Cluster",
        ),
        ErrorKind::Server(Server::NoPerm) => (
            false,
            "the user lacks a permission; the crate's documentation lists what is needed",
        ),
        ErrorKind::Server(Server::CrossSlot) => return cluster(),
        // "DB index is out of range", when a connection is set up.
        ErrorKind::Server(Server::ResponseError)
            if error.detail().is_some_and(|said| said.contains("DB index")) =>
        {
            (
                false,
                "the server has no database of the number in the URL; it has as many as its `databases` says (16 unless set), from 0 on",
            )
        }
        _ => match code {
            Some("OOM") => (
                false,
                "the server is out of memory and wrote nothing; raise maxmemory or let it evict",
            ),
            Some("MISCONF") => (
                false,
                "the server cannot save to its disk and refuses writes",
            ),
            Some("NOAUTH" | "WRONGPASS") => (
                false,
                "the server wants a user name and password; put them into the URL",
            ),
            Some("NOREPLICAS") => (
                true,
                "the server has fewer replicas than it wants for a write",
            ),
            Some("BUSY" | "UNBLOCKED") => (true, "the server is busy with another script"),
            Some("WRONGTYPE") => return foreign(),
            _ => (false, "the server refused the command"),
        },
    };
    let detail = code.map(Into::into);
    new(transient, Failure { what, detail })
}

fn io_failure(error: &RedisError) -> StoreError {
    // The client shares its cause between copies of the error.
    type Shared = Arc<dyn Error + Send + Sync>;
    let cause = Error::source(error)
        .and_then(|source| source.downcast_ref::<Shared>())
        .and_then(|shared| shared.downcast_ref::<io::Error>());
    let detail = cause.map(|error| error.kind().to_string().into());
    let what = if cause.is_some_and(is_tls) {
        "there was no agreement on TLS; check the certificates of both sides"
    } else if error.is_connection_refusal() {
        "nothing listens at the server's address"
    } else if error.is_timeout() {
        "the connection timed out"
    } else if error.is_connection_dropped() {
        "the connection broke"
    } else {
        "the connection failed"
    };
    new(true, Failure { what, detail })
}

#[cfg(feature = "tls")]
fn is_tls(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}

#[cfg(not(feature = "tls"))]
fn is_tls(_error: &io::Error) -> bool {
    false
}

pub(crate) fn timed_out(after: Duration) -> StoreError {
    let detail = Some(format!("{after:?}").into());
    let what = "there was no answer in time";
    new(true, Failure { what, detail })
}

pub(crate) fn foreign() -> StoreError {
    let what = "the key holds what this store did not write; it was left as it is: give the store a prefix of its own";
    new(false, Failure { what, detail: None })
}

pub(crate) fn answer() -> StoreError {
    let what = "the server gave an answer that the command does not have";
    new(true, Failure { what, detail: None })
}

pub(crate) fn too_large() -> StoreError {
    let what = "the subject is too long";
    new(false, Failure { what, detail: None })
}

pub(crate) fn url(what: &'static str) -> StoreError {
    new(false, Failure { what, detail: None })
}

/// What a server of a cluster says to who takes it for the only one.
pub(crate) fn cluster() -> StoreError {
    let what = "this is a node of a cluster; open it by a redis+cluster:// URL";
    new(false, Failure { what, detail: None })
}

/// What a single server says to who takes it for a cluster.
#[cfg(feature = "cluster")]
pub(crate) fn no_cluster() -> StoreError {
    let what = "the server is in no cluster, or its user may not ask it for its slots; a redis:// URL leads to a single one";
    new(false, Failure { what, detail: None })
}

fn new(transient: bool, failure: Failure) -> StoreError {
    if transient {
        StoreError::transient(STORE, failure)
    } else {
        StoreError::permanent(STORE, failure)
    }
}

/// The code if it is one that servers have. A proxy might put anything in its place.
fn known_code(code: &str) -> &'static str {
    const KNOWN: [&str; 28] = [
        "ASK",
        "BUSY",
        "BUSYGROUP",
        "CLUSTERDOWN",
        "CROSSSLOT",
        "DENIED",
        "ERR",
        "EXECABORT",
        "INPROG",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "MOVED",
        "NOAUTH",
        "NOGOODSLAVE",
        "NOMASTERLINK",
        "NOPERM",
        "NOPROTO",
        "NOREPLICAS",
        "NOSCRIPT",
        "NOTBUSY",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
        "UNKILLABLE",
        "WRONGPASS",
        "WRONGTYPE",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == code)
        .unwrap_or("unknown error")
}
