//! Counts the commands under way, and those among them whose request was cancelled.
//!
//! A command that was sent cannot be recalled: the server executes it although its request was
//! cancelled. Clients that send and cancel again and again would queue any number of commands ahead
//! of other requests. So new commands wait while too many cancelled ones are under way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout_at};

/// The number of abandoned commands under way above which new ones wait.
const MOST: usize = 8;

/// Counts the abandoned commands that are under way.
#[derive(Default)]
pub(super) struct Gate {
    abandoned: AtomicUsize,
    /// First come, first served.
    line: Mutex<()>,
    fewer: Notify,
}

impl Gate {
    /// Waits while too many abandoned commands are under way. Usually returns at once.
    pub(super) async fn pass(&self) {
        if self.is_open() {
            return;
        }
        let _turn = self.line.lock().await;
        while !self.is_open() {
            let fewer = self.fewer.notified();
            if self.is_open() {
                return;
            }
            fewer.await;
        }
    }

    fn is_open(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) < MOST
    }

    fn leave(&self) {
        self.abandoned.fetch_sub(1, Ordering::AcqRel);
        self.fewer.notify_one();
    }
}

/// A command that is under way. If its caller drops it, a task waits for the answer.
pub(super) struct Flight<T: Send + 'static> {
    work: Option<Work<T>>,
    gate: Arc<Gate>,
    deadline: Instant,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<T: Send + 'static> Flight<T> {
    pub(super) fn new(
        gate: Arc<Gate>,
        deadline: Instant,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self {
            work: Some(Box::pin(work)),
            gate,
            deadline,
        }
    }
}

impl<T: Send + 'static> Future for Flight<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let done = work.as_mut().poll(context);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for Flight<T> {
    fn drop(&mut self) {
        let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) else {
            return;
        };
        let (gate, deadline) = (Arc::clone(&self.gate), self.deadline);
        gate.abandoned.fetch_add(1, Ordering::AcqRel);
        runtime.spawn(async move {
            // The connection's own end, or that of the time, ends this too.
            let _ = timeout_at(deadline, work).await;
            gate.leave();
        });
    }
}
