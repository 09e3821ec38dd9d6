use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::connections::Outlive;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use cloakroom_store::StoreError;

use crate::connection::Connection;
use crate::failure::{self, Failure};
use crate::protocol::{Refusal, Reply, Request};
use crate::url::Server;

/// A server and the connections to it. A handle.
#[derive(Clone, Debug)]
pub(crate) struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Server,
    /// As many permits as there may be connections.
    turns: Arc<Semaphore>,
    /// The time limit of an operation.
    limit: Duration,
    /// Connections that are not in use, the last used one at the end.
    idle: Mutex<Vec<Connection>>,
    /// Rises when a connection breaks: older connections are not trusted any more.
    age: AtomicU64,
    /// Counts answers. A wait that sees none of them was for a server that is away.
    answers: AtomicU64,
}

/// Whether a request may be sent again when the connection breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// The server may have done it already.
    Unsent,
    /// It changes nothing.
    Always,
}

impl Node {
    /// `limit` is the time limit of an operation.
    pub(crate) fn new(server: Server, connections: usize, limit: Duration) -> Self {
        Self(Arc::new(Inner {
            server,
            turns: Arc::new(Semaphore::new(connections)),
            // There is a moment that is so far away.
            limit: limit.min(Duration::from_secs(365 * 24 * 60 * 60)),
            idle: Mutex::default(),
            age: AtomicU64::new(0),
            answers: AtomicU64::new(0),
        }))
    }

    /// Sends a request so that it arrives once at most.
    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, StoreError> {
        self.run(request, Again::Unsent).await
    }

    /// Sends a request that changes nothing, once more if the connection breaks.
    pub(crate) async fn ask_twice(&self, request: Request) -> Result<Reply, StoreError> {
        self.run(request, Again::Always).await
    }

    /// Asks for nothing, and makes sure that Memcached answers.
    pub(crate) async fn greet(&self) -> Result<(), StoreError> {
        match self.outcome(Request::ping(), Again::Always).await {
            Ok(Reply::Pong) => Ok(()),
            Ok(_) | Err(Failure::Refused(Refusal::Garbled)) => Err(failure::no_memcached()),
            Err(failure) => Err(failure.into_error(self.0.limit)),
        }
    }

    async fn run(&self, request: Request, again: Again) -> Result<Reply, StoreError> {
        let outcome = self.outcome(request, again).await;
        outcome.map_err(|failure| failure.into_error(self.0.limit))
    }

    async fn outcome(&self, request: Request, again: Again) -> Result<Reply, Failure> {
        let begin = Instant::now();
        let turn = self.turn(begin).await?;
        let inner = Arc::clone(&self.0);
        let work = async move {
            let end = begin + inner.limit;
            let outcome = inner.exchange(&request, end, again).await;
            drop(turn);
            outcome
        };
        Outlive::new(work).await
    }

    async fn turn(&self, begin: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        let turns = &self.0.turns;
        if let Ok(turn) = Arc::clone(turns).try_acquire_owned() {
            return Ok(turn);
        }
        let before = self.0.answers.load(Ordering::Relaxed);
        // Less than the operation has. Otherwise each operation that waits for a server that hangs
        // makes a connection when those before it give up.
        let latest = begin + self.0.limit / 10 * 9;
        match timeout_at(latest, Arc::clone(turns).acquire_owned()).await {
            // A permit that comes too late goes on to the next operation: all may give up at once.
            Ok(Ok(turn)) if Instant::now() < latest => Ok(turn),
            _ if self.0.answers.load(Ordering::Relaxed) == before => Err(Failure::Late),
            _ => Err(Failure::Busy),
        }
    }
}

impl Inner {
    async fn exchange(
        &self,
        request: &Request,
        end: Instant,
        again: Again,
    ) -> Result<Reply, Failure> {
        match self.exchange_once(request, end).await {
            Err(Failure::Unsent(_)) => self.exchange_once(request, end).await,
            Err(Failure::Broken(_)) if again == Again::Always => {
                self.exchange_once(request, end).await
            }
            outcome => outcome,
        }
    }

    async fn exchange_once(&self, request: &Request, end: Instant) -> Result<Reply, Failure> {
        let age = self.age.load(Ordering::Acquire);
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.connect(end).await?,
        };
        let reply = connection.exchange(request, end).await;
        match &reply {
            Ok(_) => {
                self.answers.fetch_add(1, Ordering::Relaxed);
                self.give_back(connection, age);
            }
            // The next request must not wait on a connection that leads nowhere.
            Err(Failure::Broken(_) | Failure::Unsent(_) | Failure::Late) => self.distrust(),
            // This connection's state is unknown. The others are not affected.
            Err(_) => {
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
        reply
    }

    async fn connect(&self, end: Instant) -> Result<Connection, Failure> {
        match timeout_at(end, Connection::open(&self.server.place, end)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Failure::Unreachable(error)),
            Err(_) => {
                self.distrust();
                Err(Failure::Late)
            }
        }
    }

    /// Closes the idle connections now, and those in use when they are given back.
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
