//! The forms in which a value may be stored, and how it is read.

use std::cell::Cell;

use crate::values::item::{self, Head};

/// How to read what can be read in more than one way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::values) struct Reading {
    pub(in crate::values) form: Form,
    /// Types that take any value get what JSON would have: no tags, floating point numbers beyond
    /// 64 bits, and bytes as numbers.
    pub(in crate::values) as_json: bool,
}

/// A value's form, of the two that a type may have (`is_human_readable`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::values) enum Form {
    /// The readable form, which is written today. serde's buffers for flattened, untagged and
    /// tagged types always read this form.
    Readable,
    /// Readable where it looks like it, and compact elsewhere. One session may have both.
    Mixed,
    /// The compact one, which the first records of this library have.
    Compact,
}

impl Reading {
    pub(in crate::values) const FIRST: Self = Self {
        form: Form::Readable,
        as_json: false,
    };
}

/// Findings of a first reading that may call for a second one.
#[derive(Default)]
pub(in crate::values) struct Seen {
    /// A type asked which of its forms it has.
    pub(in crate::values) form: Cell<bool>,
    /// A type that takes any value was given one that JSON does not have.
    pub(in crate::values) beyond_json: Cell<bool>,
}

/// Returns whether a value looks like the readable form of its type. Compact ones are bytes,
/// arrays, numbers, and the standard library's enums of addresses.
pub(super) fn is_readable(mut bytes: &[u8]) -> bool {
    loop {
        match item::head(bytes) {
            Some((Head::Tag(_), rest)) => bytes = rest,
            Some((Head::Text(_), _)) => return true,
            Some((Head::Map(Some(1)), rest)) => {
                return !matches!(item::text(rest), Some("V4" | "V6"));
            }
            Some((Head::Map(_), _)) => return true,
            _ => return false,
        }
    }
}
