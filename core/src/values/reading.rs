//! The common part of reading a value and reading a whole session.

use std::any::type_name;

use crate::Error;

use super::decoder::{Form, Reading, Seen};
use super::item::NULL;
use super::reason::Reason;

#[cold]
pub(super) fn undecoded<T>(name: &str, reason: &Reason, holds: impl Fn(&[u8]) -> bool) -> Error {
    Error::Decode {
        name: name.into(),
        wanted: type_name::<T>(),
        reason: reason.without(holds),
    }
}

/// Whether a value is Python's `None`, or a unit.
pub(crate) fn is_none(bytes: &[u8]) -> bool {
    bytes == [NULL]
}

pub(super) fn holds(bytes: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(bytes, word).is_some()
}

/// Tries the other ways to read, of those that may make a difference.
#[cold]
pub(super) fn read_otherwise<T>(
    seen: &Seen,
    reason: Reason,
    read: impl Fn(Reading) -> Result<T, Reason>,
) -> Result<T, Reason> {
    for form in [Form::Readable, Form::Mixed, Form::Compact] {
        for as_json in [false, true] {
            let reading = Reading { form, as_json };
            let differs = (form == Form::Readable || seen.form.get())
                && (!as_json || seen.beyond_json.get())
                && reading != Reading::FIRST;
            if differs && let Ok(value) = read(reading) {
                return Ok(value);
            }
        }
    }
    Err(reason)
}
