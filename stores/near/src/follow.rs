//! Announcements of a store, applied to the cache.
//!
//! ```text
//! begun ──▶ ask, at t ──▶ records that changed ──▶ complete: leases are renewed from t on
//!              ▲                                        │ half a lease
//!              └────────────────────────────────────────┘
//! ended: nothing in memory is used any more; the lease alone counts until the next beginning
//! ```

use std::sync::Weak;
use std::time::Duration;

use cloakroom_store::{Change, Changes, Track};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cache::Cache;
use crate::mutant::Broken;
use crate::near::Inner;

/// The longest pause before the store is asked again for announcements.
const PAUSE: Duration = Duration::from_secs(10);

/// The rules, without the connection.
pub(crate) struct Follower {
    asked: Option<Duration>,
}

impl Follower {
    /// Begins with a connection that stands. Changes before it were not announced.
    pub(crate) fn begin(cache: &Cache) -> Self {
        if !cache.mutant.is(Broken::KeepsWhatWasLoadedUnheard) {
            cache.clear();
        }
        Self { asked: None }
    }

    /// To be called before [`Changes::ask`].
    pub(crate) fn ask(&mut self, cache: &Cache) {
        self.asked = self.asked.or_else(|| Some(cache.now()));
    }

    pub(crate) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    pub(crate) fn hear(&mut self, cache: &Cache, change: &Change) {
        match change {
            Change::Record(_) if cache.mutant.is(Broken::KeepsAnnounced) => {}
            Change::Record(key) => cache.announce(key),
            Change::Complete => {
                // Changes after the question may not have been announced yet.
                if let Some(asked) = self.asked.take() {
                    cache.heard_all_before(match cache.mutant.is(Broken::RenewsFromTheAnswer) {
                        true => cache.now(),
                        false => asked,
                    });
                }
            }
            _ if cache.mutant.is(Broken::KeepsWhenAllChanged) => {}
            _ => cache.clear(),
        }
    }

    /// Ends with the connection. Changes since its last message were not announced.
    pub(crate) fn end(self, cache: &Cache) {
        cache.count_loss();
        cache.unheard();
        if !cache.mutant.is(Broken::KeepsAfterLoss) {
            cache.clear();
        }
    }
}

/// Follows the store's announcements until the last handle of the cache is dropped, or the store
/// answers that it never has any.
pub(crate) async fn follow<S: Track>(near: Weak<Inner<S>>) {
    let mut pause = Duration::ZERO;
    loop {
        let Some(inner) = near.upgrade() else {
            return;
        };
        let half = inner.cache.lease() / 2;
        match inner.store.track().await {
            Ok(changes) => {
                drop(inner);
                if listen(&near, changes, half).await {
                    pause = Duration::ZERO;
                }
            }
            Err(error) if !error.is_transient() => return,
            Err(_) => drop(inner),
        }
        // A server that ends each connection at once is not asked in a loop.
        pause = longer(pause, half);
        sleep(pause).await;
    }
}

fn longer(pause: Duration, half: Duration) -> Duration {
    (pause * 2).max(half).min(PAUSE)
}

/// Returns whether the connection was complete once.
async fn listen<S>(near: &Weak<Inner<S>>, mut changes: impl Changes, half: Duration) -> bool {
    let Some(inner) = near.upgrade() else {
        return false;
    };
    let mut follower = Follower::begin(&inner.cache);
    drop(inner);
    let mut was_complete = false;
    let mut next = Instant::now();
    loop {
        if !follower.is_asking() && next <= Instant::now() {
            let Some(inner) = near.upgrade() else {
                return was_complete;
            };
            next = Instant::now() + half;
            follower.ask(&inner.cache);
            changes.ask();
        }
        // While a question is open, the look is for handles that were dropped.
        let until = next.max(Instant::now() + half / 8);
        let Ok(change) = timeout_at(until, changes.next()).await else {
            continue;
        };
        let Some(inner) = near.upgrade() else {
            return was_complete;
        };
        match change {
            Some(change) => {
                was_complete |= change == Change::Complete;
                follower.hear(&inner.cache, &change);
            }
            None => {
                follower.end(&inner.cache);
                return was_complete;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PAUSE, longer};
    use std::time::Duration;

    #[test]
    fn pauses_grow_from_half_a_lease_up_to_the_longest() {
        for lease in [100, 1_000, 19_999, 20_000, 30_000] {
            let half = Duration::from_millis(lease) / 2;
            let mut pause = longer(Duration::ZERO, half);
            assert_eq!(pause, half.min(PAUSE));
            for _ in 0..10 {
                let next = longer(pause, half);
                assert!(pause <= next && next <= PAUSE, "{pause:?}, {next:?}");
                pause = next;
            }
            assert_eq!(pause, PAUSE);
        }
    }
}
