use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

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
    /// How long one waits for a turn.
    patience: Duration,
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
            // Less, so that those who wait for a server that hangs do not each get a connection when those before them give up.
            patience: limit / 10 * 9,
            idle: Mutex::default(),
            age: AtomicU64::new(0),
        }
    }

    /// Sends a request once, and says what came back.
    pub(crate) async fn exchange(&self, request: &Request) -> Result<Reply, Failure> {
        // Never closed, so there always is a permit to come.
        let Ok(_turn) = timeout(self.patience, self.turns.acquire()).await else {
            return Err(Failure::Busy);
        };
        let age = self.age.load(Ordering::Acquire);
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => Connection::open(&self.server).await?,
        };
        let reply = connection.exchange(request).await;
        match &reply {
            Ok(_) => self.give_back(connection, age),
            Err(Failure::Broken(_)) => self.distrust(),
            // What is on this connection now is not known; it says nothing about the others.
            Err(Failure::Refused(_) | Failure::Busy) => {}
        }
        reply
    }

    /// Closes the connections that nobody uses, and those in use when they are given back.
    pub(crate) fn distrust(&self) {
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
