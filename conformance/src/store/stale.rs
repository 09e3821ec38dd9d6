//! Handles that may return a record for a while after another handle changed it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloakroom_store::Key;

use super::announcing::Listener;
use super::fixture::StoreFuture;
use super::handle::{Handle, Operations};
use super::operation::{Reply, Request};

/// The writes of a case's handles, so that a load waits until it may return nothing old.
#[derive(Default)]
pub(super) struct Staleness(Mutex<Done>);

#[derive(Default)]
struct Done {
    handles: usize,
    /// The handles that may have a record in memory.
    seen: HashSet<(usize, Key)>,
    /// When each handle last changed a record.
    changed: HashMap<Key, HashMap<usize, Instant>>,
}

impl Staleness {
    /// A handle whose loads wait for `lease` after another one's write of the same key. Its own
    /// writes it must see at once.
    pub(super) fn wait(self: &Arc<Self>, inner: Handle, lease: Duration) -> Handle {
        let number = {
            let mut done = self.done();
            done.handles += 1;
            done.handles
        };
        let done = Arc::clone(self);
        Handle::erased(Waiting {
            inner,
            number,
            lease,
            done,
        })
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Waiting {
    inner: Handle,
    number: usize,
    lease: Duration,
    done: Arc<Staleness>,
}

impl Waiting {
    /// Returns how long to wait.
    fn rest(&self, key: &Key) -> Duration {
        let mut done = self.done.done();
        if done.seen.insert((self.number, key.clone())) {
            return Duration::ZERO;
        }
        let changed = done.changed.get(key).into_iter().flatten();
        let others = changed.filter(|(number, _)| **number != self.number);
        let rest = others.map(|(_, at)| self.lease.saturating_sub(at.elapsed()));
        rest.max().unwrap_or_default()
    }

    async fn wait(&self, key: &Key) {
        let rest = self.rest(key);
        if !rest.is_zero() {
            // A timer may fire a little early against another clock.
            tokio::time::sleep(rest + Duration::from_millis(2)).await;
        }
    }

    fn changes(&self, key: &Key) {
        let mut done = self.done.done();
        done.seen.insert((self.number, key.clone()));
        let changed = done.changed.entry(key.clone()).or_default();
        changed.insert(self.number, Instant::now());
    }
}

impl Operations for Waiting {
    fn listen(&self) -> StoreFuture<'_, Box<dyn Listener>> {
        self.inner.listen()
    }

    fn perform(&self, request: Request) -> StoreFuture<'_, Reply> {
        Box::pin(async move {
            let changed = match &request {
                Request::Load(key) => {
                    self.wait(key).await;
                    None
                }
                Request::Create(key, _)
                | Request::Replace(key, ..)
                | Request::Touch(key, _)
                | Request::Delete(key, _) => Some(key.clone()),
                Request::List(..) | Request::Sweep(_) | Request::Enumerate(..) => None,
            };
            changed.iter().for_each(|key| self.changes(key));
            let answer = self.inner.perform(request).await;
            changed.iter().for_each(|key| self.changes(key));
            answer
        })
    }
}
