//! Connections, and one of them for a statement.
//!
//! sqlx asks a connection whether it is still there each time that it is given back to its pool: that is another round trip for
//! each statement, and nobody else can use the connection meanwhile. So the store keeps what it took from its own pool for the next
//! statement, and gives back what it has not needed for a while. Of an application's pool it keeps nothing.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use sqlx::Database;
use sqlx::pool::PoolConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::check::Check;
use crate::failure::{self, Codes, Failure};

/// A connection that nobody has needed for so long goes back to the pool, which will close it some day.
const UNUSED: Duration = Duration::from_secs(1);

/// So does one that was kept for so long, though it is in use all the time: the pool closes those that are old.
const LONGEST: Duration = Duration::from_secs(60);

/// What a statement does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Read,
    Write,
}

/// A pool, and what was taken from it.
pub(crate) struct Connections<D: Database> {
    pool: sqlx::Pool<D>,
    codes: &'static Codes,
    /// If the pool is the store's own.
    kept: Option<Arc<Kept<D>>>,
}

impl<D: Database> Connections<D> {
    /// Those of the store's own pool. A turn is waited for as long as `patience`.
    pub(crate) fn own(
        pool: sqlx::Pool<D>,
        codes: &'static Codes,
        check: Check,
        patience: Duration,
    ) -> Self {
        let size = usize::try_from(pool.options().get_max_connections());
        let size = size.map_or(Semaphore::MAX_PERMITS, |size| {
            size.min(Semaphore::MAX_PERMITS)
        });
        let kept = Kept {
            size,
            turns: Semaphore::new(size),
            patience,
            check,
            codes,
            idle: Mutex::new(Idle {
                connections: Vec::new(),
                is_watched: false,
            }),
        };
        Self {
            pool,
            codes,
            kept: Some(Arc::new(kept)),
        }
    }

    /// Those of an application's pool.
    pub(crate) fn of_application(pool: sqlx::Pool<D>, codes: &'static Codes) -> Self {
        Self {
            pool,
            codes,
            kept: None,
        }
    }

    /// Executes a statement on one of them.
    pub(crate) async fn run<T>(
        &self,
        what: What,
        statement: impl AsyncFnOnce(&mut D::Connection) -> sqlx::Result<T>,
    ) -> Result<T, Failure> {
        let outcome = match self.take().await {
            Ok(lease) => lease.run(what, statement).await,
            Err(error) => Err(error),
        };
        outcome.map_err(|error| failure::of(error, self.codes))
    }

    async fn take(&self) -> sqlx::Result<Lease<'_, D>> {
        let turn = match &self.kept {
            Some(kept) => Some(kept.turn().await?),
            None => None,
        };
        let mut lease = Lease {
            connections: self,
            one: None,
            _turn: turn,
        };
        if let Some(kept) = &self.kept {
            while let Some(one) = kept.pop() {
                // In the lease, so that it is closed if nobody waits for the check any more.
                let one = lease.one.insert(one);
                let (unused, age) = (one.used.elapsed(), one.since.elapsed());
                let connection = &mut *one.connection;
                if let Ok(true) = kept.check.is_passed(connection, unused, age).await {
                    return Ok(lease);
                }
                lease.close();
            }
        }
        lease.one = Some(One::new(self.pool.acquire().await?));
        Ok(lease)
    }
}

impl<D: Database> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            codes: self.codes,
            kept: self.kept.clone(),
        }
    }
}

/// What the store keeps of its own pool.
struct Kept<D: Database> {
    /// How many connections the pool has.
    size: usize,
    /// As many: who waits for a connection cannot wait at the pool, which does not see these.
    turns: Semaphore,
    patience: Duration,
    check: Check,
    codes: &'static Codes,
    idle: Mutex<Idle<D>>,
}

struct Idle<D: Database> {
    /// The last used one at the end.
    connections: Vec<One<D>>,
    /// Whether somebody gives back those that are not needed.
    is_watched: bool,
}

/// A connection outside of its pool.
struct One<D: Database> {
    connection: PoolConnection<D>,
    /// When it was taken from the pool.
    since: Instant,
    used: Instant,
}

impl<D: Database> One<D> {
    fn new(connection: PoolConnection<D>) -> Self {
        let now = Instant::now();
        Self {
            connection,
            since: now,
            used: now,
        }
    }

    /// Gives it back to the pool, which first asks whether it is still there. With a server that does not answer, that would
    /// take a place in the pool for ever.
    fn give_back(mut self, codes: &Codes) {
        const PATIENCE: Duration = Duration::from_secs(2);
        if !codes.in_this_process {
            tokio::spawn(tokio::time::timeout(
                PATIENCE,
                self.connection.return_to_pool(),
            ));
        }
    }
}

impl<D: Database> Kept<D> {
    async fn turn(&self) -> sqlx::Result<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let begin = Instant::now();
        match tokio::time::timeout(self.patience, self.turns.acquire()).await {
            // They are never closed. One that comes too late goes on to the next: when many give up at the same moment, those who
            // had a turn before those who waited, each of these would make a connection, and give it up at once.
            Ok(turn) if begin.elapsed() < self.patience => {
                turn.map_err(|_| sqlx::Error::PoolClosed)
            }
            _ => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Whether only one statement is under way.
    fn is_used_by_one(&self) -> bool {
        self.turns.available_permits() + 1 == self.size
    }

    fn pop(&self) -> Option<One<D>> {
        self.idle().connections.pop()
    }

    fn push(self: &Arc<Self>, one: One<D>) {
        let mut idle = self.idle();
        idle.connections.push(one);
        if !std::mem::replace(&mut idle.is_watched, true) {
            // Without the lock: a runtime that ends drops the task at once, which takes it.
            drop(idle);
            tokio::spawn(watch(Watch(Arc::downgrade(self))));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle<D>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Database> Drop for Kept<D> {
    /// Not back to the pool, which needs a runtime for that: it may have ended.
    fn drop(&mut self) {
        for one in self.idle().connections.drain(..) {
            drop(one.connection.detach());
        }
    }
}

/// Gives back the connections that nobody needs, until there is none.
async fn watch<D: Database>(mut watch: Watch<D>) {
    loop {
        tokio::time::sleep(UNUSED).await;
        let Some(kept) = watch.0.upgrade() else {
            return;
        };
        let mut idle = kept.idle();
        let is_needed = |one: &One<D>| one.used.elapsed() < UNUSED;
        let needed = idle.connections.iter().position(is_needed);
        let unused = needed.unwrap_or(idle.connections.len());
        for one in idle.connections.drain(..unused) {
            one.give_back(kept.codes);
        }
        if idle.connections.is_empty() {
            idle.is_watched = false;
            watch.0 = Weak::new();
            return;
        }
    }
}

/// Notes that nobody watches any more, if that is because the runtime ended.
struct Watch<D: Database>(Weak<Kept<D>>);

impl<D: Database> Drop for Watch<D> {
    fn drop(&mut self) {
        if let Some(kept) = self.0.upgrade() {
            kept.idle().is_watched = false;
        }
    }
}

/// Waits for an answer that is as good as there: at first without sleeping. SQLite's thread needs some microseconds for a record,
/// and to sleep and be woken takes longer. If the thread has no processor, it gets this one.
async fn awake<T>(answer: impl Future<Output = T>) -> T {
    const MOMENT: Duration = Duration::from_micros(30);
    let begin = Instant::now();
    let mut answer = pin!(answer);
    poll_fn(|context| {
        loop {
            match answer.as_mut().poll(context) {
                Poll::Pending if begin.elapsed() < MOMENT => std::thread::yield_now(),
                outcome => return outcome,
            }
        }
    })
    .await
}

/// A connection for one statement.
///
/// If it is dropped before the statement's end, or the connection broke, the connection is closed and not given back: the
/// pool would wait for that statement first, and for ever if the server hangs.
struct Lease<'a, D: Database> {
    connections: &'a Connections<D>,
    /// There until it is given back or closed.
    one: Option<One<D>>,
    _turn: Option<SemaphorePermit<'a>>,
}

impl<D: Database> Lease<'_, D> {
    async fn run<T>(
        mut self,
        what: What,
        statement: impl AsyncFnOnce(&mut D::Connection) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        let comes_at_once = what == What::Read
            && self.connections.codes.in_this_process
            && self
                .connections
                .kept
                .as_ref()
                .is_some_and(|kept| kept.is_used_by_one());
        let one = self.one.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        let outcome = match comes_at_once {
            true => awake(statement(&mut one.connection)).await,
            false => statement(&mut one.connection).await,
        };
        match &outcome {
            Ok(_) => self.keep(),
            Err(sqlx::Error::Database(_)) => self.give_back(),
            Err(_) => {}
        }
        outcome
    }

    fn keep(&mut self) {
        let now = Instant::now();
        match (&self.connections.kept, self.one.take()) {
            (Some(kept), Some(one)) if now.duration_since(one.since) < LONGEST => {
                kept.push(One { used: now, ..one });
            }
            (_, one) => {
                self.one = one;
                self.give_back();
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(one) = self.one.take() {
            one.give_back(self.connections.codes);
        }
    }

    /// Without another word to the server. In SQLite the pool gets it back, and it is at hand when the statement has ended.
    fn close(&mut self) {
        if let Some(one) = self.one.take()
            && !self.connections.codes.in_this_process
        {
            drop(one.connection.detach());
        }
    }
}

impl<D: Database> Drop for Lease<'_, D> {
    fn drop(&mut self) {
        self.close();
    }
}
