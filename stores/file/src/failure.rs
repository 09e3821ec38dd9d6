use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use cloakroom_store::StoreError;

const STORE: &str = "file";

/// A step on the file system that failed. What it was to do and in which directory, never for which key.
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

/// A step with or after which the operation became visible: it may have happened, and if it has, may not outlast a power
/// failure. The contract calls that transient, because a permanent error promises that nothing happened.
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
    // Too many open files, in this process (24) or on the whole machine (23): the same numbers on every Unix.
    let no_descriptors = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
    no_descriptors
        || matches!(
            error.kind(),
            ErrorKind::Interrupted
                | ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::OutOfMemory
                | ErrorKind::ResourceBusy
        )
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "the record is as it was; free some space or raise the limit"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "the process needs to read, write and search this directory and all below it"
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            "the store is not there: has it been removed, or its volume unmounted? Bring it back, or open the store again \
             to begin an empty one"
        }
        _ => "",
    }
}
