use std::error::Error;
use std::fmt;

/// The error of an operation that failed, or whose outcome is unknown.
///
/// It is opaque. It has the name of the store, whether a retry may help, and the client's own error
/// as [`source`](Error::source). It never contains a key, a value, or a password. The source that
/// an implementation puts in must not contain them either.
///
/// ```
/// use cloakroom_store::StoreError;
/// use std::error::Error;
///
/// let error = StoreError::transient(
///     "redis",
///     std::io::Error::from(std::io::ErrorKind::ConnectionReset),
/// );
/// assert!(error.is_transient());
/// assert_eq!(
///     error.to_string(),
///     "the redis store did not answer (trying again may help): connection reset"
/// );
/// assert!(error.source().is_some());
/// ```
#[derive(Debug)]
pub struct StoreError {
    store: &'static str,
    transient: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Makes an error that a retry may solve: no connection, a timeout, a server that is starting.
    ///
    /// ```
    /// # use cloakroom_store::StoreError;
    /// assert!(StoreError::transient("sql", "the pool is exhausted").is_transient());
    /// ```
    pub fn transient(store: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            store,
            transient: true,
            source: source.into(),
        }
    }

    /// Makes an error that stays until its cause is removed: no permission, disk full, a wrong
    /// table. The operation did not happen.
    ///
    /// ```
    /// # use cloakroom_store::StoreError;
    /// assert!(!StoreError::permanent("file", "permission denied").is_transient());
    /// ```
    pub fn permanent(store: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            store,
            transient: false,
            source: source.into(),
        }
    }

    /// Returns the name of the store, as its crate states it: `memory`, `redis`, …
    ///
    /// ```
    /// # use cloakroom_store::StoreError;
    /// assert_eq!(StoreError::permanent("file", "disk full").store(), "file");
    /// ```
    #[must_use]
    pub fn store(&self) -> &'static str {
        self.store
    }

    /// Returns whether a retry may help. After a transient failure of a write, its outcome is
    /// unknown.
    ///
    /// ```
    /// # use cloakroom_store::StoreError;
    /// assert!(StoreError::transient("redis", "timed out after 2 s").is_transient());
    /// ```
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.transient {
            "did not answer (trying again may help)"
        } else {
            "failed"
        };
        write!(f, "the {} store {what}: {}", self.store, self.source)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
