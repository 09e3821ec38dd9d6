//! The connection: one, shared by all operations of a store, replaced when it broke or no longer answers.
//!
//! The client's own `ConnectionManager` reconnects when a connection breaks, but not when a server (or what is between)
//! silently stops answering, and always to the same address; here a time-out is a reason too, and each new connection asks
//! the sentinels anew.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisFuture,
    RedisResult, ServerErrorKind, Value,
};

use tokio::time::Instant;

use crate::failure;
use crate::scripts::Script;

/// Where the server is, and how to get there.
pub(crate) enum Target {
    One(Client),
    #[cfg(feature = "sentinel")]
    Sentinel(tokio::sync::Mutex<redis::sentinel::SentinelClient>),
    #[cfg(feature = "cluster")]
    Cluster(Box<crate::cluster::Cluster>),
}

pub(crate) struct Link {
    target: Target,
    timeout: Duration,
    current: Mutex<Current>,
    /// Held by who connects, so that one connection is made and not as many as there are waiting operations.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    connection: Option<Connection>,
    /// Counts the connections, so that an operation gives up the one that failed it and not its successor.
    generation: u64,
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// What an operation does, which decides whether it may be sent again after a connection broke.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// It may.
    Read,
    /// It may have been done: only who asked for it can find out.
    Write,
}

impl Link {
    pub(crate) fn new(target: Target, timeout: Duration) -> Self {
        Self {
            target,
            timeout,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        match &self.target {
            Target::One(_) => false,
            #[cfg(feature = "sentinel")]
            Target::Sentinel(_) => false,
            #[cfg(feature = "cluster")]
            Target::Cluster(_) => true,
        }
    }

    /// Sends a command and waits for its answer, for the stated time at most.
    pub(crate) async fn command<T: FromRedisValue>(
        &self,
        command: &Cmd,
        does: Does,
    ) -> Result<T, StoreError> {
        let run = async |deadline| self.attempts(command, does, deadline).await;
        let value = self.bounded(run).await?;
        self.understood(value)
    }

    /// Runs a script by its digest; if the server has forgotten it, by its text.
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
            match self.attempts(&by_digest, does, deadline).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    let whole = call("EVAL", &script.code);
                    self.attempts(&whole, does, deadline).await
                }
                outcome => outcome,
            }
        };
        let value = self.bounded(run).await?;
        self.understood(value)
    }

    /// What comes within the time, if anything does. A connection on which nothing came is not used again.
    async fn bounded(
        &self,
        operation: impl AsyncFnOnce(Instant) -> RedisResult<Value>,
    ) -> Result<RedisResult<Value>, StoreError> {
        let generation = self.current().generation;
        let deadline = Instant::now() + self.timeout;
        match tokio::time::timeout_at(deadline, operation(deadline)).await {
            Ok(outcome) => Ok(outcome),
            Err(_) => {
                self.give_up(generation);
                Err(failure::timed_out(self.timeout))
            }
        }
    }

    /// Sends a command, and again as long as that cannot do harm and may help.
    async fn attempts(&self, command: &Cmd, does: Does, deadline: Instant) -> RedisResult<Value> {
        let mut tries = 0;
        loop {
            let error = match self.attempt(command).await {
                Err(error) => error,
                done => return done,
            };
            tries += 1;
            let harmless = is_refusal(&error) || (does == Does::Read && is_broken(&error));
            if !harmless || (tries > 1 && !self.is_cluster()) {
                return Err(error);
            }
            if self.is_cluster() {
                // Until the client has learned how the cluster is now, or the cluster has decided that itself.
                let pause = Duration::from_millis(10 * tries.min(10));
                if Instant::now() + pause > deadline {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn attempt(&self, command: &Cmd) -> RedisResult<Value> {
        let (mut connection, generation) = self.connection().await?;
        // What the server refuses is a value until somebody makes an error of it.
        let outcome = connection.send(command).await;
        let outcome = outcome.and_then(Value::extract_error);
        match outcome {
            #[cfg(feature = "cluster")]
            Err(error)
                if error.kind() == ErrorKind::Server(ServerErrorKind::Ask)
                    && let Target::Cluster(cluster) = &self.target =>
            {
                cluster.ask(command, error, &self.config()).await
            }
            Err(error) => {
                if self.is_spent(&error) {
                    self.give_up(generation);
                }
                Err(error)
            }
            done => done,
        }
    }

    async fn connection(&self) -> RedisResult<(Connection, u64)> {
        if let Some(found) = self.current().get() {
            return Ok(found);
        }
        let _alone = self.connecting.lock().await;
        if let Some(found) = self.current().get() {
            return Ok(found);
        }
        let connection = self.connect().await?;
        let mut current = self.current();
        current.generation += 1;
        current.connection = Some(connection.clone());
        Ok((connection, current.generation))
    }

    async fn connect(&self) -> RedisResult<Connection> {
        let config = self.config();
        match &self.target {
            Target::One(client) => {
                let connection = client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await?;
                Ok(Connection::One(connection))
            }
            #[cfg(feature = "sentinel")]
            Target::Sentinel(client) => {
                let mut client = client.lock().await;
                let connection = client.get_async_connection_with_config(&config).await?;
                Ok(Connection::One(connection))
            }
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => Ok(Connection::Cluster(cluster.connect().await?)),
        }
    }

    fn config(&self) -> AsyncConnectionConfig {
        // The operation as a whole has a limit: no second one, which would end it earlier and keep the connection.
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None)
    }

    /// Whether the connection is of no more use: it broke, or leads to what has become a replica.
    fn is_spent(&self, error: &RedisError) -> bool {
        let replica = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        // A cluster's client finds the new master by itself.
        error.is_io_error() || error.is_unrecoverable_error() || (replica && !self.is_cluster())
    }

    fn understood<T: FromRedisValue>(&self, outcome: RedisResult<Value>) -> Result<T, StoreError> {
        use ServerErrorKind::{Ask, ClusterDown, Moved};
        #[cfg(feature = "cluster")]
        use ServerErrorKind::{NoPerm, ResponseError};

        let value = outcome.map_err(|error| match error.kind() {
            ErrorKind::Server(Ask | ClusterDown | Moved) if !self.is_cluster() => {
                failure::cluster()
            }
            // There has been no connection yet: what is refused is the question for the slots.
            #[cfg(feature = "cluster")]
            ErrorKind::Server(ResponseError | NoPerm)
                if self.is_cluster() && self.current().generation == 0 =>
            {
                failure::no_cluster()
            }
            _ => failure::of(&error),
        })?;
        redis::from_redis_value(value).map_err(|_| failure::answer())
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
    fn send<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        use redis::aio::ConnectionLike;

        match self {
            Self::One(connection) => connection.req_packed_command(command),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own output has the user's name in it.
        f.debug_struct("Link")
            .field("cluster", &self.is_cluster())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn is_broken(error: &RedisError) -> bool {
    (error.is_connection_dropped() && !error.is_connection_refusal())
        || error.kind() == ErrorKind::ClusterConnectionNotFound
}

/// Whether a server said that it did not do it, and another one might.
fn is_refusal(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};

    matches!(
        error.kind(),
        ErrorKind::Server(Ask | ClusterDown | MasterDown | Moved | ReadOnly | TryAgain)
    )
}
