//! Shared by Cloakroom's own stores, about their connections. No part of the contract.

mod relay;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout_at};

pub use relay::{Passes, Relay};

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Polls work once. Takes it out meanwhile, so that work that panics is not polled again.
fn poll<T>(work: &mut Option<Work<T>>, context: &mut Context<'_>) -> Poll<T> {
    let Some(mut taken) = work.take() else {
        return Poll::Pending;
    };
    let outcome = taken.as_mut().poll(context);
    if outcome.is_pending() {
        *work = Some(taken);
    }
    outcome
}

/// A future that a task carries on when its caller drops it half way.
///
/// A cancelled request would otherwise close its connection, because the answer is still to come,
/// and leave the handshake of a new one to the next request. Many such requests would starve all
/// others. Carried on, they cost the same as uncancelled ones.
#[must_use = "futures do nothing unless polled"]
pub struct Outlive<T: Send + 'static> {
    work: Option<Work<T>>,
    runtime: Option<Handle>,
}

impl<T: Send + 'static> Outlive<T> {
    /// `work` must end by itself in a bounded time, because its caller may be gone. Its output is
    /// dropped then.
    pub fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            work: Some(Box::pin(work)),
            runtime: Handle::try_current().ok(),
        }
    }
}

impl<T: Send + 'static> Future for Outlive<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        poll(&mut self.work, context)
    }
}

impl<T: Send + 'static> fmt::Debug for Outlive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlive").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Drop for Outlive<T> {
    fn drop(&mut self) {
        // Without a runtime there is no other request either. One that has ended drops it at once.
        if let (Some(work), Some(runtime)) = (self.work.take(), &self.runtime) {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

/// The number of abandoned commands under way above which new ones wait.
const MOST: usize = 8;

/// Counts the abandoned commands that are under way.
///
/// A command that was sent cannot be recalled: the server executes it although its request was
/// cancelled. Clients that send and cancel again and again would queue any number of commands ahead
/// of other requests. So new commands wait while too many cancelled ones are under way.
#[derive(Debug, Default)]
pub struct Gate {
    abandoned: AtomicUsize,
    /// First come, first served.
    line: Mutex<()>,
    fewer: Notify,
}

impl Gate {
    /// Waits while too many abandoned commands are under way. Usually returns at once.
    pub async fn pass(&self) {
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
#[must_use = "futures do nothing unless polled"]
pub struct Flight<T: Send + 'static> {
    work: Option<Work<T>>,
    gate: Arc<Gate>,
    deadline: Instant,
}

impl<T: Send + 'static> Flight<T> {
    /// A command that is counted in `gate` from its drop on, until its answer or `deadline`.
    pub fn new(
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
        poll(&mut self.work, context)
    }
}

impl<T: Send + 'static> fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").finish_non_exhaustive()
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
