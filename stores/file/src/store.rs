use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom_store::{
    Created, Cursor, Deleted, Directory, Enumerate, Key, Page, Place, Replaced, Store, StoreError,
    Stored, Sweep, Swept, Touched, UnixTime, Write,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::Builder;
use crate::engine::{Engine, Loaded};
use crate::failure;
use crate::layout::Name;

/// Sessions in files of one directory. A handle: clones share everything. See the [crate's
/// documentation](crate) for what it guarantees.
///
/// Its futures must run inside a Tokio runtime, on whose blocking threads the work is done;
/// elsewhere they end with an error.
///
/// ```
/// use cloakroom_file::FileStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// # let dir = std::env::temp_dir().join(format!("cloakroom-file-doc-{}", std::process::id()));
/// let store = FileStore::open(&dir)?;
/// let key = Key::new("session:47DEQpj8HBSa").unwrap();
/// let write = Write::new(b"record".to_vec(), UnixTime::MAX, Some("ada".into()));
///
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// assert_eq!(store.load(&key).await?.unwrap().bytes, "record");
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FileStore {
    inner: Arc<Inner>,
}

impl FileStore {
    /// Opens the store in `dir` with the [builder](FileStore::builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::open`].
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// let store = FileStore::open("/var/lib/app/sessions")?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::builder(dir).open()
    }

    /// Returns a builder of a store in `dir`.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// let store = FileStore::builder("/var/lib/app/sessions").threshold(500).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    pub fn builder(dir: impl Into<PathBuf>) -> Builder {
        Builder::new(dir.into())
    }

    /// Starts a task that removes expired records at this interval (at least a second). It ends
    /// with the last handle on the returned store. Of several processes one sweeps at a time: see
    /// [`Swept`](cloakroom_store::Swept).
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// use std::time::Duration;
    ///
    /// # fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = FileStore::open("sessions")?.sweep_every(Duration::from_secs(300))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep_every(self, interval: Duration) -> Result<Swept<Self>, StoreError> {
        Swept::new(self, interval)
    }

    pub(crate) fn new(engine: Engine, threshold: Option<Threshold>) -> Self {
        let engine = Arc::new(engine);
        let dir = engine.layout.base();
        // By whatever path it was opened.
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let place = Place::new("file", [&*dir.to_string_lossy()]);
        let inner = Inner {
            engine,
            place,
            queues: (0..=u8::MAX).map(|_| Arc::new(Semaphore::new(1))).collect(),
            threshold,
            next_shard: AtomicU8::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    #[cfg(test)]
    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Runs a job on a blocking thread. A started job is finished, even if its caller has gone.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let runtime = Handle::try_current().map_err(|_| failure::no_runtime())?;
        let engine = Arc::clone(&self.inner.engine);
        let done = runtime.spawn_blocking(move || job(&engine)).await;
        done.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(failure::shutting_down()),
        })
    }

    /// Runs a job that writes under `key`, alone in its shard.
    ///
    /// Within the process, jobs queue for the lock without occupying a thread. So a lock that
    /// another process keeps costs one blocking thread and not all of them. The queue is first
    /// come, first served, so no job waits longer than the lock's timeout.
    async fn write<T: Send + 'static>(
        &self,
        key: &Key,
        job: impl FnOnce(&Engine, &Name, &Key) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let name = Name::of_key(key);
        let key = key.clone();
        let deadline = self.inner.engine.deadline();
        let queue = Arc::clone(&self.inner.queues[usize::from(name.shard())]);
        // Never closed, so there always is a permit to come.
        let turn = queue.acquire_owned().await;
        self.run(move |engine| {
            let _turn = turn;
            let _lock = engine.lock(name.shard(), deadline)?;
            job(engine, &name, &key)
        })
        .await
    }

    /// Removes expired records if it is time to look and there are too many. An error here does not
    /// refuse a session, because the sweeper meets and reports it too.
    async fn prune(&self) {
        let Some(threshold) = &self.inner.threshold else {
            return;
        };
        if !threshold.is_time_to_look() {
            return;
        }
        if !self
            .run(Engine::count)
            .await
            .is_ok_and(|n| n > threshold.records)
        {
            return;
        }
        let _ = self.sweep(usize::MAX).await;
        if !threshold.evict_living {
            return;
        }
        let records = threshold.records;
        let evict = move |engine: &Engine| {
            let excess = engine.count()?.saturating_sub(records);
            for name in engine.soonest(excess)? {
                let _ = engine.evict(&name);
            }
            Ok(())
        };
        let _ = self.run(evict).await;
    }
}

impl Store for FileStore {
    fn place(&self) -> Option<Place> {
        Some(self.inner.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let deadline = self.inner.engine.deadline();
        let loaded = {
            let key = key.clone();
            self.run(move |engine| engine.load(&key)).await?
        };
        match loaded {
            Loaded::Living(stored) => return Ok(Some(stored)),
            Loaded::Expired => return Ok(None),
            Loaded::NotFound => {}
        }
        let queue = usize::from(Name::of_key(key).shard());
        // Never closed, so there always is a permit to come.
        let turn = Arc::clone(&self.inner.queues[queue]).acquire_owned().await;
        let key = key.clone();
        self.run(move |engine| {
            let _turn = turn;
            engine.load_again(&key, deadline)
        })
        .await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.prune().await;
        let write = write.clone();
        self.write(key, move |engine, name, key| {
            engine.create(name, key, write)
        })
        .await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let (old, write) = (old.clone(), write.clone());
        self.write(key, move |engine, name, key| {
            engine.replace(name, key, &old, write)
        })
        .await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.write(key, move |engine, name, key| {
            engine.touch(name, key, expires_at)
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let old = old.clone();
        self.write(key, move |engine, name, key| engine.delete(name, key, &old))
            .await
    }
}

impl Sweep for FileStore {
    /// Also removes files that killed writers left. A faulty record does not stop the sweep: the
    /// first error is returned after all records have been tried. A file that is no record is such
    /// an error at each sweep, until you remove it.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        let mut first_error = None;
        // Goes on where the last sweep ended, so that a small limit gets round the whole store.
        let start = self.inner.next_shard.load(Ordering::Relaxed);
        for step in 0..=u8::MAX {
            if removed == limit {
                break;
            }
            let shard = start.wrapping_add(step);
            self.inner.next_shard.store(shard, Ordering::Relaxed);
            let left = limit - removed;
            // One job for each shard. Dropping this future ends the sweep at the next one.
            let swept = self
                .run(move |engine| Ok(engine.sweep_shard(shard, left)))
                .await?;
            removed += swept.removed;
            first_error = first_error.or(swept.error);
        }
        // There may be more to remove, which the caller needs to know. The next sweep meets the
        // error again.
        match first_error {
            Some(error) if removed < limit => Err(error),
            _ => Ok(removed),
        }
    }
}

impl Directory for FileStore {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let subject: Box<str> = subject.into();
        self.run(move |engine| engine.list(&subject, usize::MAX))
            .await
    }

    /// Reads the names of all the subject's records, and at most `limit` of the records.
    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let subject: Box<str> = subject.into();
        self.run(move |engine| engine.list(&subject, limit)).await
    }
}

impl Enumerate for FileStore {
    /// Reads up to `limit` files. A file that is no record is an error, until you remove it.
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let after = after.cloned();
        self.run(move |engine| engine.page(after.as_ref().map(Cursor::as_str), limit))
            .await
    }
}

#[derive(Debug)]
struct Inner {
    engine: Arc<Engine>,
    place: Place,
    /// For each shard, the queue of those in this process who want to write in it.
    queues: Box<[Arc<Semaphore>]>,
    threshold: Option<Threshold>,
    /// Where the next sweep begins.
    next_shard: AtomicU8,
}

/// When to make room, and how.
#[derive(Debug)]
pub(crate) struct Threshold {
    records: usize,
    evict_living: bool,
    creates: AtomicUsize,
}

impl Threshold {
    pub(crate) fn new(records: usize, evict_living: bool) -> Self {
        Self {
            records,
            evict_living,
            creates: AtomicUsize::new(0),
        }
    }

    /// Counting the files costs too much for every create, and a shared counter would have to
    /// survive crashes.
    fn is_time_to_look(&self) -> bool {
        let every = (self.records / 16).max(1);
        self.creates
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(every)
    }
}
