//! Work that finishes without its caller.
//!
//! A request that is cancelled in the middle of a statement leaves a connection with an unread
//! answer. Closing it costs the next request a handshake, and if that is cancelled too, the one
//! after it. So aborting clients could keep all others from the database. Instead, a task of its
//! own finishes the work.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that a task finishes if it is dropped before its end.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Outliving<T: Send + 'static> {
    work: Option<Work<T>>,
    runtime: Handle,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The work, which must end by itself in a bounded time. Its output is dropped if the caller has
/// gone.
pub(super) fn outliving<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Outliving<T> {
    Outliving {
        work: Some(Box::pin(work)),
        runtime: Handle::current(),
    }
}

impl<T: Send + 'static> Future for Outliving<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out, so that work that panics is not polled again by the task.
        let Some(mut work) = self.work.take() else {
            return Poll::Pending;
        };
        let outcome = work.as_mut().poll(context);
        if outcome.is_pending() {
            self.work = Some(work);
        }
        outcome
    }
}

impl<T: Send + 'static> Drop for Outliving<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            // A runtime that has ended drops it at once.
            self.runtime.spawn(async move { drop(work.await) });
        }
    }
}
