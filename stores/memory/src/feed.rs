//! Announcements of removed records to the other handles' listeners.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

use cloakroom_store::{Feed, Hint, Hints, Key, StoreError};
use parking_lot::Mutex;

use crate::MemoryStore;

/// How many announcements a slow listener may be behind.
const BEHIND: usize = 4_096;

/// The listeners of a store. Without any, a delete costs one atomic load more.
#[derive(Default)]
pub(crate) struct Listeners {
    count: AtomicUsize,
    all: Mutex<Vec<Weak<Queue>>>,
}

#[derive(Default)]
struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    hints: VecDeque<Hint>,
    waker: Option<Waker>,
}

impl Listeners {
    pub(crate) fn removed(&self, key: &Key) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.announce(key);
        }
    }

    #[cold]
    fn announce(&self, key: &Key) {
        let mut all = self.all.lock();
        all.retain(|queue| match queue.upgrade() {
            Some(queue) => {
                queue.push(key);
                true
            }
            None => false,
        });
        self.count.store(all.len(), Ordering::Relaxed);
    }

    fn listen(&self) -> MemoryHints {
        let queue = Arc::new(Queue::default());
        let mut all = self.all.lock();
        all.push(Arc::downgrade(&queue));
        self.count.store(all.len(), Ordering::Relaxed);
        MemoryHints(queue)
    }
}

impl Queue {
    fn push(&self, key: &Key) {
        let mut state = self.0.lock();
        if state.hints.len() == BEHIND {
            state.hints.clear();
            state.hints.push_back(Hint::Lost);
        } else {
            state.hints.push_back(Hint::Removed(key.clone()));
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The removals from a [`MemoryStore`], from [`Feed::listen`].
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_store::{Feed, Hint, Hints, Key, Store, UnixTime, Write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// let store = MemoryStore::new();
/// let key = Key::new("session:1").unwrap();
/// store.create(&key, &Write::new("a coat", UnixTime::MAX, None)).await?;
/// let mut hints = store.listen().await?;
/// let record = store.load(&key).await?.unwrap();
/// store.delete(&key, &record).await?;
/// assert_eq!(hints.next().await, Some(Hint::Removed(key)));
/// # Ok(())
/// # }
/// ```
pub struct MemoryHints(Arc<Queue>);

impl Hints for MemoryHints {
    /// Never returns `None`.
    async fn next(&mut self) -> Option<Hint> {
        poll_fn(|context| {
            let mut state = self.0.0.lock();
            match state.hints.pop_front() {
                Some(hint) => Poll::Ready(Some(hint)),
                None => {
                    state.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl std::fmt::Debug for MemoryHints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryHints(..)")
    }
}

impl Feed for MemoryStore {
    type Hints = MemoryHints;

    async fn listen(&self) -> Result<MemoryHints, StoreError> {
        Ok(self.data().listeners.listen())
    }
}
