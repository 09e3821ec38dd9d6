use std::time::Duration;

use cloakroom_store::StoreError;
use tokio::time::Instant;

use crate::failure;

/// The end of an operation, waits and retries included.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    begin: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self {
            begin: Instant::now(),
            limit,
        }
    }

    /// Ends the work when the time is over.
    pub(crate) async fn limit<T>(self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let done = tokio::time::timeout_at(self.begin + self.limit, work).await;
        done.map_err(|_| failure::timed_out(self.limit))
    }

    /// A little before the end, so that the error can name the cause of the wait.
    pub(crate) fn patience(self) -> Instant {
        self.begin + self.limit / 10 * 9
    }
}
