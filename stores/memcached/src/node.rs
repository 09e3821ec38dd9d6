use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use cloakroom_store::StoreError;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::protocol::{Reply, Request};
use crate::url::Server;

/// A server and the connections to it.
#[derive(Debug)]
pub(crate) struct Node {
    server: Server,
    /// As many permits as there may be connections.
    turns: Semaphore,
    /// How long an operation may take.
    limit: Duration,
    /// Those that nobody uses, the last used one at the end.
    idle: Mutex<Vec<Connection>>,
    /// Goes up when a connection breaks: those made before are trusted no more.
    age: AtomicU64,
}

impl Node {
    /// `limit` is how long an operation may take.
    pub(crate) fn new(server: Server, connections: usize, limit: Duration) -> Self {
        Self {
            server,
            turns: Semaphore::new(connections),
            // There is a moment that is so far away.
            limit: limit.min(Duration::from_secs(365 * 24 * 60 * 60)),
            idle: Mutex::default(),
            age: AtomicU64::new(0),
        }
    }

    /// Sends a request once.
    pub(crate) async fn ask(&self, request: &Request<'_>) -> Result<Reply, StoreError> {
        let outcome = self.exchange(request, Instant::now()).await;
        self.told(outcome)
    }

    /// Sends a request that changes nothing, once more if the connection breaks: it may have been an old one.
    pub(crate) async fn ask_twice(&self, request: &Request<'_>) -> Result<Reply, StoreError> {
        let begin = Instant::now();
        let outcome = match self.exchange(request, begin).await {
            Err(Failure::Broken(_)) => self.exchange(request, begin).await,
            other => other,
        };
        self.told(outcome)
    }

    fn told(&self, outcome: Result<Reply, Failure>) -> Result<Reply, StoreError> {
        outcome.map_err(|failure| failure.into_error(self.limit))
    }

    /// Sends a request once, for an operation that began then.
    async fn exchange(&self, request: &Request<'_>, begin: Instant) -> Result<Reply, Failure> {
        let end = begin + self.limit;
        let _turn = self.turn(begin).await?;
        let age = self.age.load(Ordering::Acquire);
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => match timeout_at(end, Connection::open(&self.server, end)).await {
                Ok(connection) => connection?,
                Err(_) => {
                    self.distrust();
                    return Err(Failure::Late);
                }
            },
        };
        let reply = connection.exchange(request, end).await;
        match &reply {
            Ok(_) => self.give_back(connection, age),
            // The next one is not to wait on a connection that leads nowhere.
            Err(Failure::Broken(_) | Failure::Late) => self.distrust(),
            // What is on this connection now is not known; it says nothing about the others.
            Err(Failure::Refused(_) | Failure::Busy) => {}
        }
        reply
    }

    async fn turn(&self, begin: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        // Less than the operation has, so that those who wait for a server that hangs do not each get a connection when those
        // before them give up.
        let latest = begin + self.limit / 10 * 9;
        match timeout_at(latest, self.turns.acquire()).await {
            // Never closed, so there always is a permit to come. One that comes too late goes on to the next: they may all give up at
            // the same moment.
            Ok(turn) if Instant::now() < latest => turn.map_err(|_| Failure::Busy),
            _ => Err(Failure::Busy),
        }
    }

    /// Closes the connections that nobody uses, and those in use when they are given back.
    fn distrust(&self) {
        let mut idle = self.idle();
        self.age.fetch_add(1, Ordering::AcqRel);
        idle.clear();
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some(connection) = idle.pop() {
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    fn give_back(&self, connection: Connection, age: u64) {
        let mut idle = self.idle();
        if self.age.load(Ordering::Acquire) == age {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
