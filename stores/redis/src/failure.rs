//! Errors. They quote nothing that was sent, because a server repeats keys and values in some of
//! its messages.

use std::borrow::Cow;
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
    what: Cow<'static, str>,
    /// The first word of the server's answer, or the system's error.
    detail: Option<Box<str>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

/// Inside an [`io::Error`]: the name service has no address for the host.
#[derive(Debug)]
pub(crate) struct UnknownHost;

impl fmt::Display for UnknownHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown host name")
    }
}

impl Error for UnknownHost {}

pub(crate) fn of(error: &RedisError) -> StoreError {
    use ServerErrorKind as Server;

    let code = error.code().map(known_code);
    let said = |text: &str| error.detail().is_some_and(|detail| detail.contains(text));
    let (transient, what) = match error.kind() {
        ErrorKind::Io => return io_failure(error),
        ErrorKind::Parse => (
            true,
            "the server's answer is not Redis protocol; check what listens at the URL's host and \
             port, and whether it wants TLS (rediss://)",
        ),
        ErrorKind::ClusterConnectionNotFound => (
            true,
            "no node of the cluster could be reached for this key; check that its nodes run, and \
             that the addresses they announce lead to them",
        ),
        ErrorKind::MasterNameNotFoundBySentinel => (
            true,
            "the sentinels have no healthy master of this name; check the last part of the URL, \
             and that the master runs",
        ),
        ErrorKind::NoValidReplicasFoundBySentinel | ErrorKind::EmptySentinelList => (
            true,
            "no sentinel could be used; check that those of the URL run",
        ),
        ErrorKind::AuthenticationFailed => return login(code),
        ErrorKind::InvalidClientConfig => (
            false,
            "the client cannot be set up with these settings; check the URL and the builder",
        ),
        ErrorKind::RESP3NotSupported => (
            false,
            "the server does not have RESP3; remove protocol=resp3 from the URL",
        ),
        ErrorKind::UnexpectedReturnType => (
            false,
            "the server's answer has an unexpected type; check that it is Redis 6.2 or newer, or \
             Valkey",
        ),
        ErrorKind::Server(Server::BusyLoading) => (
            true,
            "the server is still loading its data; try again when it is done",
        ),
        ErrorKind::Server(Server::TryAgain | Server::Moved | Server::Ask) => (
            true,
            "the cluster is moving this part of its data; try again",
        ),
        ErrorKind::Server(Server::ClusterDown | Server::MasterDown) => (
            true,
            "a master is down; start it, or wait until a replica takes over",
        ),
        ErrorKind::Server(Server::ReadOnly) => (
            true,
            "the server is a read-only replica; connect to the master, or through Sentinel or \
             Cluster",
        ),
        ErrorKind::Server(Server::NoPerm) => return forbidden(error),
        ErrorKind::Server(Server::CrossSlot) => return cluster(),
        // When a connection is set up. The client drops the code of the answer to `SELECT`.
        ErrorKind::Server(Server::ResponseError) if said("has no permissions") => {
            return forbidden(error);
        }
        ErrorKind::Server(Server::ResponseError) if said("DB index") => (
            false,
            "the server has no database of the number in the URL; it has as many as its \
             `databases` says (16 by default), from 0 on",
        ),
        ErrorKind::Server(Server::ResponseError) if said("max number of clients") => (
            true,
            "the server has as many clients as its maxclients allows; raise it, or try again when \
             others have left",
        ),
        ErrorKind::Server(Server::ResponseError) if said("nknown command") => (
            false,
            "the server does not have a command that the store needs; undo rename-command, or \
             connect without the proxy that blocks it (the crate's documentation lists the \
             commands)",
        ),
        _ => match code {
            Some("OOM") => (
                false,
                "the server is out of memory and wrote nothing; raise maxmemory or let it evict",
            ),
            Some("MISCONF") => (
                false,
                "the server cannot save to its disk and refuses writes; see its log, and make \
                 room or mend the disk",
            ),
            Some("NOAUTH" | "WRONGPASS") => return login(code),
            Some("DENIED") => (
                false,
                "the server runs in protected mode, which refuses other hosts; set a password on \
                 the server",
            ),
            Some("NOREPLICAS") => (
                true,
                "the server has fewer replicas than min-replicas-to-write asks for; start them",
            ),
            Some("BUSY" | "UNBLOCKED") => (
                true,
                "the server is busy with another script; try again when it has ended",
            ),
            Some("WRONGTYPE") => return foreign(),
            _ => (
                false,
                "the server refused the command; check that it is Redis 6.2 or newer, or Valkey",
            ),
        },
    };
    let detail = code.map(Into::into);
    new(transient, what, detail)
}

fn login(code: Option<&'static str>) -> StoreError {
    let what = match code {
        Some("NOAUTH") => {
            "the server requires a user name and password; put them into the URL, or give them by \
             `credentials`"
        }
        _ => "the server refused user name and password; check them in the URL",
    };
    let detail = code.map(Into::into);
    new(false, what, detail)
}

/// The error for a login that the application may change while it runs.
pub(crate) fn changing_login() -> StoreError {
    let what = "the server refused the user name and password that `credentials` returned; the \
                next attempt calls it again";
    new(true, what, None)
}

/// Says which permission is missing, if it is one of those that the store needs.
fn forbidden(error: &RedisError) -> StoreError {
    // "... has no permissions to run the 'select' command", or "... to access one of the keys".
    let detail = error.detail().unwrap_or_default();
    // The user's name, before it, may have such a mark too.
    let command = detail.rsplit('\'').nth(1).unwrap_or_default();
    let command = COMMANDS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(command));
    lacks(command)
}

/// The user lacks the permission for this command, or for the keys.
pub(crate) fn lacks(command: Option<&str>) -> StoreError {
    let what = match command {
        Some(_) => {
            "the user lacks the permission for a command; grant it as the crate's documentation \
             shows (ACL SETUSER)"
        }
        None => {
            "the user lacks a permission; grant the keys of the prefix and the commands that the \
             crate's documentation lists (ACL SETUSER)"
        }
    };
    let detail = command.map(|command| match command {
        // It takes the permission only where the URL names a database.
        "select" => "NOPERM: +select, for the database number in the URL".into(),
        command => format!("NOPERM: +{command}").into(),
    });
    let detail = detail.or_else(|| Some("NOPERM".into()));
    new(false, what, detail)
}

/// The sign in a server's first answer that it is not Redis.
pub(crate) fn no_redis() -> StoreError {
    let what = "the server does not speak Redis protocol; check host and port of the URL";
    new(false, what, None)
}

/// The server, or a proxy in front of it, does not have this command.
pub(crate) fn without_command(command: &str) -> StoreError {
    let what = "the server does not have a command that the store needs; undo rename-command, or \
                connect without the proxy that blocks it";
    let known = COMMANDS.into_iter().find(|known| *known == command);
    let detail = known.map(|command| command.to_ascii_uppercase().into());
    new(false, what, detail)
}

/// All that the store uses, so that nothing else is repeated in an error.
pub(crate) const COMMANDS: [&str; 28] = [
    "get",
    "mget",
    "set",
    "setrange",
    "getrange",
    "del",
    "pttl",
    "pexpireat",
    "expireat",
    "zadd",
    "zrem",
    "zscore",
    "zrange",
    "zremrangebyscore",
    "eval",
    "evalsha",
    "hello",
    "ping",
    "scan",
    "info",
    "select",
    "role",
    "client|tracking",
    "cluster|info",
    "cluster|nodes",
    "cluster|slots",
    "cluster",
    "asking",
];

fn io_failure(error: &RedisError) -> StoreError {
    // The client shares its cause between copies of the error.
    type Shared = Arc<dyn Error + Send + Sync>;
    let cause = Error::source(error)
        .and_then(|source| source.downcast_ref::<Shared>())
        .and_then(|shared| shared.downcast_ref::<io::Error>());
    let detail = cause.map(|error| error.kind().to_string().into());
    if let Some((transient, what)) = cause.and_then(of_tls) {
        return new(transient, what, None);
    }
    let unknown = cause.and_then(io::Error::get_ref);
    if unknown.is_some_and(<dyn Error + Send + Sync>::is::<UnknownHost>) {
        let what = "the name service does not have the host of the URL; check its spelling, and \
                    that the name service works";
        return new(true, what, None);
    }
    if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied) {
        let what = "the user of this process may not open the URL's socket; give it the right to \
                    write there (unixsocketperm)";
        return new(false, what, detail);
    }
    let what = if error.is_connection_refusal() {
        "nothing listens at the server's address; start the server or mend the URL"
    } else if error.is_timeout() {
        "the connection timed out; check that the server runs and that the network leads there"
    } else if error.is_connection_dropped() {
        "the connection broke; the next operation makes a new one"
    } else {
        "the connection failed; check host and port of the URL"
    };
    new(true, what, detail)
}

const NO_TLS: &str = "the TLS handshake failed: the server does not speak TLS at this port; check \
                      the port, or write redis:// instead of rediss://";

/// The server answers a client that does not use TLS.
pub(crate) fn no_tls() -> StoreError {
    new(false, NO_TLS, None)
}

/// Returns whether TLS failed: whether a retry can help, and how.
#[cfg(feature = "tls")]
fn of_tls(error: &io::Error) -> Option<(bool, &'static str)> {
    use rustls::Error as Tls;

    Some(match error.get_ref()?.downcast_ref::<Tls>()? {
        Tls::InvalidCertificate(_) => (
            false,
            "the TLS handshake failed: the server's certificate is not accepted; check its dates, \
             its host name and its authority (root_certificates)",
        ),
        Tls::AlertReceived(_) => (
            false,
            "the TLS handshake failed: the server refused; check the client's certificate \
             (client_certificate)",
        ),
        Tls::InvalidMessage(_) | Tls::PeerIncompatible(_) => (false, NO_TLS),
        _ => (
            true,
            "the TLS handshake failed; check the certificates of both sides",
        ),
    })
}

#[cfg(not(feature = "tls"))]
fn of_tls(_error: &io::Error) -> Option<(bool, &'static str)> {
    None
}

pub(crate) fn timed_out(after: Duration) -> StoreError {
    let what = format!(
        "the server did not answer within {after:?}; check that it runs and that the network leads \
         there"
    );
    new(true, what, None)
}

pub(crate) fn foreign() -> StoreError {
    let what = "the key holds a foreign value, which was left as it is; give the store a prefix of \
                its own";
    new(false, what, None)
}

pub(crate) fn answer() -> StoreError {
    let what = "the server's answer does not belong to the command; check the proxies in between";
    new(true, what, None)
}

pub(crate) fn too_large() -> StoreError {
    let what = "the subject is too long; it may have 4 GiB";
    new(false, what, None)
}

pub(crate) fn url(what: &'static str) -> StoreError {
    new(false, what, None)
}

/// A client of the application's own that cannot be used.
pub(crate) fn client(what: &'static str) -> StoreError {
    new(false, what, None)
}

/// The error of a listener where nothing is announced.
pub(crate) fn silent() -> StoreError {
    let what = "no ended session is announced here; set `Builder::announce_ends`, in every process";
    new(false, what, None)
}

/// The error of a listener in a cluster.
#[cfg(feature = "cluster")]
pub(crate) fn deaf() -> StoreError {
    let what = "announcements cannot be heard in a cluster; ended sessions are noticed within the \
                lease";
    new(false, what, None)
}

/// The error of a cache's listener where the server's announcements would miss some.
pub(crate) fn untracked() -> StoreError {
    let what = "changes of records cannot be followed behind a proxy; a cache uses each record for \
                its lease";
    new(false, what, None)
}

/// The error of a cache's listener with a cluster's client that does not show how to reach a node.
#[cfg(feature = "cluster")]
pub(crate) fn hidden() -> StoreError {
    let what = "changes of records cannot be followed with a client of a cluster, which does not \
                show its nodes; open the store by a redis+cluster:// URL";
    new(false, what, None)
}

/// The error of a cache's listener whose masters disagree.
#[cfg(feature = "cluster")]
pub(crate) fn changing() -> StoreError {
    let what = "the nodes of the cluster disagree about its masters, for now; the next attempt may \
                find one answer";
    new(true, what, None)
}

/// The error of a listener that is not where the store is.
pub(crate) fn elsewhere() -> StoreError {
    let what = "the connection for changes leads to another server than the store's, for now; the \
                next attempt may not";
    new(true, what, None)
}

/// The error of the first write to a replica. It is permanent unless something finds the master.
pub(crate) fn replica(transient: bool) -> StoreError {
    let what = "the server is a read-only replica; connect to the master, or through Sentinel or \
                Cluster";
    let detail = Some("READONLY".into());
    new(transient, what, detail)
}

/// An enumeration that cannot begin or go on.
pub(crate) fn no_enumeration(what: &'static str) -> StoreError {
    new(false, what, None)
}

/// The error of a cluster's server for a client of a single server.
pub(crate) fn cluster() -> StoreError {
    let what = "this is a node of a cluster; open it by a redis+cluster:// URL";
    new(false, what, None)
}

/// The error of a single server for a client of a cluster.
#[cfg(feature = "cluster")]
pub(crate) fn no_cluster() -> StoreError {
    let what = "the server is in no cluster, or its user may not ask it for its slots; a redis:// \
                URL leads to a single one";
    new(false, what, None)
}

fn new(
    transient: bool,
    what: impl Into<Cow<'static, str>>,
    detail: Option<Box<str>>,
) -> StoreError {
    let what = what.into();
    let failure = Failure { what, detail };
    if transient {
        StoreError::transient(STORE, failure)
    } else {
        StoreError::permanent(STORE, failure)
    }
}

/// Returns the code if it is one that servers have. A proxy might put anything in its place.
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
