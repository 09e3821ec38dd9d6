use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use cloakroom_store::{StoreError, UnixTime};

use crate::FileStore;
use crate::disk::Disk;
use crate::engine::{Clock, Engine};
use crate::failure;
use crate::layout::Layout;
use crate::store::Threshold;

/// How a [`FileStore`] is to work. From [`FileStore::builder`].
///
/// ```no_run
/// use cloakroom_file::FileStore;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), cloakroom_store::StoreError> {
/// let store = FileStore::builder("/var/lib/app/sessions")
///     .fsync(false)
///     .lock_timeout(Duration::from_secs(1))
///     .open()?;
/// # Ok(())
/// # }
/// ```
pub struct Builder {
    dir: PathBuf,
    disk: Disk,
    clock: Clock,
    lock_timeout: Duration,
    threshold: Option<usize>,
    evict_living: bool,
}

impl Builder {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            disk: Disk {
                mode: 0o600,
                fsync: true,
                #[cfg(test)]
                faults: Arc::default(),
            },
            clock: Arc::new(|| SystemTime::now().into()),
            lock_timeout: Duration::from_secs(5),
            threshold: None,
            evict_living: false,
        }
    }

    /// Whether what has been answered outlasts a power failure; true unless said otherwise.
    ///
    /// With it, a write flushes the file and its directory before it is answered, which costs what the disk takes. Without,
    /// a record still survives when the process is killed, but a power failure (or a crash of the whole system) can take
    /// back the last seconds: new sessions are lost, signed-out ones come back, and on some file systems a record written
    /// just before is left empty, which makes its session fail until somebody removes the file.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// let store = FileStore::builder("sessions").fsync(false).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn fsync(mut self, on: bool) -> Self {
        self.disk.fsync = on;
        self
    }

    /// Permission bits of the files; 0o600 unless said otherwise. Directories get the same and may be searched by whoever
    /// may read. The process's umask takes nothing from a mode that lets others in.
    ///
    /// 0o660, for example, lets two processes of different users in one group share the sessions. Concerns what is created
    /// from now on. Must contain 0o600, which [`open`](Builder::open) checks.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// let store = FileStore::builder("sessions").mode(0o660).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[cfg(unix)]
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.disk.mode = mode;
        self
    }

    /// How long an operation waits for another one that writes in the same 256th part of the store; 5 s unless said
    /// otherwise. Then it ends with a transient error. Only a process that is stopped while it writes, or a disk that hangs,
    /// makes anybody wait that long.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// # use std::time::Duration;
    /// let store = FileStore::builder("sessions").lock_timeout(Duration::from_secs(1)).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// How many records there may be before a create removes expired ones; no such number unless said otherwise, because
    /// a sweeper does it better (see [`Sweep`](cloakroom_store::Sweep)). Flask's `SESSION_FILE_THRESHOLD` is 500.
    ///
    /// The number is looked at in every sixteenth part of it: with 500, at one create in 31 of each process. That create
    /// reads the beginning of each file if there are too many. Living records stay, however many, except with
    /// [`evict_living`](Builder::evict_living).
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// let store = FileStore::builder("sessions").threshold(500).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn threshold(mut self, records: usize) -> Self {
        self.threshold = Some(records);
        self
    }

    /// Whether, if there are over [`threshold`](Builder::threshold) records though the expired ones are gone, living ones
    /// go too: those that end soonest, until there are that many. False unless said otherwise. It signs people out.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// let store = FileStore::builder("sessions").threshold(500).evict_living(true).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn evict_living(mut self, on: bool) -> Self {
        self.evict_living = on;
        self
    }

    /// The clock by which records end; the system's unless said otherwise.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// # use cloakroom_store::UnixTime;
    /// let store = FileStore::builder("sessions").clock(|| UnixTime::from_secs(1_700_000_000)).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Opens the store, and makes what is missing of its directory. Blocks for some milliseconds: for start-up.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made, or the process cannot write in it, or its file system has no locks; when the
    /// mode lacks 0o600.
    ///
    /// ```
    /// # use cloakroom_file::FileStore;
    /// let file = std::env::temp_dir().join("cloakroom-file-not-a-directory");
    /// std::fs::write(&file, "").unwrap();
    /// let error = FileStore::builder(&file).open().unwrap_err();
    /// assert!(error.to_string().starts_with("the file store failed: cannot open a store in "));
    /// # std::fs::remove_file(file).unwrap();
    /// ```
    pub fn open(self) -> Result<FileStore, StoreError> {
        if self.disk.mode & 0o600 != 0o600 || self.disk.mode & !0o777 != 0 {
            return Err(failure::bad_mode(self.disk.mode));
        }
        let failed = |error| failure::before("open a store", &self.dir, error);
        // A later change of the working directory must not lead to another store.
        let base = std::path::absolute(&self.dir).map_err(failed)?;
        let layout = Layout::new(base);
        prepare(&self.disk, &layout).map_err(failed)?;
        let engine = Engine {
            layout,
            disk: self.disk,
            clock: self.clock,
            lock_timeout: self.lock_timeout,
        };
        let threshold = self
            .threshold
            .map(|records| Threshold::new(records, self.evict_living));
        Ok(FileStore::new(engine, threshold))
    }

    #[cfg(test)]
    pub(crate) fn faults(mut self, faults: Arc<crate::tests::faults::Faults>) -> Self {
        self.disk.faults = faults;
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("dir", &self.dir)
            .field("disk", &self.disk)
            .field("lock_timeout", &self.lock_timeout)
            .field("threshold", &self.threshold)
            .field("evict_living", &self.evict_living)
            .finish_non_exhaustive()
    }
}

/// Makes the directories (any number of processes may do so at once), and finds out now rather than at the first request
/// whether one can lock and write there.
fn prepare(disk: &Disk, layout: &Layout) -> std::io::Result<()> {
    disk.make_dirs(layout.base())?;
    let mut made = false;
    for part in layout.parts() {
        made |= disk.make_dir(&part)?;
    }
    for shard in layout.shards() {
        made |= disk.make_dir(&shard)?;
    }
    if made {
        for part in layout.parts() {
            disk.sync_names(&part)?;
        }
        disk.sync_names(layout.base())?;
    }

    disk.try_lock(&disk.open_lock(&layout.lock(0))?)?;
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let probe = format!("open-{}-{number}.tmp", std::process::id());
    let probe = layout.shard(0).join(probe);
    disk.create(&probe)?;
    // A sweeper may have been faster.
    let _ = disk.remove_file(&probe);
    Ok(())
}
