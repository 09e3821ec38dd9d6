//! The connection: one, shared by all operations, replaced when it broke or no longer answers.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use cloakroom_store::connections::{Flight, Gate, Outlive};
use redis::aio::ConnectionLike as _;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, RedisError,
    RedisResult, ServerErrorKind, Value,
};
use tokio::time::Instant;

use super::STORE;
use super::scripts::Script;
use super::url;
use super::way::Connection;
use crate::failure::{of_tls, permanent, timed_out, transient};

/// A handle.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    client: Client,
    timeout: Duration,
    gate: Arc<Gate>,
    current: Mutex<Current>,
    /// Held while a connection is made, so that all waiting operations share it.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Current {
    connection: Option<Connection>,
    /// Counts the connections. An operation gives up the one that failed it, not its successor.
    generation: u64,
}

impl Link {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Inner {
            client: url::client(url)?,
            timeout,
            gate: Arc::default(),
            current: Mutex::default(),
            connecting: Arc::default(),
        })))
    }

    /// The first command, at which it is seen whether both sides speak TLS, or neither.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let tls = self.has_tls();
        // A server without TLS may wait for the end of what it takes for a line.
        let mut is_in_doubt = tls;
        let deadline = self.deadline();
        let ping = async {
            let outcome = self.attempt(redis::cmd("PING"), deadline).await;
            let why = outcome.as_ref().err();
            is_in_doubt = why.is_some_and(|error| hung_up(error) || (tls && error.is_timeout()));
            outcome
        };
        let answered = self.bounded(ping).await.map(drop);
        match (is_in_doubt, tls) {
            (false, _) => answered,
            (true, true) => Err(transient(
                STORE,
                "the server does not answer, or closes the connection; check that it speaks TLS, \
                 or write redis://",
            )),
            (true, false) => Err(transient(
                STORE,
                "the server closed the connection at the first command; if it requires TLS, write \
                 rediss://",
            )),
        }
    }

    /// Returns the address and the database, without user and password.
    pub(super) fn place(&self) -> String {
        let info = self.0.client.get_connection_info();
        format!("{}/{}", info.addr(), info.redis_settings().db())
    }

    fn has_tls(&self) -> bool {
        let address = self.0.client.get_connection_info().addr();
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
        let deadline = self.deadline();
        let run = async {
            match self
                .attempt(call("EVALSHA", &script.digest), deadline)
                .await
            {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.attempt(call("EVAL", script.code), deadline).await
                }
                outcome => outcome,
            }
        };
        let value = self.bounded(run).await?;
        redis::from_redis_value(value).map_err(|_| {
            transient(
                STORE,
                "the server's answer has an unexpected type; check the \
                                           proxies in between",
            )
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.0.timeout
    }

    /// Returns the answer if it comes in time. A connection without an answer is not used again.
    async fn bounded(
        &self,
        operation: impl Future<Output = RedisResult<Value>>,
    ) -> Result<Value, StoreError> {
        let generation = self.0.current().generation;
        match tokio::time::timeout(self.0.timeout, operation).await {
            Ok(outcome) => outcome.map_err(|error| failed(&error)),
            Err(_) => {
                self.0.give_up(generation);
                Err(timed_out(STORE, self.0.timeout))
            }
        }
    }

    /// Sends a command. Sends it again if the server cannot have received it.
    async fn attempt(&self, mut command: Cmd, deadline: Instant) -> RedisResult<Value> {
        let mut tries = 0;
        loop {
            self.0.gate.pass().await;
            let outcome;
            (command, outcome) = self.attempt_once(command, deadline).await;
            match outcome {
                Err((error, true)) if tries < 2 && hung_up(&error) => tries += 1,
                outcome => return outcome.map_err(|(error, _)| error),
            }
        }
    }

    /// Gives the command back. An error comes with whether it was certainly not sent.
    async fn attempt_once(
        &self,
        command: Cmd,
        deadline: Instant,
    ) -> (Cmd, Result<Value, (RedisError, bool)>) {
        let (mut connection, generation) = match self.connection().await {
            Ok(found) => found,
            Err(error) => return (command, Err((error, true))),
        };
        let inner = Arc::clone(&self.0);
        let work = async move {
            let before = connection.written();
            let outcome = connection.client.req_packed_command(&command).await;
            // The client gives a refusal of the server as a value.
            let outcome = outcome.and_then(Value::extract_error).map_err(|error| {
                if is_spent(&error) {
                    inner.give_up(generation);
                }
                let unsent = before.is_some() && connection.written() == before;
                (error, unsent)
            });
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
            // The operation as a whole has a limit. A second one would end it earlier, and keep
            // the connection.
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(inner.timeout))
                .set_response_timeout(None);
            let opening = Connection::open(&inner.client, &config);
            let connection = match tokio::time::timeout(inner.timeout, opening).await {
                Ok(connection) => connection?,
                Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            };
            let mut current = inner.current();
            current.generation += 1;
            current.connection = Some(connection.clone());
            Ok((connection, current.generation))
        })
        .await
    }
}

impl Inner {
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

/// Returns whether the connection is useless: it broke, or leads to a server that has become a
/// replica.
fn is_spent(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// Returns whether there was a server without an intelligible answer.
fn hung_up(error: &RedisError) -> bool {
    let nobody = matches!(
        cause(error).map(io::Error::kind),
        Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
    );
    error.kind() == ErrorKind::Parse || (error.is_connection_dropped() && !nobody)
}

/// In words that hold nothing of what was sent: a server repeats keys and values in some of its
/// errors.
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
            permanent(STORE, "the user lacks a permission; grant it (ACL SETUSER)")
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
            Some("NOAUTH" | "WRONGPASS") => permanent(
                STORE,
                "the server requires a user name and password; put them into \
                                  SESSION_REDIS",
            ),
            Some("WRONGTYPE") => permanent(
                STORE,
                "the key holds a value that Flask-Session does not write, which was left as it is; \
                 use another SESSION_KEY_PREFIX",
            ),
            Some("BUSY") => transient(STORE, "the server is busy with another script"),
            _ => permanent(STORE, "the server refused the command"),
        },
    }
}

/// The system's error.
fn cause(error: &RedisError) -> Option<&io::Error> {
    // The client shares it between copies of the error.
    type Shared = Arc<dyn Error + Send + Sync>;
    let shared = error.source()?.downcast_ref::<Shared>()?;
    shared.downcast_ref()
}
