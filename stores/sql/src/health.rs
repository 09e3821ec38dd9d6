use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is known of a pool's connections without asking the server.
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

    /// For a connection that the pool is about to hand out: asks the server whether it is still there if nobody has for a while,
    /// or if another had to be made or broke since. So a server that was started anew costs at most the operations that are
    /// under way, and in a busy moment no round trip is spent on it.
    ///
    /// One that does not answer in time is given up, and with it all that were used last before: their server, or the way to
    /// it, has gone without a word.
    pub(crate) async fn check(
        &self,
        connection: &mut impl sqlx::Connection,
        idle_for: Duration,
        patience: Duration,
    ) -> sqlx::Result<bool> {
        {
            let moments = self.moments();
            if moments
                .silent
                .is_some_and(|silent| silent.elapsed() < idle_for)
            {
                return Err(silent());
            }
            // One that was used last before another broke may have broken with it.
            let doubtful = moments
                .broke
                .is_some_and(|broke| broke.elapsed() < idle_for);
            if !doubtful && idle_for < Duration::from_secs(1) && idle_for < moments.newest.elapsed()
            {
                return Ok(true);
            }
        }
        match tokio::time::timeout(patience, connection.ping()).await {
            Ok(answer) => Ok(answer.is_ok()),
            Err(_) => {
                self.moments().silent = Some(Instant::now());
                Err(silent())
            }
        }
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the pool close the connection without another word to the server.
fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
