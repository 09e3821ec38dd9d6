use std::error::Error;
use std::fmt;

/// What a store could not do, or does not know to have done.
///
/// Opaque: which store, whether trying again may help, and the client's own error as [`source`](Error::source). It never
/// contains a key, a value, or a password: what an implementation puts in as source must not either.
///
/// ```
/// use cloakroom_store::StoreError;
/// use std::error::Error;
///
/// let error = StoreError::transient("redis", std::io::Error::from(std::io::ErrorKind::ConnectionReset));
/// assert!(error.is_transient());
/// assert_eq!(error.to_string(), "the redis store did not answer (trying again may help): connection reset");
/// assert!(error.source().is_some());
/// ```
#[derive(Debug)]
pub struct StoreError {
    store: &'static str,
    transient: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// A failure that may be gone at the next try: no connection, a time-out, a server that is starting.
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

    /// A failure that stays until somebody does something: no permission, disk full, a wrong table. The operation did not
    /// happen.
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

    /// The name of the store, as its crate states it: `memory`, `redis`, …
    ///
    /// ```
    /// # use cloakroom_store::StoreError;
    /// assert_eq!(StoreError::permanent("file", "disk full").store(), "file");
    /// ```
    #[must_use]
    pub fn store(&self) -> &'static str {
        self.store
    }

    /// Whether trying again may help. A transient failure of a write leaves open whether the write happened.
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
