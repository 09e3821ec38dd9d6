//! The connection: one, shared by all operations of a store, replaced when it broke or no longer
//! answers.
//!
//! The client's own `ConnectionManager` reconnects only after a connection broke, and always to the
//! same address. It misses a server, or a device on the way, that silently stops answering. Here a
//! timeout is a reason too, and each new connection asks the sentinels again.

#[cfg(feature = "sentinel")]
mod master;
mod pushing;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use cloakroom_store::connections::{Flight, Gate, Outlive};
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult,
    ServerErrorKind, Value,
};

use tokio::time::Instant;

use crate::failure;
#[cfg(feature = "cluster")]
use crate::heard::Heard;
use crate::scripts::Script;
use crate::way::{Login, One, Way};

/// Where the server is, and how to get there.
pub(crate) enum Target {
    One(Way),
    #[cfg(feature = "sentinel")]
    Sentinel {
        client: tokio::sync::Mutex<redis::sentinel::SentinelClient>,
        #[cfg(feature = "tls")]
        connector: Option<crate::tls::Connector>,
    },
    #[cfg(feature = "cluster")]
    Cluster(Box<crate::cluster::Cluster>),
}

/// A handle.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    target: Target,
    /// Asked for each new connection.
    login: Option<Login>,
    timeout: Duration,
    gate: Arc<Gate>,
    current: Mutex<Current>,
    /// Held while a connection is made, so that all waiting operations share it.
    connecting: Arc<tokio::sync::Mutex<()>>,
    /// A proxy keeps different keys on different servers.
    spread: AtomicBool,
    /// For a cluster.
    #[cfg(feature = "cluster")]
    heard: Option<Heard>,
}

#[derive(Default)]
struct Current {
    connection: Option<Connection>,
    /// Counts the connections. An operation gives up the one that failed it, not its successor.
    generation: u64,
}

#[derive(Clone)]
enum Connection {
    One(One),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// The kind of an operation, which decides whether it may be sent again after a connection broke.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// It may.
    Read,
    /// It may have been done, and only the caller can find out.
    Write,
}

/// How an attempt failed.
struct Fault {
    error: RedisError,
    /// The server cannot have received the command.
    unsent: bool,
}

impl Link {
    pub(crate) fn new(target: Target, login: Option<Login>, timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            #[cfg(feature = "cluster")]
            heard: matches!(target, Target::Cluster(_)).then(Heard::new),
            target,
            login,
            timeout,
            gate: Arc::default(),
            current: Mutex::default(),
            connecting: Arc::default(),
            spread: AtomicBool::new(false),
        }))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.0.is_cluster()
    }

    /// Returns whether each new connection looks up the master again.
    pub(crate) fn finds_master(&self) -> bool {
        !matches!(self.0.target, Target::One(_))
    }

    /// Gives up the connection, which does not lead to the master.
    pub(crate) fn leave(&self) {
        let generation = self.0.current().generation;
        self.0.give_up(generation);
    }

    /// Returns whether a script reaches the keys of one record alone, and not its subject's list
    /// too.
    pub(crate) fn is_spread(&self) -> bool {
        self.is_cluster() || self.0.spread.load(Ordering::Relaxed)
    }

    pub(crate) fn set_spread(&self) {
        self.0.spread.store(true, Ordering::Relaxed);
    }

    /// Sends a command and waits for its answer, for the stated time at most.
    pub(crate) async fn command<T: FromRedisValue>(
        &self,
        command: Cmd,
        does: Does,
    ) -> Result<T, StoreError> {
        let value = self.outcome(command, does).await?;
        self.understood(value)
    }

    /// The same, with what the server refuses as a value.
    pub(crate) async fn outcome(
        &self,
        command: Cmd,
        does: Does,
    ) -> Result<RedisResult<Value>, StoreError> {
        let run = async |deadline| self.attempts(command, does, deadline).await;
        self.bounded(run).await
    }

    /// Runs a script by its digest. A server that does not have it gets its text.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        does: Does,
    ) -> Result<T, StoreError> {
        let call = |name: &str, what: &str| {
            let strings = || keys.iter().chain(arguments);
            let bytes: usize = strings().map(|string| string.len()).sum();
            // All that is to come, and its number, so that it is not moved while it grows.
            let mut command =
                Cmd::with_capacity(3 + strings().count(), name.len() + what.len() + bytes + 4);
            command.arg(name).arg(what).arg(keys.len());
            command.arg(keys).arg(arguments);
            command
        };
        let run = async |deadline| {
            let by_digest = call("EVALSHA", &script.digest);
            match self.attempts(by_digest, does, deadline).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    let whole = call("EVAL", &script.code);
                    self.attempts(whole, does, deadline).await
                }
                outcome => outcome,
            }
        };
        let value = self.bounded(run).await?;
        self.understood(value)
    }

    /// Returns the answer if it comes in time. A connection without an answer is not used again.
    async fn bounded(
        &self,
        operation: impl AsyncFnOnce(Instant) -> RedisResult<Value>,
    ) -> Result<RedisResult<Value>, StoreError> {
        let generation = self.0.current().generation;
        let deadline = Instant::now() + self.0.timeout;
        match tokio::time::timeout_at(deadline, operation(deadline)).await {
            Ok(outcome) => Ok(outcome),
            Err(_) => {
                self.0.give_up(generation);
                Err(failure::timed_out(self.0.timeout))
            }
        }
    }

    /// Sends a command, and again as long as that cannot do harm and may help.
    async fn attempts(
        &self,
        mut command: Cmd,
        does: Does,
        deadline: Instant,
    ) -> RedisResult<Value> {
        #[cfg(feature = "cluster")]
        if let (Some(heard), Does::Write) = (&self.0.heard, does)
            && let Some(question) = heard.question(&command)
        {
            // A refusal is a sign of life too.
            let answer = Box::pin(self.attempts(question, Does::Read, deadline)).await;
            if let Err(error) = answer
                && is_broken(&error)
            {
                return Err(error);
            }
        }
        let mut tries = 0;
        loop {
            self.0.gate.pass().await;
            let outcome;
            (command, outcome) = self.attempt(command, deadline).await;
            let Fault { error, unsent } = match outcome {
                Err(fault) => fault,
                Ok(done) => {
                    #[cfg(feature = "cluster")]
                    if let Some(heard) = &self.0.heard {
                        heard.note(&command);
                    }
                    return Ok(done);
                }
            };
            tries += 1;
            let harmless = is_refusal(&error) || unsent || does == Does::Read;
            let helps = is_refusal(&error) || is_broken(&error) || self.0.is_login(&error);
            // A proxy may close several connections at once, each found out by one attempt.
            let most = if unsent { 3 } else { 2 };
            if !(harmless && helps) || (tries >= most && !self.is_cluster()) {
                return Err(error);
            }
            if self.is_cluster() {
                // The client refreshes its view of the cluster, or the cluster redirects.
                let pause = Duration::from_millis(10 * tries.min(10));
                if Instant::now() + pause > deadline {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Sends a command once, and gives it back with the outcome.
    async fn attempt(&self, command: Cmd, deadline: Instant) -> (Cmd, Result<Value, Fault>) {
        let (connection, generation) = match self.connection().await {
            Ok(found) => found,
            Err(error) => {
                let unsent = true;
                return (command, Err(Fault { error, unsent }));
            }
        };
        let inner = Arc::clone(&self.0);
        let work = async move {
            let outcome = inner.send(&command, connection, generation).await;
            (command, outcome)
        };
        Flight::new(Arc::clone(&self.0.gate), deadline, work).await
    }

    async fn connection(&self) -> RedisResult<(Connection, u64)> {
        if let Some(found) = self.0.current().get() {
            return Ok(found);
        }
        let alone = Arc::clone(&self.0.connecting).lock_owned().await;
        if let Some(found) = self.0.current().get() {
            return Ok(found);
        }
        let inner = Arc::clone(&self.0);
        // A cancelled request does not leave its handshake to the next one.
        Outlive::new(async move {
            let _alone = alone;
            let connecting = tokio::time::timeout(inner.timeout, inner.connect());
            let connection = match connecting.await {
                Ok(connection) => connection?,
                Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            };
            let mut current = inner.current();
            current.generation += 1;
            current.connection = Some(connection.clone());
            Ok((connection, current.generation))
        })
        .await
    }

    /// Counts the connections.
    pub(crate) fn generation(&self) -> u64 {
        self.0.current().generation
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    fn understood<T: FromRedisValue>(&self, outcome: RedisResult<Value>) -> Result<T, StoreError> {
        let value = outcome.map_err(|error| self.failed(&error))?;
        redis::from_redis_value(value).map_err(|_| failure::answer())
    }

    pub(crate) fn failed(&self, error: &RedisError) -> StoreError {
        use ServerErrorKind::{Ask, ClusterDown, Moved};
        #[cfg(feature = "cluster")]
        use ServerErrorKind::{NoPerm, ResponseError};

        match error.kind() {
            ErrorKind::Server(Ask | ClusterDown | Moved) if !self.is_cluster() => {
                failure::cluster()
            }
            // There has been no connection yet: the question for the slots was refused.
            #[cfg(feature = "cluster")]
            ErrorKind::Server(ResponseError | NoPerm)
                if self.is_cluster() && self.0.current().generation == 0 =>
            {
                failure::no_cluster()
            }
            _ if self.0.is_login(error) => failure::changing_login(),
            _ => failure::of(error),
        }
    }
}

impl Inner {
    fn is_cluster(&self) -> bool {
        match &self.target {
            Target::One(_) => false,
            #[cfg(feature = "sentinel")]
            Target::Sentinel { .. } => false,
            #[cfg(feature = "cluster")]
            Target::Cluster(_) => true,
        }
    }

    async fn send(
        &self,
        command: &Cmd,
        mut connection: Connection,
        generation: u64,
    ) -> Result<Value, Fault> {
        let before = connection.written();
        // The client gives a refusal of the server as a value.
        let outcome = connection.send(command).await;
        let error = match outcome.and_then(Value::extract_error) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        #[cfg(feature = "cluster")]
        if let (Target::Cluster(cluster), Connection::Cluster(connection)) =
            (&self.target, &connection)
            && error.kind() == ErrorKind::Server(ServerErrorKind::Ask)
        {
            let config = self.config();
            let asked = cluster.ask(command, connection.clone(), error, &config);
            let asked = asked.await.and_then(Value::extract_error);
            return asked.map_err(|error| Fault {
                error,
                unsent: false,
            });
        }
        if self.is_spent(&error) {
            self.give_up(generation);
        }
        let unsent = before.is_some() && connection.written() == before;
        Err(Fault { error, unsent })
    }

    async fn connect(&self) -> RedisResult<Connection> {
        let (login, config) = (self.login.as_ref(), self.config());
        match &self.target {
            Target::One(way) => Ok(Connection::One(way.open(login, &config).await?)),
            #[cfg(feature = "sentinel")]
            Target::Sentinel {
                client,
                #[cfg(feature = "tls")]
                connector,
            } => {
                let way = master::master(
                    client,
                    #[cfg(feature = "tls")]
                    connector,
                );
                Ok(Connection::One(way.await?.open(login, &config).await?))
            }
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => Ok(Connection::Cluster(cluster.connect().await?)),
        }
    }

    fn config(&self) -> AsyncConnectionConfig {
        // The operation as a whole has a limit. A second one would end it earlier, and keep the
        // connection.
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None)
    }

    /// Returns whether the connection is useless: it broke, or leads to a server that has become a
    /// replica.
    fn is_spent(&self, error: &RedisError) -> bool {
        let replica = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        // A cluster's client finds the new master by itself.
        error.is_io_error()
            || error.is_unrecoverable_error()
            || (replica && !self.is_cluster())
            || self.is_login(error)
            // A node behind it may have another password by now.
            || (self.login.is_some() && error.kind() == ErrorKind::ClusterConnectionNotFound)
    }

    /// Returns whether the server refused a login that may be another one at the next attempt.
    fn is_login(&self, error: &RedisError) -> bool {
        self.login.is_some()
            && (error.kind() == ErrorKind::AuthenticationFailed
                || matches!(error.code(), Some("NOAUTH" | "WRONGPASS")))
    }

    fn give_up(&self, generation: u64) {
        let mut current = self.current();
        if current.generation == generation {
            current.connection = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // No panic is possible while it is held.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn get(&self) -> Option<(Connection, u64)> {
        Some((self.connection.clone()?, self.generation))
    }
}

impl Connection {
    fn send<'a>(&'a mut self, command: &'a Cmd) -> redis::RedisFuture<'a, Value> {
        use redis::aio::ConnectionLike;

        match self {
            Self::One(one) => one.connection.req_packed_command(command),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    /// Changes with everything that is sent; `None` if that is unknown.
    fn written(&self) -> Option<u64> {
        match self {
            Self::One(one) => one.written(),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => None,
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own output has the user's name in it.
        f.debug_struct("Link")
            .field("cluster", &self.is_cluster())
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}

fn is_broken(error: &RedisError) -> bool {
    (error.is_connection_dropped() && !error.is_connection_refusal())
        || error.kind() == ErrorKind::ClusterConnectionNotFound
}

/// Returns whether the server did nothing, and another one may accept the command.
fn is_refusal(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};

    matches!(
        error.kind(),
        ErrorKind::Server(Ask | ClusterDown | MasterDown | Moved | ReadOnly | TryAgain)
    )
}
