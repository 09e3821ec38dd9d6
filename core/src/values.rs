//! Values to CBOR and back, by serde, with caps.
//!
//! A value that is written can be read again as the same type. Both sides say that the format is a
//! readable one (`is_human_readable`), as do the buffers that serde reads flattened, untagged and
//! internally tagged types through. What these buffers cannot hold is refused when it is written.

mod decoder;
mod encoded;
mod encoder;
mod item;
mod names;
mod reading;
mod reason;
mod whole;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::type_name;

use crate::Error;
use crate::limits::Limits;

use self::decoder::{Decoder, Reading, Seen};
use self::encoder::{Encoder, Refusal, Sink};
use self::item::MAX_DEPTH;
use self::reading::{holds, read_otherwise, undecoded};
use self::reason::Reason;

pub(crate) use self::encoded::{Encoded, Order};
pub(crate) use self::item::equal;
pub(crate) use self::reading::is_none;
pub(crate) use self::whole::{Failed, decode_all};

/// Encodes a value of unknown target type. Refuses forms that some types could not read back.
pub(crate) fn encode<T: Serialize>(
    value: &T,
    limits: Limits,
    order: Order,
) -> Result<Encoded, Error> {
    write(value, limits, true, MAX_DEPTH, order)
}

/// Encodes a value, and reads it once.
pub(crate) fn encode_readable<T: Serialize + DeserializeOwned>(
    value: &T,
    limits: Limits,
    order: Order,
) -> Result<Encoded, Error> {
    let encoded = write(value, limits, false, MAX_DEPTH, order)?;
    read_value::<T>(&encoded).map_err(|reason| unreadable::<T>(&reason, &encoded))?;
    Ok(encoded)
}

/// A struct or map as names and encoded values. The caller has to read it once.
pub(crate) fn encode_all<T: Serialize>(
    value: &T,
    limits: Limits,
    order: Order,
) -> Result<Vec<(String, Encoded)>, Error> {
    let refused = || Error::Encode {
        given: type_name::<T>(),
        reason: "it is not a struct, or a map with text keys".into(),
    };
    // The struct is no level of any value's.
    let encoded = write(value, limits, false, MAX_DEPTH + 1, order)?;
    let entries = item::entries(&encoded).ok_or_else(refused)?;
    let mut fields = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let name = item::text(name).ok_or_else(refused)?;
        fields.push((name.to_owned(), Encoded::from_slice(value)));
    }
    Ok(fields)
}

/// Returns the error for a value that its type could not read again.
fn unreadable<T>(reason: &Reason, bytes: &[u8]) -> Error {
    let reason = reason.without(|word| holds(bytes, word));
    Error::Encode {
        given: type_name::<T>(),
        reason: format!("it could not be read again: {reason}").into(),
    }
}

/// The error for a whole session that its type could not read again.
pub(crate) fn unreadable_whole<T>(error: Error) -> Error {
    let reason = match error {
        Error::Decode { name, reason, .. } => {
            format!("`{name}` could not be read again: {reason}").into()
        }
        error => return error,
    };
    Error::Encode {
        given: type_name::<T>(),
        reason,
    }
}

/// The error for a type that writes one name twice.
pub(crate) fn doubled<T>() -> Error {
    Error::Encode {
        given: type_name::<T>(),
        reason: Refusal::Duplicate.to_string().into(),
    }
}

#[inline]
fn write<T: Serialize>(
    value: &T,
    limits: Limits,
    strict: bool,
    depth: usize,
    order: Order,
) -> Result<Encoded, Error> {
    let mut sink = Sink {
        out: Encoded::new(),
        limit: limits.record_bytes,
        strict,
        order,
        wide: 0,
    };
    match value.serialize(Encoder::new(&mut sink, value, depth)) {
        Ok(()) => Ok(sink.out),
        Err(refusal) => Err(refused::<T>(refusal, limits)),
    }
}

#[cold]
fn refused<T>(refusal: Refusal, limits: Limits) -> Error {
    let (what, limit) = match refusal {
        Refusal::TooLong => ("the session value is", limits.record_bytes),
        Refusal::TooDeep => ("the nesting of the session value is", MAX_DEPTH),
        refusal => {
            return Error::Encode {
                given: type_name::<T>(),
                reason: refusal.to_string().into(),
            };
        }
    };
    Error::TooLarge { what, limit }
}

/// Reads a value. One of `None` reads as absent, where the type is a plain one.
#[inline]
pub(crate) fn decode<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<Option<T>, Error> {
    match read_value(bytes) {
        Ok(value) => Ok(Some(value)),
        Err(_) if is_none(bytes) => Ok(None),
        Err(reason) => Err(undecoded::<T>(name, &reason, |word| holds(bytes, word))),
    }
}

#[inline]
fn read_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Reason> {
    let seen = Seen::default();
    match read_as(bytes, Reading::FIRST, &seen) {
        Ok(value) => Ok(value),
        Err(reason) => read_otherwise(&seen, reason, |reading| read_as(bytes, reading, &seen)),
    }
}

#[inline]
fn read_as<T: DeserializeOwned>(bytes: &[u8], reading: Reading, seen: &Seen) -> Result<T, Reason> {
    let mut decoder = Decoder::new(bytes, reading, seen);
    let value = T::deserialize(&mut decoder)?;
    decoder.end()?;
    Ok(value)
}
