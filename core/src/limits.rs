//! The caps on one session.

/// Caps on one session. A change that would exceed one is an error to the handler, and nothing is
/// written. Values nest at most 256 levels deep.
///
/// ```
/// use cloakroom_core::{Config, Limits};
///
/// let limits = Limits { record_bytes: 8 * 1024, ..Limits::default() };
/// let config = Config::builder().limits(limits).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The size of the whole record, in bytes. Default: 262,144. Memcached accepts 1,048,576 at
    /// most, including its own overhead.
    pub record_bytes: usize,
    /// The number of values. Default: 1,024.
    pub values: usize,
}

impl Limits {
    /// For what this library itself adds to a record that is within the limits.
    pub(crate) const NONE: Self = Self {
        record_bytes: usize::MAX,
        values: usize::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 262_144,
            values: 1_024,
        }
    }
}
