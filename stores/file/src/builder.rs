use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use cloakroom_store::{StoreError, UnixTime};

use crate::FileStore;
use crate::disk::Disk;
use crate::engine::{Clock, Engine};
use crate::failure::{self, is_full};
use crate::layout::Layout;
use crate::store::Threshold;

/// Configures a [`FileStore`]. From [`FileStore::builder`].
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
                owner: None,
                #[cfg(test)]
                faults: Arc::default(),
            },
            clock: Arc::new(|| SystemTime::now().into()),
            lock_timeout: Duration::from_secs(5),
            threshold: None,
            evict_living: false,
        }
    }

    /// Sets whether answered writes survive a power failure. Default: true.
    ///
    /// With fsync, a write flushes the file and its directory before it returns, which costs what
    /// the disk takes. Without it, a record still survives when the process is killed. But a power
    /// failure (or a crash of the whole system) can undo the last seconds: new sessions are lost,
    /// and signed-out ones come back. On some file systems the newest record is left empty, and its
    /// session fails until you remove the file.
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

    /// Sets the permission bits of the files. Default: 0o600. Directories get the same bits, and
    /// every user with read permission may also search them. The process's umask removes nothing
    /// from a mode that lets others in.
    ///
    /// 0o660, for example, lets two processes of different users in one group share the sessions.
    /// The mode applies to files created from now on. It must contain 0o600, which
    /// [`open`](Builder::open) checks.
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

    /// Sets how long an operation waits for a write in the same 256th part of the store. Default:
    /// 5 seconds. Then it fails with a transient error. Only a process that is stopped while it
    /// writes, or a disk that hangs, causes a wait that long.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// # use std::time::Duration;
    /// let store = FileStore::builder("sessions")
    ///     .lock_timeout(Duration::from_secs(1))
    ///     .open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Sets the number of records above which a create removes expired ones. Default: none, because
    /// a sweeper does it better (see [`Sweep`](cloakroom_store::Sweep)). Flask's
    /// `SESSION_FILE_THRESHOLD` is 500.
    ///
    /// Each process checks the number once in every sixteenth part of it: with 500, at one create
    /// in 31. If there are too many, that create reads the beginning of each file. Living records
    /// stay, however many, except with [`evict_living`](Builder::evict_living).
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

    /// Sets whether a create also removes living records while more than
    /// [`threshold`](Builder::threshold) remain after the expired ones are gone. Those that expire
    /// soonest go first. Default: false. It signs people out.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// let store = FileStore::builder("sessions")
    ///     .threshold(500)
    ///     .evict_living(true)
    ///     .open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn evict_living(mut self, on: bool) -> Self {
        self.evict_living = on;
        self
    }

    /// Sets the clock by which records expire. Default: the system's clock.
    ///
    /// ```no_run
    /// # use cloakroom_file::FileStore;
    /// # use cloakroom_store::UnixTime;
    /// let store = FileStore::builder("sessions")
    ///     .clock(|| UnixTime::from_secs(1_700_000_000))
    ///     .open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Opens the store, and makes what is missing of its directory. Call it at start-up, because it
    /// blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// Permanent, if the directory cannot be created or written, or its file system has no locks.
    /// Permanent also if every user of the machine can write in it, unless [`mode`](Builder::mode)
    /// allows that. The same for a symbolic link of another user, and for a mode without 0o600.
    ///
    /// A disk without space for one more file is no error where the store is there already. Then
    /// only what needs space fails: sign-outs work.
    ///
    /// ```
    /// # use cloakroom_file::FileStore;
    /// let file = std::env::temp_dir().join("cloakroom-file-not-a-directory");
    /// std::fs::write(&file, "").unwrap();
    /// let error = FileStore::builder(&file).open().unwrap_err();
    /// assert!(
    ///     error
    ///         .to_string()
    ///         .starts_with("the file store failed: cannot open a store in ")
    /// );
    /// # std::fs::remove_file(file).unwrap();
    /// ```
    pub fn open(mut self) -> Result<FileStore, StoreError> {
        if self.disk.mode & 0o600 != 0o600 || self.disk.mode & !0o777 != 0 {
            return Err(failure::bad_mode(self.disk.mode));
        }
        let failed = |error| failure::before("open a store", &self.dir, error);
        // A later change of the working directory must not lead to another store.
        let base = std::path::absolute(&self.dir).map_err(failed)?;
        let layout = Layout::new(base);
        prepare(&mut self.disk, &layout)?;
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

/// Makes the directories, and tests now rather than at the first request that locks and writes work
/// there. Any number of processes may do so at once.
///
/// An existing store opens even without space for one more file, because sign-outs need none.
fn prepare(disk: &mut Disk, layout: &Layout) -> Result<(), StoreError> {
    let failed = |error| failure::before("open a store", layout.base(), error);
    disk.make_dirs(layout.base()).map_err(failed)?;
    disk.owner = guard(disk, layout.base())?;
    let mut made = false;
    for dir in layout.parts().into_iter().chain(layout.shards()) {
        match disk.look(&dir).map_err(failed)? {
            None => made |= disk.make_dir(&dir).map_err(failed)?,
            Some(there) if there.is_dir() => refuse_open_to_all(disk, &dir, &there)?,
            Some(_) => return Err(failure::no_directory(&dir)),
        }
    }
    if made {
        for part in layout.parts() {
            disk.sync_names(&part).map_err(failed)?;
        }
        disk.sync_names(layout.base()).map_err(failed)?;
    }
    match probe(disk, layout) {
        Err(error) if is_full(error.kind()) && !made => Ok(()),
        probed => probed.map_err(failed),
    }
}

fn probe(disk: &Disk, layout: &Layout) -> std::io::Result<()> {
    // All of them now: later there may be no space for one.
    for shard in 0..=u8::MAX {
        let path = layout.lock(shard);
        if disk.look(&path)?.is_none() {
            match disk.create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => drop(created?),
            }
        }
    }
    let lock = layout.lock(0);
    disk.try_lock(&lock, &disk.open_lock(&lock)?, false)?;
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let probe = format!("open-{}-{number}.tmp", std::process::id());
    let probe = layout.shard(0).join(probe);
    disk.create(&probe)?;
    // A sweeper may have been faster.
    let _ = disk.remove_file(&probe);
    Ok(())
}

/// Refuses a directory that others can change or exchange. Returns the owner of new files, if this
/// process is root's and the directory is not.
#[cfg(unix)]
fn guard(disk: &Disk, base: &Path) -> Result<Option<(u32, u32)>, StoreError> {
    use std::os::unix::fs::MetadataExt;

    let failed = |error| failure::before("open a store", base, error);
    let this = rustix::process::geteuid();
    let itself = disk.look(base).map_err(failed)?;
    if let Some(link) = itself.filter(std::fs::Metadata::is_symlink)
        && link.uid() != 0
        && link.uid() != this.as_raw()
    {
        return Err(failure::link_of_another(base, link.uid()));
    }
    let dir = std::fs::metadata(base).map_err(failed)?;
    refuse_open_to_all(disk, base, &dir)?;
    let anothers = this.is_root() && dir.uid() != 0;
    Ok(anothers.then(|| (dir.uid(), dir.gid())))
}

#[cfg(not(unix))]
fn guard(_: &Disk, _: &Path) -> Result<Option<(u32, u32)>, StoreError> {
    Ok(None)
}

#[cfg(unix)]
fn refuse_open_to_all(
    disk: &Disk,
    path: &Path,
    metadata: &std::fs::Metadata,
) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;
    match metadata.mode() & 0o002 != 0 && disk.mode & 0o002 == 0 {
        true => Err(failure::open_to_all(path, metadata.mode())),
        false => Ok(()),
    }
}

#[cfg(not(unix))]
fn refuse_open_to_all(_: &Disk, _: &Path, _: &std::fs::Metadata) -> Result<(), StoreError> {
    Ok(())
}
