//! The connection: one, shared by all operations, replaced when it broke or no longer answers.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, RedisError,
    RedisResult, ServerErrorKind, Value,
};

use super::STORE;
use super::scripts::Script;
use super::url;
use crate::failure::{of_tls, permanent, timed_out, transient};

pub(super) struct Link {
    client: Client,
    timeout: Duration,
    current: Mutex<Current>,
    /// Held by who connects, so that one connection is made and not as many as there are waiting operations.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Counts the connections, so that an operation gives up the one that failed it and not its successor.
    generation: u64,
}

impl Link {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, StoreError> {
        Ok(Self {
            client: url::client(url)?,
            timeout,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    /// The first command, at which it is seen whether both sides speak TLS, or neither.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let tls = self.has_tls();
        // A server without TLS may wait for the end of what it takes for a line.
        let mut is_in_doubt = tls;
        let ping = async {
            let outcome = self.attempt(&redis::cmd("PING")).await;
            let why = outcome.as_ref().err();
            is_in_doubt = why.is_some_and(|error| hung_up(error) || (tls && error.is_timeout()));
            outcome
        };
        let answered = self.bounded(ping).await.map(drop);
        match (is_in_doubt, tls) {
            (false, _) => answered,
            (true, true) => Err(transient(
                STORE,
                "the server does not answer, or hangs up: does it speak TLS, for which rediss:// asks?",
            )),
            (true, false) => Err(transient(
                STORE,
                "the server hung up at the first command: does it want TLS, for which rediss:// asks?",
            )),
        }
    }

    fn has_tls(&self) -> bool {
        let address = self.client.get_connection_info().addr();
        matches!(address, ConnectionAddr::TcpTls { .. })
    }

    /// Runs a script by its digest; if the server has forgotten it, by its text.
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &[u8],
        arguments: &[&[u8]],
    ) -> Result<T, StoreError> {
        let call = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(1).arg(key).arg(arguments);
            command
        };
        let run = async {
            match self.attempt(&call("EVALSHA", &script.digest)).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.attempt(&call("EVAL", script.code)).await
                }
                outcome => outcome,
            }
        };
        let value = self.bounded(run).await?;
        redis::from_redis_value(value)
            .map_err(|_| transient(STORE, "the server gave an answer of another type"))
    }

    /// What comes within the time, if anything does. A connection on which nothing came is not used again.
    async fn bounded(
        &self,
        operation: impl Future<Output = RedisResult<Value>>,
    ) -> Result<Value, StoreError> {
        let generation = self.current().generation;
        match tokio::time::timeout(self.timeout, operation).await {
            Ok(outcome) => outcome.map_err(|error| failed(&error)),
            Err(_) => {
                self.give_up(generation);
                Err(timed_out(STORE, self.timeout))
            }
        }
    }

    async fn attempt(&self, command: &Cmd) -> RedisResult<Value> {
        let (mut connection, generation) = self.connection().await?;
        let outcome = connection.req_packed_command(command).await;
        // What the server refuses is a value until somebody makes an error of it.
        let outcome = outcome.and_then(Value::extract_error);
        if let Err(error) = &outcome
            && is_spent(error)
        {
            self.give_up(generation);
        }
        outcome
    }

    async fn connection(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        if let Some(found) = self.current().get() {
            return Ok(found);
        }
        let _alone = self.connecting.lock().await;
        if let Some(found) = self.current().get() {
            return Ok(found);
        }
        // The operation as a whole has a limit: no second one, which would end it earlier and keep the connection.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connection = connecting.await?;
        let mut current = self.current();
        current.generation += 1;
        current.connection = Some(connection.clone());
        Ok((connection, current.generation))
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
    fn get(&self) -> Option<(MultiplexedConnection, u64)> {
        Some((self.connection.clone()?, self.generation))
    }
}

/// Whether the connection is of no more use: it broke, or leads to what has become a replica.
fn is_spent(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// Whether there was a server, which said nothing that can be understood.
fn hung_up(error: &RedisError) -> bool {
    let nobody = matches!(
        cause(error).map(io::Error::kind),
        Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
    );
    error.kind() == ErrorKind::Parse || (error.is_connection_dropped() && !nobody)
}

/// In words that hold nothing of what was sent: a server repeats keys and values in some of its errors.
fn failed(error: &RedisError) -> StoreError {
    use ServerErrorKind as Server;

    if let Some(what) = cause(error).and_then(of_tls) {
        return transient(STORE, what);
    }
    match error.kind() {
        ErrorKind::Io if error.is_connection_refusal() => {
            transient(STORE, "nothing listens at the server's address")
        }
        ErrorKind::Io | ErrorKind::Parse => transient(STORE, "the connection broke"),
        ErrorKind::AuthenticationFailed | ErrorKind::Server(Server::NoPerm) => {
            permanent(STORE, "the server does not let the user do it")
        }
        ErrorKind::Server(
            Server::BusyLoading
            | Server::TryAgain
            | Server::ReadOnly
            | Server::MasterDown
            | Server::ClusterDown,
        ) => transient(STORE, "the server cannot take a command now"),
        _ => match error.code() {
            Some("OOM") => permanent(STORE, "the server is out of memory and wrote nothing"),
            Some("NOAUTH" | "WRONGPASS") => {
                permanent(STORE, "the server wants a user name and password")
            }
            Some("WRONGTYPE") => permanent(
                STORE,
                "the key holds what Flask-Session does not write; it was left as it is",
            ),
            Some("BUSY") => transient(STORE, "the server is busy with another script"),
            _ => permanent(STORE, "the server refused the command"),
        },
    }
}

/// What the system said.
fn cause(error: &RedisError) -> Option<&io::Error> {
    // The client shares it between copies of the error.
    type Shared = Arc<dyn Error + Send + Sync>;
    let shared = error.source()?.downcast_ref::<Shared>()?;
    shared.downcast_ref()
}
