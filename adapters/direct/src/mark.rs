//! The marks of writes: 16 bytes that differ from those of every other write. They are no secret.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Error;

static START: OnceLock<[u64; 2]> = OnceLock::new();
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Returns a mark without a call to the system's generator, apart from the first one.
///
/// The count separates the marks of this process, and its random start those of two processes. The
/// time separates processes that share a start: forks, and copies of a virtual machine.
///
/// # Errors
///
/// [`Error::Entropy`] if the system has no randomness for the start.
pub(crate) fn next() -> Result<[u8; 16], Error> {
    let [count_from, time_from] = match START.get() {
        Some(start) => *start,
        None => start()?,
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = time.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0));
    let mut mark = [0; 16];
    mark[..8].copy_from_slice(&count_from.wrapping_add(count).to_le_bytes());
    mark[8..].copy_from_slice(&time_from.wrapping_add(nanoseconds).to_le_bytes());
    Ok(mark)
}

#[cold]
fn start() -> Result<[u64; 2], Error> {
    let mut halves = [0; 2];
    for half in &mut halves {
        *half = getrandom::u64().map_err(|error| Error::Entropy(Arc::new(error)))?;
    }
    // Two threads may both come first: all use the start that was set.
    Ok(*START.get_or_init(|| halves))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn marks_of_many_threads_differ() {
        let marks = || -> Vec<_> { (0..10_000).map(|_| super::next().unwrap()).collect() };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(marks)).collect();
        let all = threads.into_iter().flat_map(|t| t.join().unwrap());
        assert_eq!(all.collect::<HashSet<_>>().len(), 40_000);
    }
}
