//! A session's values as CBOR. Types that CBOR lacks get a tag. Readers of a plain Rust type skip
//! tags, so a `Vec` can read a tuple, and a text type a `datetime`.

use ciborium::Value as Cbor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Depth, Integer, Object, TimeDelta, Value};
use crate::FormatError;

// Registered tags: RFC 8949 (0, 2, 3), RFC 8943 (1004), and IANA's list (37, 258).
const DATE_TIME: u64 = 0;
const BIG_POSITIVE: u64 = 2;
const BIG_NEGATIVE: u64 = 3;
const UUID: u64 = 37;
const SET: u64 = 258;
const DATE: u64 = 1_004;
// Tags of our own, from the range where anybody may register ("Flask" and a number).
const OWN: u64 = 0x466c_6173_6b00;
const TUPLE: u64 = OWN + 1;
const FROZEN_SET: u64 = OWN + 2;
const NAIVE_DATE_TIME: u64 = OWN + 3;
const TIME_DELTA: u64 = OWN + 4;
const DECIMAL: u64 = OWN + 5;
const MARKUP: u64 = OWN + 6;
const EXT: u64 = OWN + 7;
const OBJECT: u64 = OWN + 8;

impl Value {
    /// The value as a session keeps it encoded.
    pub(crate) fn to_cbor(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A vector takes everything, and there is nothing here that CBOR refuses.
        let _ = ciborium::into_writer(&cbor(self), &mut bytes);
        bytes
    }

    /// Decodes a value from the bytes that a session keeps.
    pub(crate) fn from_cbor(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut rest = bytes;
        let cbor: Cbor = ciborium::from_reader(&mut rest).map_err(|error| match error {
            ciborium::de::Error::RecursionLimitExceeded => FormatError::TooDeep,
            _ => FormatError::Malformed,
        })?;
        if rest.is_empty() {
            value(cbor, Depth::START)
        } else {
            Err(FormatError::Malformed)
        }
    }
}

fn tag(tag: u64, inner: impl Into<Cbor>) -> Cbor {
    Cbor::Tag(tag, Box::new(inner.into()))
}

fn array(items: &[Value]) -> Cbor {
    Cbor::Array(items.iter().map(cbor).collect())
}

fn cbor(value: &Value) -> Cbor {
    match value {
        Value::None => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::Int(value) => Cbor::Integer((*value).into()),
        Value::BigInt(value) => match value.to_u64() {
            Some(value) => Cbor::Integer(value.into()),
            None => match value.to_cbor() {
                (false, magnitude) => tag(BIG_POSITIVE, magnitude),
                (true, magnitude) => tag(BIG_NEGATIVE, magnitude),
            },
        },
        Value::Float(value) => Cbor::Float(*value),
        Value::Str(value) => Cbor::Text(value.clone()),
        Value::Bytes(value) => Cbor::Bytes(value.clone()),
        Value::List(items) => array(items),
        Value::Tuple(items) => tag(TUPLE, array(items)),
        Value::Set(items) => tag(SET, array(items)),
        Value::FrozenSet(items) => tag(FROZEN_SET, array(items)),
        Value::Dict(entries) => {
            let entries = entries.iter().map(|(key, value)| (cbor(key), cbor(value)));
            Cbor::Map(entries.collect())
        }
        Value::DateTime(value) => {
            let number = if value.offset.is_some() {
                DATE_TIME
            } else {
                NAIVE_DATE_TIME
            };
            tag(number, value.to_string())
        }
        Value::Date(value) => tag(DATE, value.to_string()),
        Value::TimeDelta(value) => {
            let parts = [
                value.days.into(),
                value.seconds.into(),
                value.microseconds.into(),
            ];
            tag(TIME_DELTA, Cbor::Array(parts.map(Cbor::Integer).into()))
        }
        Value::Decimal(value) => tag(DECIMAL, value.clone()),
        Value::Uuid(value) => tag(UUID, value.to_vec()),
        Value::Markup(value) => tag(MARKUP, value.clone()),
        Value::Object(object) => {
            let arguments = object.arguments().iter().map(cbor);
            let class = Cbor::Text(object.class().into());
            tag(
                OBJECT,
                Cbor::Array([class].into_iter().chain(arguments).collect()),
            )
        }
        Value::Ext(code, bytes) => tag(
            EXT,
            Cbor::Array(vec![Cbor::Integer((*code).into()), bytes.clone().into()]),
        ),
    }
}

fn value(cbor: Cbor, depth: Depth) -> Result<Value, FormatError> {
    let malformed = || FormatError::Malformed;
    Ok(match cbor {
        Cbor::Null => Value::None,
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Integer(value) => i128::from(value).into(),
        Cbor::Float(value) => Value::Float(value),
        Cbor::Text(value) => Value::Str(value),
        Cbor::Bytes(value) => Value::Bytes(value),
        Cbor::Array(items) => Value::List(values(items, depth)?),
        Cbor::Map(entries) => {
            let depth = depth.enter()?;
            let entry = |(key, found)| Ok((value(key, depth)?, value(found, depth)?));
            Value::Dict(
                entries
                    .into_iter()
                    .map(entry)
                    .collect::<Result<_, FormatError>>()?,
            )
        }
        Cbor::Tag(number, inner) => match (number, *inner) {
            (BIG_POSITIVE, Cbor::Bytes(magnitude)) => Integer::from_cbor(false, &magnitude).into(),
            (BIG_NEGATIVE, Cbor::Bytes(magnitude)) => Integer::from_cbor(true, &magnitude).into(),
            (TUPLE, Cbor::Array(items)) => Value::Tuple(values(items, depth)?),
            (SET, Cbor::Array(items)) => Value::Set(values(items, depth)?),
            (FROZEN_SET, Cbor::Array(items)) => Value::FrozenSet(values(items, depth)?),
            (DATE_TIME | NAIVE_DATE_TIME, Cbor::Text(text)) => Value::DateTime(text.parse()?),
            (DATE, Cbor::Text(text)) => Value::Date(text.parse()?),
            (TIME_DELTA, Cbor::Array(parts)) => {
                Value::TimeDelta(time_delta(&parts).ok_or_else(malformed)?)
            }
            (DECIMAL, Cbor::Text(text)) => Value::Decimal(text),
            (UUID, Cbor::Bytes(bytes)) => {
                Value::Uuid(bytes.try_into().map_err(|_| FormatError::Malformed)?)
            }
            (MARKUP, Cbor::Text(text)) => Value::Markup(text),
            (OBJECT, Cbor::Array(parts)) => {
                let mut parts = values(parts, depth)?.into_iter();
                let Some(Value::Str(class)) = parts.next() else {
                    return Err(malformed());
                };
                Value::Object(Object::new(&class, parts).ok_or_else(malformed)?)
            }
            (EXT, Cbor::Array(parts)) => ext(parts).ok_or_else(malformed)?,
            // A tag that a Rust type wrote: Python has no type for it.
            _ => return Err(FormatError::Unsupported { what: "a CBOR tag" }),
        },
        _ => return Err(malformed()),
    })
}

fn values(items: Vec<Cbor>, depth: Depth) -> Result<Vec<Value>, FormatError> {
    let depth = depth.enter()?;
    items.into_iter().map(|item| value(item, depth)).collect()
}

fn time_delta(parts: &[Cbor]) -> Option<TimeDelta> {
    let [days, seconds, microseconds] = parts else {
        return None;
    };
    let part = |part: &Cbor| i64::try_from(part.as_integer()?).ok();
    TimeDelta::new(
        part(days)?.try_into().ok()?,
        part(seconds)?.try_into().ok()?,
        part(microseconds)?.try_into().ok()?,
    )
}

fn ext(parts: Vec<Cbor>) -> Option<Value> {
    let [code, bytes] = <[Cbor; 2]>::try_from(parts).ok()?;
    Some(Value::Ext(
        code.into_integer().ok()?.try_into().ok()?,
        bytes.into_bytes().ok()?,
    ))
}

/// Through CBOR's data model: keeps every type in a session (and wherever ciborium writes); other
/// formats of serde may lose the tags.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        cbor(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Cbor::deserialize(deserializer)?;
        value(read, Depth::START).map_err(serde::de::Error::custom)
    }
}
