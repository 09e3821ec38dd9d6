//! The watcher: one task for all clones of a `Sessions`, while somebody waits for the end of a
//! session.
//!
//! [`table`] decides, and this module does the I/O. A task ends with its runtime. Those who wait
//! then begin again, and the first of them starts the task on its own runtime.

pub(crate) mod feed;
mod mutant;
#[cfg(test)]
mod schedules;
pub(crate) mod table;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_core::{Epoch, Key, Look, Seen};
use cloakroom_store::Store;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument as _;

use self::table::{Step, Table, Waiter, too_late};
use crate::drive::{load_span, reload_key};
use crate::inner::Inner;
use crate::{Cause, Ended, Error};

type Answer = Result<Ended, Error>;

/// The end of one session. It is dropped without a word if the task that watched ends.
pub(crate) type Ends = oneshot::Receiver<Answer>;

type Tell = oneshot::Sender<Answer>;

impl Waiter for Tell {
    fn is_gone(&self) -> bool {
        self.is_closed()
    }
}

/// The watched sessions of a `Sessions`. Costs one atomic load while there are none.
#[derive(Default)]
pub(crate) struct Watch {
    is_on: AtomicBool,
    table: Mutex<Option<Running>>,
    news: Notify,
}

struct Running {
    table: Table<Tell>,
    start: Instant,
}

impl Running {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

pub(crate) const NO_RUNTIME: Error = Error::NotSetUp(
    "`Session::ended` needs a Tokio runtime, which runs the task that looks at the sessions; call \
     it within one",
);

const PANICKED: Error = Error::NotSetUp(
    "the task that looks at the sessions panicked, most likely because the Tokio runtime has no \
     timers; build it with `enable_time`",
);

/// Waits for the end of the session under this key. Starts the task if there is none.
pub(crate) fn watch<S: Store>(inner: Arc<Inner<S>>, key: &Key) -> Result<Ends, Error> {
    let runtime = Handle::try_current().map_err(|_| NO_RUNTIME)?;
    let (tell, ends) = oneshot::channel();
    let mut table = inner.watch.lock();
    let start = table.is_none();
    let running = table.get_or_insert_with(|| Running {
        table: Table::new(inner.lease.get()),
        start: Instant::now(),
    });
    let now = running.now();
    running.table.watch(key.clone(), tell, now);
    inner.watch.is_on.store(true, Ordering::Relaxed);
    drop(table);
    match start {
        true => {
            let is_over = false;
            runtime.spawn(run(Task { inner, is_over }));
        }
        false => inner.watch.news.notify_one(),
    }
    Ok(ends)
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this process has changed the record under this key, after the store acknowledged
    /// it.
    pub(crate) fn hint(&self, key: &Key, cause: Option<Cause>) {
        if self.is_on.load(Ordering::Relaxed) {
            self.hint_watched(key, cause);
        }
    }

    #[cold]
    fn hint_watched(&self, key: &Key, cause: Option<Cause>) {
        if let Some(running) = &mut *self.lock() {
            let now = running.now();
            running.table.hint(key, cause, now);
            self.news.notify_one();
        }
    }

    /// Notes that any of the sessions may have ended.
    pub(crate) fn lost(&self) {
        if let Some(running) = &mut *self.lock() {
            let now = running.now();
            running.table.lost(now);
            self.news.notify_one();
        }
    }

    /// Returns what to do next, or `None` when nobody waits any more.
    fn step(&self) -> Option<Next> {
        let mut table = self.lock();
        let running = table.as_mut()?;
        let now = running.now();
        Some(match running.table.next(now) {
            Step::Look(key, number) => Next::Look(key, number),
            Step::Tell(waiters, answer) => Next::Tell(waiters, answer),
            Step::Wait(until) => Next::Wait(running.start + until),
            Step::Stop => {
                self.is_on.store(false, Ordering::Relaxed);
                *table = None;
                return None;
            }
        })
    }
}

enum Next {
    Look(Key, u64),
    Tell(Vec<Tell>, Answer),
    Wait(Instant),
}

fn tell(waiters: Vec<Tell>, answer: &Answer) {
    for waiter in waiters {
        // One that no longer waits needs no answer.
        _ = waiter.send(answer.clone());
    }
}

/// The task's hold on the table. If the runtime ends first, the waiting futures begin again.
struct Task<S> {
    inner: Arc<Inner<S>>,
    /// The table is gone already, and there may be a new one with a task of its own.
    is_over: bool,
}

impl<S> Drop for Task<S> {
    fn drop(&mut self) {
        if !self.is_over {
            let watch = &self.inner.watch;
            watch.is_on.store(false, Ordering::Relaxed);
            let running = watch.lock().take();
            // Another try would panic too.
            if let Some(running) = running.filter(|_| std::thread::panicking()) {
                tell(running.table.into_waiters(), &Err(PANICKED));
            }
        }
    }
}

async fn run<S: Store>(mut task: Task<S>) {
    let inner = &task.inner;
    // Dropped with the task, and with it every look under way.
    let mut looks = JoinSet::new();
    if let Some(listen) = inner.feed {
        looks.spawn(feed::hear(Arc::clone(inner), listen));
    }
    while let Some(next) = inner.watch.step() {
        match next {
            Next::Look(key, number) => {
                looks.spawn(look(Arc::clone(inner), key, number));
            }
            Next::Tell(waiters, answer) => tell(waiters, &answer),
            Next::Wait(until) => {
                tokio::select! {
                    () = inner.watch.news.notified() => {}
                    () = sleep_until(until) => {}
                    Some(_) = looks.join_next() => {}
                }
            }
        }
    }
    task.is_over = true;
}

async fn look<S: Store>(inner: Arc<Inner<S>>, key: Key, number: u64) {
    let seen = timeout(inner.lease.get(), seen(&inner, &key)).await;
    let seen = seen.unwrap_or_else(|_| Err(too_late().into()));
    let wall = inner.now();
    let told = {
        let mut table = inner.watch.lock();
        table.as_mut().and_then(|running| {
            let now = running.now();
            let table = &mut running.table;
            table.answered(&key, number, seen, now, wall)
        })
    };
    if let Some((waiters, answer)) = told {
        if let Ok(Ended::Expired) = answer {
            inner.events.expired(&key, wall);
        }
        tell(waiters, &answer);
    }
}

/// Looks at a session, past every cache, and is no use of it.
async fn seen<S: Store>(inner: &Inner<S>, key: &Key) -> Result<Seen, Error> {
    let mut look = Look::new(&inner.config, key.clone());
    if let Some((_, found)) = inner.epoch().await? {
        look = look.in_epoch(Epoch::read(found.as_ref())?);
    }
    loop {
        let found = reload_key(inner, look.key())
            .instrument(load_span())
            .await?;
        if let Some(seen) = look.answer(found, inner.now())? {
            return Ok(seen);
        }
    }
}
