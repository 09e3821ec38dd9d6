//! The numbers that distinguish writes.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

/// They are no secret, they only have to differ: so they cost no call of the system, as secret ones
/// do.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// Random, so that processes differ.
    keys: RandomState,
    count: AtomicU64,
}

impl Versions {
    /// As unique as a random number. It includes the time, because copies of a running process (a
    /// fork, a restored snapshot) share everything else.
    pub(crate) fn next(&self) -> u64 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let now = UNIX_EPOCH.elapsed().map_or(0, |now| now.as_nanos());
        self.keys.hash_one((count, now))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Versions;

    #[test]
    fn no_two_writes_have_the_same_number() {
        let stores = [Versions::default(), Versions::default()];
        let numbers = (0..100_000).flat_map(|_| stores.each_ref().map(Versions::next));
        assert_eq!(numbers.collect::<HashSet<_>>().len(), 200_000);
    }
}
