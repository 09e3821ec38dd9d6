//! A store that is swept from time to time.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::{
    Created, Cursor, Deleted, Directory, Enumerate, Feed, Key, Page, Place, Replaced, Store,
    StoreError, Stored, Sweep, Touched, UnixTime, Write,
};

/// The lease of the process that sweeps now. It has no subject, and expires by itself.
const TURN: &str = "cloakroom:sweep";
/// How many records are removed at a time.
const STEP: usize = 256;
/// The pause between two steps, in which other operations get the store.
const PAUSE: Duration = Duration::from_millis(10);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A store with a task that removes expired records from time to time.
///
/// Of several processes on one store, one sweeps in each interval. They agree by a lease: a small
/// record in the store under the key `cloakroom:sweep`, which expires after the interval. If the
/// process that holds the lease dies, another one takes over when it has expired.
///
/// A round begins at once, and the next ones after each interval. It removes 256 records at a time
/// and pauses for 10 ms in between. An error ends the round and is reported by `tracing` as a
/// warning. The next round tries again.
///
/// Clones and the store inside are handles on the same sessions. The task ends when the last clone
/// has been dropped.
///
/// ```
/// use cloakroom_store::{StoreError, Sweep, Swept};
/// use std::time::Duration;
///
/// fn tidy<S: Sweep + Clone>(store: S) -> Result<Swept<S>, StoreError> {
///     Swept::new(store, Duration::from_secs(300))
/// }
/// ```
#[derive(Clone)]
pub struct Swept<S> {
    store: S,
    _task: Arc<Task>,
}

struct Task(AbortHandle);

impl<S: Sweep + Clone> Swept<S> {
    /// Begins to sweep `store`, at this interval: at least a second, and at most a week.
    ///
    /// An interval of a few minutes is right for most. Expired records are invisible in any case,
    /// so this is about space only. One round costs two store calls more than the sweeping itself;
    /// a process whose turn it is not makes two calls in each interval.
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime, and for an interval that is not from one second to
    /// seven days.
    ///
    /// ```
    /// # use cloakroom_store::{StoreError, Sweep, Swept};
    /// # use std::time::Duration;
    /// # fn example(store: impl Sweep + Clone) -> Result<(), StoreError> {
    /// let store = Swept::new(store, Duration::from_secs(300))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(store: S, interval: Duration) -> Result<Self, StoreError> {
        let runtime = Handle::try_current().map_err(|_| {
            StoreError::permanent(
                "session",
                "the sweeper needs a Tokio runtime; call it inside of one, with time enabled",
            )
        })?;
        if !(SHORTEST..=LONGEST).contains(&interval) {
            return Err(StoreError::permanent(
                "session",
                "the interval of a sweeper must be one second to seven days; set another one",
            ));
        }
        let task = runtime.spawn(keep_sweeping(store.clone(), interval));
        Ok(Self {
            store,
            _task: Arc::new(Task(task.abort_handle())),
        })
    }
}

async fn keep_sweeping<S: Sweep>(store: S, interval: Duration) {
    let Some(turn) = Turn::new(interval) else {
        return;
    };
    loop {
        if let Err(error) = turn.round(&store).await {
            tracing::warn!(%error, "expired sessions could not be removed; the next round tries again");
        }
        sleep(interval).await;
    }
}

/// The right to sweep: a record that at most one process has at a time.
struct Turn {
    key: Key,
    /// Tells this process's record from another's.
    owner: Box<[u8]>,
    interval: Duration,
    /// One moment on the two clocks.
    began: (UnixTime, Instant),
}

impl Turn {
    fn new(interval: Duration) -> Option<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // Two sweepers of one process differ in where their memory is.
        let memory = Box::new(0_u8);
        let owner = format!(
            "{}-{}-{:p}",
            std::process::id(),
            now.unwrap_or_default().as_nanos(),
            &raw const *memory
        );
        Some(Self {
            key: Key::new(TURN)?,
            owner: owner.into_bytes().into(),
            interval,
            began: (SystemTime::now().into(), Instant::now()),
        })
    }

    /// A clock that is set meanwhile does not lengthen a turn.
    fn end(&self) -> UnixTime {
        let (began, on_clock) = self.began;
        began + on_clock.elapsed() + self.interval
    }

    /// Sweeps if it is this process's turn.
    async fn round<S: Sweep>(&self, store: &S) -> Result<(), StoreError> {
        if !self.take(store).await? {
            return Ok(());
        }
        while store.sweep(STEP).await? >= STEP {
            sleep(PAUSE).await;
            // A long round keeps its turn. Without it, another process has begun.
            if store.touch(&self.key, self.end()).await? == Touched::Gone {
                break;
            }
        }
        Ok(())
    }

    async fn take<S: Sweep>(&self, store: &S) -> Result<bool, StoreError> {
        let write = Write::new(self.owner.to_vec(), self.end(), None);
        if store.create(&self.key, &write).await? == Created::Stored {
            return Ok(true);
        }
        // By the store's clock the last turn may last a moment longer than by this one.
        let held = store.load_fresh(&self.key).await?;
        if held.is_none_or(|held| held.bytes != *self.owner) {
            return Ok(false);
        }
        Ok(store.touch(&self.key, self.end()).await? == Touched::Extended)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<S> Deref for Swept<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.store
    }
}

impl<S: fmt::Debug> fmt::Debug for Swept<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Swept").field(&self.store).finish()
    }
}

impl<S: Store> Store for Swept<S> {
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        self.store.load(key)
    }

    fn create(
        &self,
        key: &Key,
        write: &Write,
    ) -> impl Future<Output = Result<Created, StoreError>> + Send {
        self.store.create(key, write)
    }

    fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> impl Future<Output = Result<Replaced, StoreError>> + Send {
        self.store.replace(key, old, write)
    }

    fn touch(
        &self,
        key: &Key,
        expires_at: UnixTime,
    ) -> impl Future<Output = Result<Touched, StoreError>> + Send {
        self.store.touch(key, expires_at)
    }

    fn delete(
        &self,
        key: &Key,
        old: &Stored,
    ) -> impl Future<Output = Result<Deleted, StoreError>> + Send {
        self.store.delete(key, old)
    }

    fn load_fresh(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        self.store.load_fresh(key)
    }

    fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> impl Future<Output = Result<(Created, Option<u64>), StoreError>> + Send {
        self.store.create_versioned(key, write)
    }

    fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> impl Future<Output = Result<(Replaced, Option<u64>), StoreError>> + Send {
        self.store.replace_versioned(key, old, write)
    }

    fn place(&self) -> Option<Place> {
        self.store.place()
    }
}

impl<S: Sweep> Sweep for Swept<S> {
    fn sweep(&self, limit: usize) -> impl Future<Output = Result<usize, StoreError>> + Send {
        self.store.sweep(limit)
    }
}

impl<S: Directory> Directory for Swept<S> {
    fn list(
        &self,
        subject: &str,
    ) -> impl Future<Output = Result<Vec<(Key, Stored)>, StoreError>> + Send {
        self.store.list(subject)
    }

    fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Key, Stored)>, StoreError>> + Send {
        self.store.list_some(subject, limit)
    }
}

impl<S: Enumerate> Enumerate for Swept<S> {
    fn enumerate(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send {
        self.store.enumerate(after, limit)
    }
}

impl<S: Feed> Feed for Swept<S> {
    type Hints = S::Hints;

    fn listen(&self) -> impl Future<Output = Result<S::Hints, StoreError>> + Send {
        self.store.listen()
    }
}
