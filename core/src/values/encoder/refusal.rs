//! Reasons for which a value cannot be stored.

use std::fmt;

/// Why a value cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::values) enum Refusal {
    TooLong,
    TooDeep,
    /// serde's buffers have no 128-bit integers.
    WideInteger,
    /// serde's buffers for flattened fields have only names and numbers as keys.
    Key,
    /// A flattened or tagged type has two fields of one name.
    Duplicate,
    /// A tag of ciborium's without a number.
    BadTag,
    /// The type's own `Serialize` failed. Its words may quote the value.
    Own,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "it is too long",
            Self::TooDeep => "it nests too deeply",
            Self::WideInteger => {
                "serde cannot read a 128-bit integer in a flattened, untagged or internally tagged type, \
                 nor in an adjacently tagged one whose format sorts its names \
                 (for a struct insert the value instead of a reference, or use `update`)"
            }
            Self::Key => "serde cannot read such a key in a flattened map",
            Self::Duplicate => "two of its fields have one name",
            Self::BadTag => "a CBOR tag has no number",
            Self::Own => "its `Serialize` failed",
        })
    }
}

impl std::error::Error for Refusal {}

impl serde::ser::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Own
    }
}
