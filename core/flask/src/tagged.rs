//! Flask's tagged JSON: types that JSON lacks as dicts of one key, which begins with a space.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json::{self, Dialect};
use crate::value::Depth;
use crate::{DateTime, FormatError, Value};

const DICT: &str = " di";
const TUPLE: &str = " t";
const BYTES: &str = " b";
const MARKUP: &str = " m";
const UUID: &str = " u";
const DATE_TIME: &str = " d";
const TAGS: [&str; 6] = [DICT, TUPLE, BYTES, MARKUP, UUID, DATE_TIME];

pub(crate) fn loads(bytes: &[u8]) -> Result<Value, FormatError> {
    untag(json::loads(bytes, Dialect::Flask)?)
}

pub(crate) fn dumps(value: &Value) -> Result<Vec<u8>, FormatError> {
    Ok(json::dumps(&tag(value, Depth::START)?, Dialect::Flask)?.into_bytes())
}

/// As deep as the JSON was: that is bounded.
fn untag(value: Value) -> Result<Value, FormatError> {
    match value {
        Value::List(items) => Ok(Value::List(
            items.into_iter().map(untag).collect::<Result<_, _>>()?,
        )),
        Value::Dict(entries) => {
            let entry = |(key, value)| Ok((key, untag(value)?));
            let entries = entries
                .into_iter()
                .map(entry)
                .collect::<Result<Vec<_>, FormatError>>()?;
            // Of equal keys the last counts, in Python before the dict is looked at.
            let one = entries
                .iter()
                .all(|(key, _)| Some(key) == entries.first().map(|(key, _)| key));
            match (entries.last(), one) {
                (Some((Value::Str(key), _)), true) if TAGS.contains(&&**key) => untagged(entries),
                _ => Ok(Value::Dict(entries)),
            }
        }
        plain => Ok(plain),
    }
}

fn untagged(mut entries: Vec<(Value, Value)>) -> Result<Value, FormatError> {
    let Some((Value::Str(tag), value)) = entries.pop() else {
        return Err(FormatError::Malformed);
    };
    match (&*tag, value) {
        (TUPLE, Value::List(items)) => Ok(Value::Tuple(items)),
        (BYTES, Value::Str(text)) => STANDARD
            .decode(text)
            .map(Value::Bytes)
            .map_err(|_| FormatError::Malformed),
        (MARKUP, Value::Str(text)) => Ok(Value::Markup(text)),
        (UUID, Value::Str(text)) => uuid(&text).map(Value::Uuid).ok_or(FormatError::Malformed),
        (DATE_TIME, Value::Str(text)) => DateTime::from_http(&text)
            .map(Value::DateTime)
            .ok_or(FormatError::Malformed),
        (DICT, Value::Dict(mut inner)) => match inner.pop() {
            Some((Value::Str(mut key), value)) if key.ends_with("__") && inner.is_empty() => {
                key.truncate(key.len() - 2);
                Ok(Value::Dict(vec![(Value::Str(key), value)]))
            }
            _ => Err(FormatError::Malformed),
        },
        _ => Err(FormatError::Malformed),
    }
}

fn uuid(hex: &str) -> Option<[u8; 16]> {
    if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)
}

fn tag(value: &Value, depth: Depth) -> Result<Value, FormatError> {
    let tagged = |tag: &str, value: Value| Value::Dict(vec![(tag.into(), value)]);
    Ok(match value {
        Value::Dict(entries) => {
            let depth = depth.enter()?;
            let entry = |(key, value): &(Value, Value)| Ok((key.clone(), tag(value, depth)?));
            let mut entries = entries
                .iter()
                .map(entry)
                .collect::<Result<Vec<_>, FormatError>>()?;
            match &mut entries[..] {
                [(Value::Str(key), _)] if TAGS.contains(&&**key) => {
                    key.push_str("__");
                    tagged(DICT, Value::Dict(entries))
                }
                _ => Value::Dict(entries),
            }
        }
        Value::List(items) => Value::List(tag_all(items, depth)?),
        Value::Tuple(items) => tagged(TUPLE, Value::List(tag_all(items, depth)?)),
        Value::Bytes(bytes) => tagged(BYTES, Value::Str(STANDARD.encode(bytes))),
        Value::Markup(text) => tagged(MARKUP, Value::Str(text.clone())),
        Value::Uuid(uuid) => tagged(
            UUID,
            Value::Str(format!("{:032x}", u128::from_be_bytes(*uuid))),
        ),
        Value::DateTime(at) => match at.to_http() {
            Some(text) => tagged(DATE_TIME, Value::Str(text)),
            None => {
                return Err(FormatError::Unsupported {
                    what: "a `datetime` that is not whole seconds in UTC",
                });
            }
        },
        plain => plain.clone(),
    })
}

fn tag_all(items: &[Value], depth: Depth) -> Result<Vec<Value>, FormatError> {
    let depth = depth.enter()?;
    items.iter().map(|item| tag(item, depth)).collect()
}
