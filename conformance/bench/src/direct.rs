//! The commands that a store sends, without the store.

use crate::Failure;

/// A client that sends given commands. It draws as many random bytes as the stores do.
pub(crate) trait Direct: Clone + Send + Sync + 'static {
    /// The result of a load: the value that replace and delete compare.
    type Version: Send;

    fn load(&self, key: &str) -> impl Future<Output = Result<Self::Version, Failure>> + Send;

    fn create(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<(), Failure>> + Send;

    fn replace(
        &self,
        key: &str,
        old: Self::Version,
        value: &[u8],
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    fn touch(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    fn delete(
        &self,
        key: &str,
        old: Self::Version,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// When all records end.
pub(crate) const ENDS: u64 = 4_000_000_000;

/// A number that no other write has.
pub(crate) fn next() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// An answer that a command should not have had.
pub(crate) fn wrong<T>(what: &str) -> Result<T, Failure> {
    Err(format!("{what} was answered otherwise than expected").into())
}
