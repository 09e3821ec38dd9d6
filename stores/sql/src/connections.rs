//! Connections, and one of them for a statement.
//!
//! The store keeps its own connections instead of sqlx's pool. That pool tests a connection each
//! time it is returned, which costs another round trip per statement. It also closes a connection
//! whose statement was dropped half way, and hides the reason why none could be made.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
#[cfg(feature = "postgres")]
use std::sync::OnceLock;
#[cfg(feature = "postgres")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_store::connections::Outlive;
use sqlx::Database;
use sqlx::pool::PoolConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::check::{Check, Verdict};
use crate::deadline::Deadline;
use crate::failure::{self, Codes, Failure};
use crate::kept::{Connect, Kept, One};
use crate::turns::Turns;

/// The kind of a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Reads one row.
    Read,
    /// Reads any number of rows.
    List,
    Write,
}

/// A statement on its way, on a connection that is lent for it.
pub(crate) type Running<'c, T> =
    std::pin::Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// Where the connections come from, and whose turn it is to have one. A handle.
pub(crate) struct Connections<D: Database>(Arc<Shared<D>>);

struct Shared<D: Database> {
    source: Source<D>,
    /// The database, without user and password. None of one in memory.
    place: Option<String>,
    turns: Turns,
    /// Where the database lets one connection write at a time: the queue of those in this process
    /// who want to. The database would let them wait without an order, and asleep.
    writers: Option<Arc<Semaphore>>,
    codes: &'static Codes,
    /// Whether a prepared statement was found to be another one than was prepared.
    #[cfg(feature = "postgres")]
    is_mixed_up: AtomicBool,
    /// Of the store's own, for a connection beside them.
    #[cfg(feature = "postgres")]
    options: OnceLock<sqlx::postgres::PgConnectOptions>,
}

enum Source<D: Database> {
    Own(Arc<Kept<D>>),
    Application(sqlx::Pool<D>),
}

impl<D: Database> Connections<D> {
    /// The store's own. At most `size` of them.
    pub(crate) fn own(
        connect: Connect<D>,
        place: Option<String>,
        size: u32,
        codes: &'static Codes,
        check: Check,
    ) -> Self {
        let kept = Kept::new(connect, check, codes);
        Self::new(Source::Own(Arc::new(kept)), place, size, codes)
    }

    /// Those of an application's pool.
    pub(crate) fn of_application(
        pool: sqlx::Pool<D>,
        place: Option<String>,
        codes: &'static Codes,
    ) -> Self {
        let size = pool.options().get_max_connections();
        Self::new(Source::Application(pool), place, size, codes)
    }

    fn new(source: Source<D>, place: Option<String>, size: u32, codes: &'static Codes) -> Self {
        Self(Arc::new(Shared {
            source,
            place,
            turns: Turns::new(size),
            writers: codes.in_this_process.then(|| Arc::new(Semaphore::new(1))),
            codes,
            #[cfg(feature = "postgres")]
            is_mixed_up: AtomicBool::new(false),
            #[cfg(feature = "postgres")]
            options: OnceLock::new(),
        }))
    }

    pub(crate) fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// Makes the first connection.
    pub(crate) async fn open(&self, deadline: Deadline) -> Result<(), Failure> {
        self.lease(deadline).await.map(drop)
    }

    /// Executes a statement on one of them.
    ///
    /// A caller that gives up while waiting for a connection costs nothing. Afterwards the work
    /// finishes by itself. The handshake yields a connection for the next statement, and the
    /// statement runs until its answer arrives.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        what: What,
        deadline: Deadline,
        statement: impl for<'c> FnOnce(&'c mut D::Connection) -> Running<'c, T> + Send + 'static,
    ) -> Result<T, Failure> {
        let writer = match (&self.0.writers, what) {
            // Never closed, so there always is a permit to come.
            (Some(writers), What::Write) => Arc::clone(writers).acquire_owned().await.ok(),
            _ => None,
        };
        let lease = self.lease(deadline).await?;
        let comes_at_once =
            what == What::Read && self.0.codes.in_this_process && self.0.turns.is_used_by_one();
        let work = Outlive::new(async move {
            let outcome = lease.run(deadline, statement).await;
            drop(writer);
            outcome
        });
        match comes_at_once {
            true => awake(work).await,
            false => work.await,
        }
    }

    /// Returns a turn, and a connection for it.
    async fn lease(&self, deadline: Deadline) -> Result<Lease<D>, Failure> {
        loop {
            let turn = self.0.turns.take(deadline).await?;
            let lease = Lease {
                shared: Arc::clone(&self.0),
                one: None,
                is_sound: true,
                turn: Some(turn),
            };
            let lease = match lease.at_hand() {
                Ok(lease) => return Ok(lease),
                Err(lease) => lease,
            };
            if let Some(lease) = Outlive::new(lease.provided(deadline)).await? {
                return Ok(lease);
            }
            // The server accepts no more connections. The present ones suffice.
        }
    }
}

#[cfg(feature = "postgres")]
impl Connections<sqlx::Postgres> {
    /// Returns whether prepared statements cannot be relied on, because something between here and
    /// the server changes connections.
    pub(crate) fn is_mixed_up(&self) -> bool {
        self.0.is_mixed_up.load(Ordering::Relaxed)
    }

    /// Keeps the options of the store's own connections.
    pub(crate) fn with_options(self, options: sqlx::postgres::PgConnectOptions) -> Self {
        let _ = self.0.options.set(options);
        self
    }

    /// The options for a connection beside these.
    pub(crate) fn options(&self) -> Option<sqlx::postgres::PgConnectOptions> {
        match &self.0.source {
            Source::Own(_) => self.0.options.get().cloned(),
            Source::Application(pool) => Some((*pool.connect_options()).clone()),
        }
    }

    /// Notes it.
    pub(crate) fn mixed_up(&self) {
        self.0.is_mixed_up.store(true, Ordering::Relaxed);
    }
}

impl<D: Database> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A turn, and from some moment on a connection for one statement.
///
/// When it is dropped, a connection that is sound is there for the next. One that is not is closed
/// without another word to the server: to wait for its answer would take for ever if the server
/// hangs.
struct Lease<D: Database> {
    shared: Arc<Shared<D>>,
    one: Option<Lent<D>>,
    is_sound: bool,
    turn: Option<OwnedSemaphorePermit>,
}

enum Lent<D: Database> {
    Own(One<D>),
    Application(PoolConnection<D>),
}

impl<D: Database> Lease<D> {
    /// With a connection for which nothing need be waited.
    fn at_hand(mut self) -> Result<Self, Self> {
        let shared = Arc::clone(&self.shared);
        let Source::Own(kept) = &shared.source else {
            return Err(self);
        };
        while let Some((one, verdict)) = kept.pop() {
            let is_found = verdict == Verdict::Sound;
            self.is_sound = is_found;
            self.one = (verdict != Verdict::Gone).then_some(Lent::Own(one));
            match verdict {
                Verdict::Sound => return Ok(self),
                Verdict::Doubtful => break,
                Verdict::Gone => {}
            }
        }
        Err(self)
    }

    /// Returns a tested or a new connection. Returns none if the server accepts no more and others
    /// are in use.
    async fn provided(mut self, deadline: Deadline) -> Result<Option<Self>, Failure> {
        let shared = Arc::clone(&self.shared);
        let kept = match &shared.source {
            Source::Own(kept) => kept,
            Source::Application(pool) => {
                let one = of_application(pool, shared.codes, deadline).await?;
                self.one = Some(Lent::Application(one));
                return Ok(Some(self));
            }
        };
        loop {
            if let Some(Lent::Own(one)) = &mut self.one {
                if kept.check().answers(&mut one.connection).await {
                    one.is_doubtful = false;
                    self.is_sound = true;
                    return Ok(Some(self));
                }
                self.one = None;
            }
            match self.at_hand() {
                Ok(lease) => return Ok(Some(lease)),
                Err(lease) => self = lease,
            }
            if self.one.is_some() {
                continue;
            }
            match kept.connect(deadline).await? {
                Some(one) => {
                    self.one = Some(Lent::Own(one));
                    self.is_sound = true;
                    return Ok(Some(self));
                }
                None => {
                    if let Some(turn) = self.turn.take() {
                        shared.turns.narrow(turn);
                    }
                    return Ok(None);
                }
            }
        }
    }

    async fn run<T>(
        mut self,
        deadline: Deadline,
        statement: impl for<'c> FnOnce(&'c mut D::Connection) -> Running<'c, T>,
    ) -> Result<T, Failure> {
        let codes = self.shared.codes;
        // Until its answer is there. In SQLite the connection is of use whatever becomes of the
        // statement.
        self.is_sound = codes.in_this_process;
        let Some(one) = &mut self.one else {
            return Err(failure::of(sqlx::Error::PoolClosed, codes));
        };
        let outcome = match deadline.limit(statement(one)).await {
            Ok(outcome) => outcome,
            Err(late) => return Err(Failure::Broken(late)),
        };
        match &outcome {
            Ok(_) => {
                self.is_sound = true;
                one.was_used();
            }
            Err(sqlx::Error::Database(_)) => {
                self.is_sound = true;
                one.is_in_doubt();
            }
            Err(sqlx::Error::WorkerCrashed) => self.is_sound = false,
            Err(_) => {}
        }
        outcome.map_err(|error| failure::of(error, codes))
    }
}

impl<D: Database> Drop for Lease<D> {
    fn drop(&mut self) {
        match (self.one.take(), &self.shared.source) {
            (Some(Lent::Own(one)), Source::Own(kept)) if self.is_sound => kept.push(one),
            (Some(Lent::Application(one)), _) => {
                // sqlx's pool tests it in a task, for which it needs a runtime.
                let has_runtime = tokio::runtime::Handle::try_current().is_ok();
                if !self.is_sound || !has_runtime {
                    drop(one.detach());
                }
            }
            // Closed without another word.
            _ => {}
        }
    }
}

impl<D: Database> Lent<D> {
    fn was_used(&mut self) {
        if let Self::Own(one) = self {
            one.used = Instant::now();
        }
    }

    /// The server may have ended the connection with its error.
    fn is_in_doubt(&mut self) {
        if let Self::Own(one) = self {
            one.is_doubtful = true;
        }
    }
}

impl<D: Database> Deref for Lent<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        match self {
            Self::Own(one) => &one.connection,
            Self::Application(one) => one,
        }
    }
}

impl<D: Database> DerefMut for Lent<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        match self {
            Self::Own(one) => &mut one.connection,
            Self::Application(one) => one,
        }
    }
}

/// Returns a connection of the application's pool.
async fn of_application<D: Database>(
    pool: &sqlx::Pool<D>,
    codes: &Codes,
    deadline: Deadline,
) -> Result<PoolConnection<D>, Failure> {
    use sqlx::ConnectOptions as _;

    let gone = match deadline.limit(pool.acquire()).await {
        Ok(Ok(one)) => return Ok(one),
        Ok(Err(sqlx::Error::PoolTimedOut)) => Failure::Final(failure::busy_pool()),
        Ok(Err(error)) => return Err(failure::of(error, codes)),
        Err(_) => Failure::Final(failure::busy_pool()),
    };
    // A pool without connections was not busy, so the server is the cause, and its error says why.
    if pool.size() == 0 {
        const MOMENT: Duration = Duration::from_secs(1);
        let options = pool.connect_options();
        if let Ok(Err(error)) = tokio::time::timeout(MOMENT, options.connect()).await {
            return Err(failure::of_handshake(error, codes));
        }
    }
    Err(gone)
}

/// Waits for an answer that is as good as there: at first without sleeping. SQLite's thread needs
/// some microseconds for a record, and to sleep and be woken takes longer. If the thread has no
/// processor, it gets this one.
async fn awake<T>(answer: impl Future<Output = T>) -> T {
    const MOMENT: Duration = Duration::from_micros(30);
    let begin = Instant::now();
    let mut answer = std::pin::pin!(answer);
    std::future::poll_fn(|context| {
        loop {
            match answer.as_mut().poll(context) {
                std::task::Poll::Pending if begin.elapsed() < MOMENT => std::thread::yield_now(),
                outcome => return outcome,
            }
        }
    })
    .await
}
