//! Hints that a task receives for a listener.

use std::fmt;
use std::future::Future;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::AbortHandle;

use crate::{Hint, Hints};

/// How many announcements a slow listener may be behind.
const BEHIND: usize = 4_096;

/// Hints that a task receives, so that a listener loses none when it stops waiting. The task ends
/// with it.
pub struct Relay {
    hints: broadcast::Receiver<Hint>,
    task: AbortHandle,
}

/// Passes hints on to the listener.
pub struct Passes(broadcast::Sender<Hint>);

impl Relay {
    /// `receive` passes on what it receives. It returns when the connection has ended. Call this
    /// within a Tokio runtime.
    pub fn new<F>(receive: impl FnOnce(Passes) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, hints) = broadcast::channel(BEHIND);
        let task = tokio::spawn(receive(Passes(sender))).abort_handle();
        Self { hints, task }
    }
}

impl Passes {
    pub fn pass(&self, hint: Hint) {
        // Without a listener the task is about to be aborted.
        let _ = self.0.send(hint);
    }
}

impl Hints for Relay {
    async fn next(&mut self) -> Option<Hint> {
        match self.hints.recv().await {
            Ok(hint) => Some(hint),
            Err(RecvError::Lagged(_)) => Some(Hint::Lost),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relay(..)")
    }
}

impl fmt::Debug for Passes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passes(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{BEHIND, Relay};
    use crate::{Hint, Hints as _, Key};

    fn removed(number: usize) -> Hint {
        Hint::Removed(Key::new(&format!("session:{number}")).unwrap())
    }

    #[tokio::test]
    async fn hints_come_in_order_and_end_with_the_connection() {
        let mut relay = Relay::new(|passes| async move {
            passes.pass(removed(1));
            passes.pass(Hint::Lost);
        });
        assert_eq!(relay.next().await, Some(removed(1)));
        assert_eq!(relay.next().await, Some(Hint::Lost));
        assert_eq!(relay.next().await, None);
    }

    #[tokio::test]
    async fn a_listener_that_is_behind_hears_that_it_lost_something() {
        let mut relay = Relay::new(|passes| async move {
            for number in 0..=BEHIND {
                passes.pass(removed(number));
            }
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        assert_eq!(relay.next().await, Some(Hint::Lost));
        assert_eq!(relay.next().await, Some(removed(1)));
    }

    #[tokio::test]
    async fn the_task_ends_with_the_listener() {
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        let relay = Relay::new(|passes| async move {
            let _held = (passes, held);
            std::future::pending::<()>().await;
        });
        drop(relay);
        assert!(ended.await.is_err());
    }
}
