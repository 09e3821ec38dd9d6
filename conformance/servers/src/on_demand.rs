//! A server of a test fixture, which is started when the first case is about to run.

use std::io;
use std::ops::Deref;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A server that is there once it was started.
#[derive(Debug)]
pub struct OnDemand<T> {
    server: OnceLock<T>,
    /// Held by the case that starts it.
    starting: Mutex<()>,
}

impl<T> OnDemand<T> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            server: OnceLock::new(),
            starting: Mutex::new(()),
        }
    }

    /// Starts the server, unless it was started before.
    ///
    /// # Errors
    ///
    /// Those of `start`, whose kind is [`Unsupported`](io::ErrorKind::Unsupported) for a server
    /// that is not on this machine.
    pub fn start(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<()> {
        let _alone = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.server.get().is_none() {
            let _ = self.server.set(start()?);
        }
        Ok(())
    }
}

impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnDemand<T> {
    fn from(server: T) -> Self {
        Self {
            server: server.into(),
            starting: Mutex::new(()),
        }
    }
}

impl<T> Deref for OnDemand<T> {
    type Target = T;

    /// # Panics
    ///
    /// Panics if the server was not started.
    fn deref(&self) -> &T {
        #[expect(clippy::expect_used, reason = "a suite prepares its fixture first")]
        self.server.get().expect("`start` comes first")
    }
}
