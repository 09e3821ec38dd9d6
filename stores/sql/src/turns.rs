//! Turns: the queue for connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::deadline::Deadline;
use crate::failure::{self, Failure};

/// How long the store opens no more connections after the server refused one.
const NARROW_FOR: Duration = Duration::from_secs(60);

/// As many turns as there may be connections, in the order in which they were asked for.
pub(crate) struct Turns {
    turns: Arc<Semaphore>,
    size: usize,
    narrowed: Mutex<Narrowed>,
}

/// The connections that the server refused, below the maximum.
struct Narrowed {
    by: usize,
    since: Instant,
}

impl Turns {
    pub(crate) fn new(size: u32) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let size = size.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(size)),
            size,
            narrowed: Mutex::new(Narrowed {
                by: 0,
                since: Instant::now(),
            }),
        }
    }

    pub(crate) async fn take(&self, deadline: Deadline) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        self.widen();
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout_at(deadline.patience(), turn).await {
            // A turn that comes too late goes on to the next operation. When many give up at the
            // same moment, each late turn would otherwise make a connection only to drop it.
            Ok(Ok(turn)) if tokio::time::Instant::now() < deadline.patience() => Ok(turn),
            _ => Err(Failure::Final(failure::none_free(self.open()))),
        }
    }

    /// Returns whether only one statement is under way.
    pub(crate) fn is_used_by_one(&self) -> bool {
        self.turns.available_permits() + 1 == self.size
    }

    /// The server accepts no more connections: one turn less, for a while.
    pub(crate) fn narrow(&self, turn: OwnedSemaphorePermit) {
        turn.forget();
        let mut narrowed = self.narrowed();
        narrowed.by += 1;
        narrowed.since = Instant::now();
    }

    /// After that while the server is asked again.
    fn widen(&self) {
        let mut narrowed = self.narrowed();
        if narrowed.by > 0 && narrowed.since.elapsed() >= NARROW_FOR {
            self.turns.add_permits(std::mem::take(&mut narrowed.by));
        }
    }

    /// Returns how many connections there may be at the moment.
    fn open(&self) -> usize {
        self.size - self.narrowed().by
    }

    fn narrowed(&self) -> MutexGuard<'_, Narrowed> {
        self.narrowed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
