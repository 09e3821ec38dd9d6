//! An operation's turn and time, and whether its connection is still there.

use std::future::IntoFuture as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use cloakroom_store::connections::Outlive;
use mongodb::bson::doc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::errors::{STORE, failed, is_of_the_connection};
use super::store::MongoDbStore;
use crate::failure;

/// How long no answer may have come before a write asks whether the connections are still there.
const QUIET: Duration = Duration::from_secs(1);

impl MongoDbStore {
    /// Does `work` when it is this operation's turn, within the time limit.
    pub(super) async fn bounded<T, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let end = Instant::now() + self.timeout;
        let turn = self.turn().await?;
        let (store, work) = (self.clone(), work(self.clone()));
        let bounded = async move {
            let _turn = turn;
            match timeout_at(end, work).await {
                Ok(done) => {
                    // A refusal is an answer too.
                    if !done.as_ref().is_err_and(StoreError::is_transient) {
                        store.answers.fetch_add(1, Ordering::Relaxed);
                        *store.last() = Instant::now();
                    }
                    done
                }
                Err(_) => Err(failure::timed_out(STORE, store.timeout)),
            }
        };
        // The driver closes the connection of an operation that is dropped.
        Outlive::new(bounded).await
    }

    /// The same for a write. Nobody can find out whether a write landed that met a connection which
    /// a proxy had closed. So after a pause it first asks the server something harmless. The driver
    /// closes all its connections when it finds one of them broken.
    pub(super) async fn write<T, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.bounded(|store| {
            let is_asked = store.last().elapsed() >= QUIET;
            let work = work(store.clone());
            async move {
                if is_asked {
                    store.reach().await?;
                }
                work.await
            }
        })
        .await
    }

    /// Fails if no connection reaches the server. Closes a connection whose peer vanished silently
    /// after a quarter of the time.
    async fn reach(&self) -> Result<(), StoreError> {
        let name = self.collection.namespace().db;
        let database = self.collection.client().database(&name);
        let mut tries = 0;
        loop {
            tries += 1;
            let ping = database.run_command(doc! { "ping": 1 }).into_future();
            match tokio::time::timeout(self.timeout / 4, ping).await {
                Ok(Err(error)) if tries == 3 || !is_of_the_connection(&error) => {
                    return Err(failed(&error));
                }
                Err(_) if tries == 3 => return Err(failure::timed_out(STORE, self.timeout)),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Instant> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let before = self.answers.load(Ordering::Relaxed);
        // Less than the operation has, so that the error names what was waited for.
        let latest = Instant::now() + self.timeout / 10 * 9;
        match timeout_at(latest, Arc::clone(&self.turns).acquire_owned()).await {
            // A permit that comes too late goes on to the next operation: all may give up at once.
            Ok(Ok(turn)) if Instant::now() < latest => Ok(turn),
            _ if self.answers.load(Ordering::Relaxed) == before => {
                Err(failure::timed_out(STORE, self.timeout))
            }
            _ => Err(failure::transient(
                STORE,
                "all connections to the server were in use for too long; raise maxPoolSize in \
                 SESSION_MONGODB if this lasts",
            )),
        }
    }
}
