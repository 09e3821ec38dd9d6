//! Encoded values, and the order of maps at their reader.

use smallvec::SmallVec;

/// An encoded value. Counters and flags fit in without an allocation.
pub(crate) type Encoded = SmallVec<[u8; 32]>;

/// The order in which a reader gets the entries of a map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    AsWritten,
    /// Another format may sort them. Then the content of an adjacently tagged enum may come before
    /// its tag, and serde reads it through a buffer.
    Any,
}
