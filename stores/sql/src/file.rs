//! Whether a file is still the one that was opened.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The file that a pool's connections have open.
///
/// Removing or replacing an SQLite file does not disturb connections that have it open: they go on
/// writing into a file without a name. So each connection's file is compared before use.
#[derive(Clone)]
pub(crate) struct File {
    path: Arc<Path>,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    identity: Option<Identity>,
    /// When this file was opened for the first time. Connections that are older have another one
    /// open.
    since: Instant,
}

impl File {
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            // An absolute path, whatever the working directory will be.
            path: std::path::absolute(path)
                .unwrap_or_else(|_| path.to_owned())
                .into(),
            seen: Arc::new(Mutex::new(Seen {
                identity: None,
                since: Instant::now(),
            })),
        }
    }

    /// A connection has been made.
    pub(crate) fn opened(&self) {
        let identity = Identity::of(&self.path);
        let mut seen = self.seen();
        if seen.identity != identity {
            *seen = Seen {
                identity,
                since: Instant::now(),
            };
        }
    }

    /// Returns whether a connection of this age has the file open that is there now.
    pub(crate) fn is_that_of(&self, age: Duration) -> bool {
        let identity = Identity::of(&self.path);
        let seen = self.seen();
        seen.identity == identity && age <= seen.since.elapsed()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An identity that no two files share at a time. `None` if there is no file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;

        let metadata = std::fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }

    /// Elsewhere a file that is open cannot be removed.
    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        None
    }
}
