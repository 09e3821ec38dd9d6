//! One intent: a value to set, or functions to run.

use smallvec::SmallVec;

use crate::Error;
use crate::limits::Limits;
use crate::values::Encoded;

/// A read-modify-write that can run again over another value. Its name, value and limits come as
/// arguments, so that a function that captures nothing is boxed without an allocation.
pub(crate) type Update =
    Box<dyn FnMut(&str, Option<&[u8]>, Limits) -> Result<Option<Encoded>, Error> + Send>;

pub(crate) enum Change {
    /// A value, or none.
    Set(Option<Encoded>),
    Update(Updated),
}

pub(crate) struct Updated {
    /// In order.
    pub(super) functions: SmallVec<[Update; 1]>,
    /// The functions' last result over the base.
    pub(super) result: Option<Encoded>,
    /// It equals the base.
    pub(super) same: bool,
}

impl Change {
    pub(super) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Set(value) => value.as_deref(),
            Self::Update(updated) => updated.result.as_deref(),
        }
    }

    /// Whether there is nothing to write.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Update(updated) if updated.same)
    }
}
