//! The exit statuses, and the failures behind them.

use std::fmt;
use std::process::ExitCode;

use cloakroom::{Error, StoreError};

/// An exit status. The list in `args.rs` describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Done = 0,
    NothingFound = 1,
    Usage = 2,
    Unavailable = 3,
    Refused = 4,
    Unable = 5,
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// A sentence for people, and the status for programs.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    sentence: String,
}

impl Failure {
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Status::Usage, sentence)
    }

    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self::new(Status::Refused, sentence)
    }

    pub(crate) fn unable(sentence: impl Into<String>) -> Self {
        Self::new(Status::Unable, sentence)
    }

    pub(crate) fn nothing_found(sentence: impl Into<String>) -> Self {
        Self::new(Status::NothingFound, sentence)
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    fn new(status: Status, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        (&error).into()
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let status = match error.is_transient() {
            true => Status::Unavailable,
            false => Status::Refused,
        };
        Self::new(status, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Store(error) => Self::from(&**error),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
