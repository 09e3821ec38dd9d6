//! Connections that close.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Connections, of which each is open or not. One that is not is opened by the operation that gets
/// it, and one whose operation is dropped half way is closed.
pub(super) struct Pool {
    free: Semaphore,
    open: Mutex<Vec<bool>>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            free: Semaphore::new(8),
            open: Mutex::new(vec![true; 8]),
        }
    }
}

impl Pool {
    pub(super) async fn statement(&self) {
        let _permit = self.free.acquire().await.unwrap();
        let mut taken = Taken(self, false);
        let is_open = self.open.lock().unwrap().pop();
        if is_open == Some(false) {
            // Longer than the case counts, so that a slow machine finds none open either.
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_millis(4)).await;
        taken.1 = true;
    }
}

/// A connection in use, and whether its statement is done.
struct Taken<'a>(&'a Pool, bool);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.open.lock().unwrap().push(self.1);
    }
}
