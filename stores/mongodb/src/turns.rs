//! An operation's turn and time, and whether its connection is still there.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use cloakroom_store::connections::Outlive;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::failure;
use crate::store::{Inner, MongoDbStore};
use crate::table::{Table, reach};

/// How long no answer may have come before a write asks whether the connections are still there.
const QUIET: Duration = Duration::from_secs(1);

impl MongoDbStore {
    /// Does `work` when it is this operation's turn, within the time limit.
    pub(crate) async fn bounded<T, W>(&self, work: impl FnOnce(Table) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let end = Instant::now() + self.inner.timeout;
        let turn = self.turn().await?;
        let table = Table {
            collection: self.inner.source.collection()?,
            timeout: self.inner.timeout,
        };
        let (store, work) = (self.clone(), work(table));
        let bounded = async move {
            let _turn = turn;
            let inner = &*store.inner;
            match timeout_at(end, work).await {
                Ok(done) => {
                    // A refusal is an answer too.
                    if !done.as_ref().is_err_and(StoreError::is_transient) {
                        inner.answers.fetch_add(1, Ordering::Relaxed);
                        *inner.last() = Instant::now();
                    }
                    done
                }
                Err(_) => Err(failure::timed_out(inner.timeout)),
            }
        };
        // The driver closes the connection of an operation that is dropped.
        Outlive::new(bounded).await
    }

    /// The same for a write. Nobody can find out whether a write landed that met a connection which
    /// a proxy had closed. So after a pause it first asks the server something harmless. The driver
    /// closes all its connections when it finds one of them broken.
    pub(crate) async fn write<T, W>(&self, work: impl FnOnce(Table) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.bounded(|table| {
            let is_asked = self.inner.last().elapsed() >= QUIET;
            let (collection, limit) = (table.collection.clone(), table.timeout);
            let work = work(table);
            async move {
                if is_asked {
                    reach(&collection, limit).await?;
                }
                work.await
            }
        })
        .await
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let Inner {
            turns,
            answers,
            timeout,
            ..
        } = &*self.inner;
        if let Ok(turn) = Arc::clone(turns).try_acquire_owned() {
            return Ok(turn);
        }
        let before = answers.load(Ordering::Relaxed);
        // Less than the operation has, so that the error names what was waited for.
        let latest = Instant::now() + *timeout / 10 * 9;
        match timeout_at(latest, Arc::clone(turns).acquire_owned()).await {
            // A permit that comes too late goes on to the next operation: all may give up at once.
            Ok(Ok(turn)) if Instant::now() < latest => Ok(turn),
            _ if answers.load(Ordering::Relaxed) == before => Err(failure::timed_out(*timeout)),
            _ => Err(failure::busy(*timeout)),
        }
    }
}

impl Inner {
    fn last(&self) -> MutexGuard<'_, Instant> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
