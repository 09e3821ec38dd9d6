use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::Disk;

/// The right to write in one shard, against every other thread and process.
///
/// On a file of its own: a lock on a record's file would not survive the rename that replaces it.
pub(crate) struct ShardLock(File);

impl ShardLock {
    /// Waits until `deadline`; `None` when it has passed. Asks at least once.
    pub(crate) fn acquire(disk: &Disk, path: &Path, deadline: Instant) -> io::Result<Option<Self>> {
        Self::wait(deadline, || Self::try_acquire(disk, path))
    }

    /// Waits until no writer is in the shard, and keeps others out. `Some(None)`: there is no lock
    /// file, so there is no writer.
    pub(crate) fn share(
        disk: &Disk,
        path: &Path,
        deadline: Instant,
    ) -> io::Result<Option<Option<Self>>> {
        Self::wait(deadline, || {
            let Some(file) = disk.open_existing_lock(path, false)? else {
                return Ok(Some(None));
            };
            let lock = Self(file);
            Ok(match disk.try_lock(path, &lock.0, true)? {
                // If it has lost its name, the next writer locks another file: look again.
                true if lock.is_removed()? => None,
                true => Some(Some(lock)),
                false => None,
            })
        })
    }

    fn wait<T>(
        deadline: Instant,
        mut attempt: impl FnMut() -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        // Locks are held for microseconds (milliseconds with fsync), so it pays to look again soon.
        let mut pause = Duration::from_micros(20);
        loop {
            if let Some(lock) = attempt()? {
                return Ok(Some(lock));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    /// Opens the file each time instead of keeping it open. If someone removes it, two processes do
    /// not keep locking two different files for ever.
    pub(crate) fn try_acquire(disk: &Disk, path: &Path) -> io::Result<Option<Self>> {
        loop {
            let lock = Self(disk.open_lock(path)?);
            if !disk.try_lock(path, &lock.0, false)? {
                return Ok(None);
            }
            if !lock.is_removed()? {
                return Ok(Some(lock));
            }
        }
    }

    /// Returns whether the file lost its name between being opened and being locked. Such a lock
    /// excludes nobody.
    #[cfg(unix)]
    fn is_removed(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        Ok(self.0.metadata()?.nlink() == 0)
    }

    #[cfg(not(unix))]
    fn is_removed(&self) -> io::Result<bool> {
        Ok(false)
    }
}

impl Drop for ShardLock {
    fn drop(&mut self) {
        // Closing is not enough if the process has forked meanwhile: the child's copy would keep
        // the lock. Should unlocking fail, closing is what remains.
        let _ = self.0.unlock();
    }
}
