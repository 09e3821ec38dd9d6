//! Cookies of which none is this configuration's, so that every visitor is a stranger.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cloakroom_core::{Config, Exchange};

use crate::report::print_once;

/// How many requests are enough, if no other one had a cookie of this configuration.
const MANY: u32 = 20;

/// Watches the requests of one configuration until one has a token of its own.
#[derive(Default)]
pub(crate) struct Strangers {
    /// A token was genuine, or it has been reported.
    settled: AtomicBool,
    foreign: AtomicU32,
}

impl Strangers {
    /// Examines the exchange of a request that is over, and reports once.
    pub(crate) fn watch(&self, config: &Config, exchange: &Exchange) {
        if config.header().is_some()
            || self.settled.load(Ordering::Relaxed)
            || !self.is_enough(exchange.is_foreign())
        {
            return;
        }
        static PRINTED: AtomicU32 = AtomicU32::new(0);
        let cookie = config.cookie_name();
        tracing::warn!(
            cookie,
            "no request presents a cookie of this configuration: are the keys right?"
        );
        print_once(
            &PRINTED,
            1,
            format_args!(
                "of {MANY} requests with the cookie {cookie} none had one of this configuration; \
                 {CAUSES}"
            ),
        );
    }

    /// Counts one, and returns whether it is the one to report.
    fn is_enough(&self, foreign: Option<bool>) -> bool {
        match foreign {
            None => false,
            Some(false) => {
                self.settled.store(true, Ordering::Relaxed);
                false
            }
            Some(true) => {
                let enough = self.foreign.fetch_add(1, Ordering::Relaxed) + 1 >= MANY;
                enough && !self.settled.swap(true, Ordering::Relaxed)
            }
        }
    }
}

const CAUSES: &str = "check that every node has the same signing or sealing keys, that the old key \
                      is still in the list, and that no other application has a cookie of this \
                      name";

#[cfg(test)]
mod tests {
    use super::{MANY, Strangers};

    #[test]
    fn many_foreign_cookies_are_reported_once() {
        let strangers = Strangers::default();
        for request in 1..5 * MANY {
            assert!(!strangers.is_enough(None));
            assert_eq!(strangers.is_enough(Some(true)), request == MANY);
        }
    }

    #[test]
    fn they_are_not_if_one_cookie_was_genuine() {
        for before in 0..MANY {
            let strangers = Strangers::default();
            for _ in 0..before {
                assert!(!strangers.is_enough(Some(true)));
            }
            assert!(!strangers.is_enough(Some(false)));
            for _ in 0..2 * MANY {
                assert!(!strangers.is_enough(Some(true)));
            }
        }
    }
}
