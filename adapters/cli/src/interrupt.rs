//! Ctrl-C and SIGTERM, noticed between two steps: no step is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the command should stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. A second signal ends the process at once.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        let seen = Arc::clone(&interrupt.0);
        tokio::spawn(async move {
            while signal().await {
                if seen.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
            }
        });
        interrupt
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Waits for a signal. Returns false if the system has none.
#[cfg(unix)]
async fn signal() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.is_ok(),
        ended = terminate.recv() => ended.is_some(),
    }
}

#[cfg(not(unix))]
async fn signal() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
