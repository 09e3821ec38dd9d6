//! The store's own connections: opened, kept for the next statement, and closed when idle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Database};

use crate::check::{Check, Verdict};
use crate::deadline::Deadline;
use crate::failure::{self, Codes, Failure};

/// Idle time after which a connection is closed.
const UNUSED: Duration = Duration::from_secs(600);

/// So is one of this age, when it is not in use: servers and proxies do not like those that last
/// for ever.
const LONGEST: Duration = Duration::from_secs(1800);

/// How often that is looked at.
const WATCH: Duration = Duration::from_secs(30);

/// Makes a connection.
pub(crate) type Connect<D> = Box<dyn Fn() -> Connecting<D> + Send + Sync>;

/// A handshake on its way.
pub(crate) type Connecting<D> =
    std::pin::Pin<Box<dyn Future<Output = sqlx::Result<<D as Database>::Connection>> + Send>>;

pub(crate) struct Kept<D: Database> {
    connect: Connect<D>,
    check: Check,
    codes: &'static Codes,
    idle: Mutex<Idle<D>>,
    /// How many there are, in use or not.
    open: Arc<AtomicUsize>,
}

struct Idle<D: Database> {
    /// The last used one at the end.
    connections: Vec<One<D>>,
    /// Whether a task closes those that are not needed.
    is_watched: bool,
}

/// A connection.
pub(crate) struct One<D: Database> {
    pub(crate) connection: D::Connection,
    pub(crate) used: Instant,
    /// Whether it must be asked before it is used again.
    pub(crate) is_doubtful: bool,
    since: Instant,
    _counted: Counted,
}

/// Counts a connection for as long as it is there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<D: Database> Kept<D> {
    pub(crate) fn new(connect: Connect<D>, check: Check, codes: &'static Codes) -> Self {
        Self {
            connect,
            check,
            codes,
            idle: Mutex::new(Idle {
                connections: Vec::new(),
                is_watched: false,
            }),
            open: Arc::default(),
        }
    }

    pub(crate) fn check(&self) -> &Check {
        &self.check
    }

    /// Opens one. Returns none if the server accepts no more and there are others.
    ///
    /// A server that takes none at all, or that is starting, is asked again until the time is over.
    pub(crate) async fn connect(&self, deadline: Deadline) -> Result<Option<One<D>>, Failure> {
        const LONGEST_PAUSE: Duration = Duration::from_millis(500);
        let mut pause = Duration::from_millis(10);
        loop {
            let error = match deadline.limit((self.connect)()).await {
                Ok(Ok(connection)) => return Ok(Some(self.one(connection))),
                Ok(Err(error)) => error,
                Err(late) => return Err(Failure::Broken(late)),
            };
            let is_full = failure::is(&error, self.codes.is_full);
            if is_full && self.open.load(Ordering::Relaxed) > 0 {
                return Ok(None);
            }
            let may_change = is_full || failure::is(&error, self.codes.is_starting);
            let again = tokio::time::Instant::now() + pause;
            if !may_change || again >= deadline.patience() {
                return Err(failure::of_handshake(error, self.codes));
            }
            tokio::time::sleep_until(again).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn one(&self, connection: D::Connection) -> One<D> {
        let now = Instant::now();
        One {
            connection,
            used: now,
            is_doubtful: false,
            since: now,
            _counted: Counted::new(&self.open),
        }
    }

    /// Returns the most recently used connection, and its state as far as it is known.
    pub(crate) fn pop(&self) -> Option<(One<D>, Verdict)> {
        let one = self.idle().connections.pop()?;
        match self.check.verdict(one.used.elapsed(), one.since.elapsed()) {
            Verdict::Sound if one.is_doubtful => Some((one, Verdict::Doubtful)),
            verdict => Some((one, verdict)),
        }
    }

    /// Keeps it for the next statement.
    pub(crate) fn push(self: &Arc<Self>, one: One<D>) {
        if self.check.may_close() && one.since.elapsed() > LONGEST {
            return close(one);
        }
        let mut idle = self.idle();
        idle.connections.push(one);
        if !self.check.may_close() || std::mem::replace(&mut idle.is_watched, true) {
            return;
        }
        // Without the lock: a runtime that ends drops the task at once, which takes it.
        drop(idle);
        let watch = Watch(Arc::downgrade(self));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(watch.run());
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle<D>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says goodbye to the server, which is not waited for.
fn close<D: Database>(one: One<D>) {
    const TIMEOUT: Duration = Duration::from_secs(2);
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            let One {
                connection,
                _counted,
                ..
            } = one;
            let _ = tokio::time::timeout(TIMEOUT, connection.close()).await;
        });
    }
}

/// Closes idle connections, until none is left.
///
/// Its `Drop` notes that the watcher has ended, perhaps with its runtime.
struct Watch<D: Database>(Weak<Kept<D>>);

impl<D: Database> Watch<D> {
    async fn run(mut self) {
        loop {
            tokio::time::sleep(WATCH).await;
            let Some(kept) = self.0.upgrade() else {
                return;
            };
            let mut idle = kept.idle();
            let is_needed =
                |one: &mut One<D>| one.used.elapsed() < UNUSED && one.since.elapsed() < LONGEST;
            for one in idle.connections.extract_if(.., |one| !is_needed(one)) {
                close(one);
            }
            if idle.connections.is_empty() {
                idle.is_watched = false;
                self.0 = Weak::new();
                return;
            }
        }
    }
}

impl<D: Database> Drop for Watch<D> {
    fn drop(&mut self) {
        if let Some(kept) = self.0.upgrade() {
            kept.idle().is_watched = false;
        }
    }
}
