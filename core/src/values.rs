//! Values to CBOR and back, with caps.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::any::type_name;

use crate::Error;
use crate::config::Limits;
use crate::journal::Encoded;

/// How deeply a value may be nested: what ciborium reads.
const MAX_DEPTH: usize = 256;

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, limits: Limits) -> Result<Encoded, Error> {
    let mut bytes = Encoded::new();
    // The serializer's own words may quote the value, so they go no further.
    ciborium::into_writer(value, &mut bytes).map_err(|_| Error::Encode {
        given: type_name::<T>(),
    })?;
    if bytes.len() > limits.record_bytes {
        return Err(Error::TooLarge {
            what: "the session value is",
            limit: limits.record_bytes,
        });
    }
    // What is nested too deeply to be read must not be written. It has a byte for each level at least.
    if bytes.len() > MAX_DEPTH && ciborium::from_reader::<IgnoredAny, _>(&bytes[..]).is_err() {
        return Err(Error::TooLarge {
            what: "the nesting of the session value is",
            limit: MAX_DEPTH,
        });
    }
    Ok(bytes)
}

pub(crate) fn decode<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Error> {
    // Texts are read through this buffer: none in the value can be longer than the value. Small ones stay on the stack.
    let mut small = [0; 64];
    let mut large = Vec::new();
    let buffer = match small.get_mut(..bytes.len()) {
        Some(buffer) => buffer,
        None => {
            large.resize(bytes.len(), 0);
            &mut large[..]
        }
    };
    let mut rest = bytes;
    match ciborium::de::from_reader_with_buffer(&mut rest, buffer) {
        Ok(value) if rest.is_empty() => Ok(value),
        // The deserializer's own words may quote the value, so they go no further.
        _ => Err(Error::Decode {
            name: name.into(),
            wanted: type_name::<T>(),
        }),
    }
}

/// A struct or map as names and encoded values.
pub(crate) fn encode_all<T: Serialize>(
    value: &T,
    limits: Limits,
) -> Result<Vec<(String, Encoded)>, Error> {
    let refused = || Error::Encode {
        given: type_name::<T>(),
    };
    let ciborium::Value::Map(fields) = ciborium::Value::serialized(value).map_err(|_| refused())?
    else {
        return Err(refused());
    };
    let mut encoded = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        encoded.push((
            name.into_text().map_err(|_| refused())?,
            encode(&value, limits)?,
        ));
    }
    Ok(encoded)
}

/// Names and encoded values as a struct or map.
pub(crate) fn decode_all<'a, T: DeserializeOwned>(
    values: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Result<T, Error> {
    decode("(the whole session)", &crate::record::map(values))
}
