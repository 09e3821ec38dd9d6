//! A connection for a statement, which outlives the request that wanted it.

use std::pin::Pin;
use std::sync::Arc;
#[cfg(feature = "postgres")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom_store::connections::Outlive;
use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions as _, Database};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::STORE;
use super::failure::{self, Failure};
use crate::failure as said;

/// A statement on its way, on a connection that is lent for it.
pub(super) type Running<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// A handle to the pool, with a queue for its connections.
///
/// No operation waits in sqlx's pool for longer than a handshake. An operation that gives up in the
/// queue has cost nothing, and a task finishes what was begun.
pub(super) struct Connections<D: Database> {
    pool: sqlx::Pool<D>,
    /// The database, without user and password.
    place: Arc<str>,
    turns: Arc<Semaphore>,
    /// In SQLite one connection writes at a time: the queue of those in this process who want to.
    writers: Option<Arc<Semaphore>>,
    limit: Duration,
    /// Whether a prepared statement was found to be another one than was prepared.
    #[cfg(feature = "postgres")]
    is_mixed_up: Arc<AtomicBool>,
}

impl<D: Database> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            place: Arc::clone(&self.place),
            turns: Arc::clone(&self.turns),
            writers: self.writers.clone(),
            limit: self.limit,
            #[cfg(feature = "postgres")]
            is_mixed_up: Arc::clone(&self.is_mixed_up),
        }
    }
}

impl<D: Database> Connections<D> {
    pub(super) fn new(
        pool: sqlx::Pool<D>,
        place: String,
        limit: Duration,
        has_one_writer: bool,
    ) -> Self {
        let size = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        Self {
            pool,
            place: place.into(),
            turns: Arc::new(Semaphore::new(size.clamp(1, Semaphore::MAX_PERMITS))),
            writers: has_one_writer.then(|| Arc::new(Semaphore::new(1))),
            limit,
            #[cfg(feature = "postgres")]
            is_mixed_up: Arc::default(),
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Executes a statement that reads, or one that writes.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        writes: bool,
        statement: impl for<'c> FnOnce(&'c mut D::Connection) -> Running<'c, T> + Send + 'static,
    ) -> Result<T, Failure> {
        // Neither semaphore is closed, so that there always is a permit to come. The caller limits
        // the time.
        let writer = match &self.writers {
            Some(writers) if writes => Arc::clone(writers).acquire_owned().await.ok(),
            _ => None,
        };
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let lease = Outlive::new(Lease::take(self.clone(), [writer, turn])).await?;
        Outlive::new(lease.run(statement)).await
    }
}

#[cfg(feature = "postgres")]
impl Connections<sqlx::Postgres> {
    /// Returns whether prepared statements cannot be relied on, because something between here and
    /// the server changes connections.
    pub(super) fn is_mixed_up(&self) -> bool {
        self.is_mixed_up.load(Ordering::Relaxed)
    }

    /// Notes it.
    pub(super) fn mixed_up(&self) {
        self.is_mixed_up.store(true, Ordering::Relaxed);
    }
}

/// A connection for one statement. Dropped before the statement's end, it is closed: the pool would
/// wait for that statement first, and for ever if the server hangs.
struct Lease<D: Database> {
    connections: Connections<D>,
    connection: Option<PoolConnection<D>>,
    is_sound: bool,
    _turns: [Option<OwnedSemaphorePermit>; 2],
}

impl<D: Database> Lease<D> {
    async fn take(
        connections: Connections<D>,
        turns: [Option<OwnedSemaphorePermit>; 2],
    ) -> Result<Self, Failure> {
        let connection = match connections.pool.acquire().await {
            Ok(connection) => connection,
            Err(sqlx::Error::PoolTimedOut) => return Err(connections.why_none().await),
            Err(error) => return Err(failure::of(error)),
        };
        Ok(Self {
            connections,
            connection: Some(connection),
            is_sound: true,
            _turns: turns,
        })
    }

    async fn run<T>(
        mut self,
        statement: impl for<'c> FnOnce(&'c mut D::Connection) -> Running<'c, T>,
    ) -> Result<T, Failure> {
        // In SQLite the connection is of use whatever becomes of the statement.
        self.is_sound = self.connections.writers.is_some();
        let Some(connection) = &mut self.connection else {
            return Err(failure::of(sqlx::Error::PoolClosed));
        };
        let limit = self.connections.limit;
        let Ok(outcome) = tokio::time::timeout(limit, statement(connection)).await else {
            return Err(Failure::Other(said::timed_out(STORE, limit)));
        };
        self.is_sound |= matches!(outcome, Ok(_) | Err(sqlx::Error::Database(_)));
        outcome.map_err(failure::of)
    }
}

impl<D: Database> Connections<D> {
    /// Returns the reason why the pool gave no connection. If it has none, the server's own error
    /// has it.
    async fn why_none(&self) -> Failure {
        const MOMENT: Duration = Duration::from_secs(1);
        if self.pool.size() == 0 {
            let options = self.pool.connect_options();
            if let Ok(Err(error)) = tokio::time::timeout(MOMENT, options.connect()).await {
                return failure::of_handshake(error);
            }
        }
        failure::of(sqlx::Error::PoolTimedOut)
    }
}

impl<D: Database> Drop for Lease<D> {
    fn drop(&mut self) {
        // The pool tests what it gets back in a task, for which it needs a runtime.
        let has_runtime = tokio::runtime::Handle::try_current().is_ok();
        if let Some(connection) = self.connection.take()
            && !(self.is_sound && has_runtime)
        {
            drop(connection.detach());
        }
    }
}
