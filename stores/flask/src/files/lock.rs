use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_store::StoreError;

use crate::failure;

/// How long a writer waits for the others.
const PATIENCE: Duration = Duration::from_secs(5);

/// The right to write, against every other thread and process that asks for it. Flask does not.
///
/// On a file of its own: a lock on a file that is renamed over would exclude nobody.
pub(crate) struct Lock(File);

impl Lock {
    pub(crate) fn acquire(store: &'static str, path: &Path) -> Result<Self, StoreError> {
        let failed = |error: io::Error| {
            failure::transient(store, format!("the lock could not be taken: {error}"))
        };
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(20);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        loop {
            // Anew each time: should somebody remove the file, two do not go on with locks on two files.
            let file = options.open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) if is_removed(&file).map_err(failed)? => continue,
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            if Instant::now() >= deadline {
                return Err(failure::timed_out(store, PATIENCE));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
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
