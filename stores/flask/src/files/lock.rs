use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_store::StoreError;

use super::disk;
use crate::failure;

/// How long a writer waits for the others.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The right to write, exclusive among this store's threads and processes. Flask takes no lock.
///
/// The lock has a file of its own, because a lock on a file that is renamed over would exclude
/// nobody.
pub(crate) struct Lock(File);

impl Lock {
    pub(crate) fn acquire(store: &'static str, path: &Path) -> Result<Self, StoreError> {
        let failed = |error: io::Error| {
            let what = format!("the lock {} could not be taken: {error}", path.display());
            match error.kind() {
                ErrorKind::PermissionDenied => failure::permanent(
                    store,
                    format!("{what}; make the application's user the owner of this file"),
                ),
                ErrorKind::InvalidData => failure::permanent(store, what),
                _ => failure::transient(store, what),
            }
        };
        let deadline = Instant::now() + TIMEOUT;
        let mut pause = Duration::from_micros(20);
        let mut options = OpenOptions::new();
        options.write(true);
        loop {
            // Opened each time. If someone removes the file, two writers do not keep locking two
            // different files.
            let file = match disk::open(&mut options, path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    create(path).map_err(failed)?;
                    continue;
                }
                opened => opened.map_err(failed)?,
            };
            match file.try_lock() {
                Ok(()) if is_removed(&file).map_err(failed)? => continue,
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            if Instant::now() >= deadline {
                return Err(failure::timed_out(store, TIMEOUT));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }
}

/// Creates the lock file, unless another process just did.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => path.parent().map_or(Ok(()), |dir| disk::give(&file, dir)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_removed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() == 0)
}

#[cfg(not(unix))]
fn is_removed(_: &File) -> io::Result<bool> {
    Ok(false)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Should it fail, closing is what remains.
        let _ = self.0.unlock();
    }
}
