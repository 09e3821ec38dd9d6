use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::check::Verdict;

/// The known state of a pool's connections, without a round trip.
#[derive(Clone)]
pub(crate) struct Health(Arc<Mutex<Moments>>);

struct Moments {
    /// When the newest connection was made.
    newest: Instant,
    /// When one was last found to lead nowhere.
    silent: Option<Instant>,
    /// When one last broke in an operation.
    broke: Option<Instant>,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Moments {
            newest: Instant::now(),
            silent: None,
            broke: None,
        })))
    }

    /// A connection has been made.
    pub(crate) fn made(&self) {
        self.moments().newest = Instant::now();
    }

    /// A connection broke in an operation.
    pub(crate) fn broke(&self) {
        self.moments().broke = Some(Instant::now());
    }

    /// Judges a connection that has been idle for this long. It is in doubt after a second, or if
    /// another connection had to be made or broke since. So a restarted server costs at most the
    /// operations under way, and busy connections spend no round trip on tests.
    pub(crate) fn verdict(&self, unused: Duration) -> Verdict {
        let moments = self.moments();
        let since = |moment: Option<Instant>| moment.is_some_and(|at| at.elapsed() < unused);
        if since(moments.silent) {
            return Verdict::Gone;
        }
        // One that was used last before another broke may have broken with it.
        let is_fresh = unused < Duration::from_secs(1) && unused < moments.newest.elapsed();
        match is_fresh && !since(moments.broke) {
            true => Verdict::Sound,
            false => Verdict::Doubtful,
        }
    }

    /// Tests a connection. If it does not answer in time, it is closed, with all that were last
    /// used before it: their server, or the way to it, has vanished silently.
    pub(crate) async fn answers(
        &self,
        connection: &mut impl sqlx::Connection,
        patience: Duration,
    ) -> bool {
        match tokio::time::timeout(patience, connection.ping()).await {
            Ok(answer) => answer.is_ok(),
            Err(_) => {
                self.moments().silent = Some(Instant::now());
                false
            }
        }
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
