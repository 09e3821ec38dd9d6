//! Errors. None holds a key or a value: keys are session ids here.

use std::fmt;
use std::time::Duration;

use cloakroom_store::StoreError;

/// What a user reads.
#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

pub(crate) fn transient(store: &'static str, what: impl Into<String>) -> StoreError {
    StoreError::transient(store, Said(what.into()))
}

pub(crate) fn permanent(store: &'static str, what: impl Into<String>) -> StoreError {
    StoreError::permanent(store, Said(what.into()))
}

#[allow(dead_code, reason = "not every store has a limit")]
pub(crate) fn timed_out(store: &'static str, limit: Duration) -> StoreError {
    transient(store, format!("no answer within {limit:?}"))
}
