//! A thread that sweeps from time to time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::data::Data;

/// The thread lives as long as this does. It holds the data, but no handle of the store, so that it
/// is never the one that drops this.
pub(crate) struct Sweeper {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Sweeper {
    pub(crate) fn start(data: Arc<Data>, interval: Duration) -> std::io::Result<Self> {
        // Without a pause it would use up a processor.
        let interval = interval.max(Duration::from_millis(1));
        let stop = Arc::new(Stop::default());
        let thread = std::thread::Builder::new()
            .name("session-sweeper".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    while !stop.comes_within(interval) {
                        // The application's clock may panic. The next round tries again.
                        let _ = catch_unwind(AssertUnwindSafe(|| {
                            data.sweep(usize::MAX, || stop.comes_within(Duration::ZERO))
                        }));
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        *self
            .stop
            .stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // Soon: it looks between any two locks. It cannot have panicked, see above.
            let _ = thread.join();
        }
    }
}

impl Stop {
    fn comes_within(&self, interval: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if interval.is_zero() {
            return *stopped;
        }
        let (stopped, _) = self
            .changed
            .wait_timeout_while(stopped, interval, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}
