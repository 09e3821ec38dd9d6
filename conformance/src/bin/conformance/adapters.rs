//! The adapters of this repository.

use crate::Entry;

pub(crate) const ALL: &[Entry] = &[];
