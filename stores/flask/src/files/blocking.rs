//! File work on blocking threads, one writer at a time.

use std::panic::resume_unwind;
use std::sync::Arc;

use cloakroom_store::StoreError;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::failure;

/// The worker, and the queue of this process's writers.
pub(crate) struct Blocking<E> {
    pub(crate) engine: Arc<E>,
    queue: Arc<Semaphore>,
    store: &'static str,
}

impl<E: Send + Sync + 'static> Blocking<E> {
    pub(crate) fn new(store: &'static str, engine: E) -> Self {
        Self {
            engine: Arc::new(engine),
            queue: Arc::new(Semaphore::new(1)),
            store,
        }
    }

    /// Runs a job on a blocking thread. A started job is finished, even if its caller has gone.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&E) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let no_runtime = |_| failure::permanent(self.store, "it works only in a Tokio runtime");
        let runtime = Handle::try_current().map_err(no_runtime)?;
        let engine = Arc::clone(&self.engine);
        let done = runtime.spawn_blocking(move || job(&engine)).await;
        done.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(failure::transient(
                self.store,
                "the runtime is shutting down",
            )),
        })
    }

    /// The same for one that writes: alone in this process. Others wait without occupying a thread.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&E) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Never closed, so there always is a permit to come.
        let turn = Arc::clone(&self.queue).acquire_owned().await;
        self.read(move |engine| {
            let _turn = turn;
            job(engine)
        })
        .await
    }
}
