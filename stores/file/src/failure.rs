use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use cloakroom_store::StoreError;

const STORE: &str = "file";

/// A failed step on the file system: the action and the directory, never the key.
#[derive(Debug)]
struct Failure {
    doing: &'static str,
    dir: Box<Path>,
    advice: &'static str,
    error: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.dir.display();
        write!(f, "cannot {} in {dir}: {}", self.doing, self.error)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// An error of the file system, and where.
#[derive(Debug)]
struct Located {
    path: Box<Path>,
    error: io::Error,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl Error for Located {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Adds the path to an error. Names of files are hashes, so a path contains no key.
pub(crate) fn located(path: &Path, error: io::Error) -> io::Error {
    let path = path.into();
    io::Error::new(error.kind(), Located { path, error })
}

/// Returns whether there is no space for one more file, or for what one would contain.
pub(crate) fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// A cursor that another store made.
pub(crate) fn cursor() -> StoreError {
    StoreError::permanent(
        STORE,
        "the cursor is not one of this store; begin without one",
    )
}

/// A step before anything of the operation became visible: it did not happen.
pub(crate) fn before(doing: &'static str, dir: &Path, error: io::Error) -> StoreError {
    let transient = may_pass(&error);
    let failure = Failure {
        doing,
        dir: dir.into(),
        advice: advice(error.kind()),
        error,
    };
    if transient {
        StoreError::transient(STORE, failure)
    } else {
        StoreError::permanent(STORE, failure)
    }
}

/// A step with or after which the operation became visible: it may have happened, and if it has,
/// may not outlast a power failure. The contract calls that transient, because a permanent error
/// promises that nothing happened.
pub(crate) fn after(doing: &'static str, dir: &Path, error: io::Error) -> StoreError {
    let failure = Failure {
        doing,
        dir: dir.into(),
        advice: "the change may be visible already, and a power failure may take it back",
        error,
    };
    StoreError::transient(STORE, failure)
}

pub(crate) fn corrupt(file: &Path, reason: &'static str) -> StoreError {
    let file = file.display();
    let message = format!(
        "{file} is not a record that this version can read ({reason}); it was left as it is: restore it from a backup, or \
         remove it, which ends that session"
    );
    StoreError::permanent(STORE, message)
}

pub(crate) fn locked_out(dir: &Path, waited: Duration) -> StoreError {
    let dir = dir.display();
    let message = format!(
        "another process held a lock in {dir} for over {waited:?}; look for a process that is stopped or stuck"
    );
    StoreError::transient(STORE, message)
}

pub(crate) fn too_large(len: usize, limit: usize) -> StoreError {
    let message = format!("a record of {len} bytes is over the limit of {limit} bytes");
    StoreError::permanent(STORE, message)
}

/// A directory that others can change: they could end, copy and forge sessions.
#[cfg(unix)]
pub(crate) fn open_to_all(path: &Path, mode: u32) -> StoreError {
    let (path, mode) = (path.display(), mode & 0o7777);
    let message = format!(
        "every user of this machine can write in {path} (mode {mode:#o}), and so end or forge \
         sessions; run `chmod o-w {path}`, or choose a directory of the application's own"
    );
    StoreError::permanent(STORE, message)
}

#[cfg(unix)]
pub(crate) fn link_of_another(path: &Path, user: u32) -> StoreError {
    let path = path.display();
    let message = format!(
        "{path} is a symbolic link that belongs to another user (uid {user}), who can make it lead \
         anywhere; name the directory itself, or make the application's user the link's owner"
    );
    StoreError::permanent(STORE, message)
}

pub(crate) fn no_directory(path: &Path) -> StoreError {
    let path = path.display();
    let message = format!("{path} is not a directory, and the store needs one there; move it away");
    StoreError::permanent(STORE, message)
}

pub(crate) fn bad_mode(mode: u32) -> StoreError {
    let message =
        format!("the mode {mode:#o} would lock the store itself out; it must contain 0o600");
    StoreError::permanent(STORE, message)
}

pub(crate) fn no_runtime() -> StoreError {
    StoreError::permanent(
        STORE,
        "it works on Tokio's blocking threads; call it inside a Tokio runtime",
    )
}

pub(crate) fn shutting_down() -> StoreError {
    StoreError::transient(STORE, "the Tokio runtime is shutting down")
}

fn may_pass(error: &io::Error) -> bool {
    // Too many open files, in this process (24) or on the whole machine (23): the same numbers on
    // every Unix.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let code = inner.map_or(error, |located: &Located| &located.error);
    let no_descriptors = cfg!(unix) && matches!(code.raw_os_error(), Some(23 | 24));
    no_descriptors
        || matches!(
            error.kind(),
            ErrorKind::Interrupted
                | ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::OutOfMemory
                | ErrorKind::ResourceBusy
                | ErrorKind::StaleNetworkFileHandle
        )
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "the record is as it was; free some space or raise the limit"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "the process's user needs to read and write this path, and to search the directories \
             above it: make that user its owner (`chown -R`), or let several users share the store \
             through a group, with `Builder::mode(0o660)` in each process"
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            "the store is not there: has it been removed, or its volume unmounted? Bring it back, or open the store again \
             to begin an empty one"
        }
        ErrorKind::InvalidData => {
            "the store makes regular files only: find out who put it there, and remove it"
        }
        _ => "",
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::io::Errno;

    /// Errors that a retry cannot fix are permanent, and their text has the remedy.
    #[test]
    fn every_cause_has_its_kind_and_its_advice() {
        const FULL: &str = "free some space";
        const RIGHTS: &str = "make that user its owner";
        const GONE: &str = "volume unmounted";
        for (cause, transient, advice) in [
            (Errno::NOSPC, false, FULL),
            (Errno::DQUOT, false, FULL),
            (Errno::FBIG, false, FULL),
            (Errno::ACCESS, false, RIGHTS),
            (Errno::PERM, false, RIGHTS),
            (Errno::ROFS, false, RIGHTS),
            (Errno::NOENT, false, GONE),
            (Errno::NOTDIR, false, GONE),
            (Errno::IO, false, ""),
            (Errno::NOLCK, false, ""),
            (Errno::NAMETOOLONG, false, ""),
            (Errno::MFILE, true, ""),
            (Errno::NFILE, true, ""),
            (Errno::INTR, true, ""),
            (Errno::AGAIN, true, ""),
            (Errno::NOMEM, true, ""),
            (Errno::BUSY, true, ""),
            (Errno::STALE, true, ""),
            (Errno::TIMEDOUT, true, ""),
        ] {
            let path = Path::new("/somewhere/locks/3f");
            let error = located(path, cause.into());
            let error = before("lock", Path::new("/somewhere"), error);
            assert_eq!(error.is_transient(), transient, "{error}");
            let text = error.to_string();
            assert!(text.contains("/somewhere/locks/3f: "), "{text}");
            assert!(text.contains(advice), "{text}");
            // After a step that may have become visible, the outcome is unknown.
            assert!(after("lock", path, cause.into()).is_transient());
        }
    }
}
