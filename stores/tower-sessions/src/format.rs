//! The data of a record: a map of names to JSON values in MessagePack, as `rmp_serde` writes it.

use std::io::Read as _;

use cloakroom_beside::{UserValue, json};
use cloakroom_core::{Contents, Error, Format};
use rmp::Marker;
use rmp::{decode, encode};
use serde_json::{Map, Number, Value};

/// The middle of a record. [`TowerSessions`](crate::TowerSessions) has the id and the expiry.
pub(crate) struct Data {
    /// Where axum-login keeps the user, if it does.
    pub(crate) user: Option<UserValue>,
}

/// As deep as serde_json reads, and the values' own limit is below.
const MAX_DEPTH: usize = 128;

impl Format for Data {
    fn decode(&self, stored: &[u8]) -> Result<Contents, Error> {
        let mut rest = stored;
        match read(&mut rest, MAX_DEPTH).ok_or(Error::Corrupt)? {
            Value::Object(entries) if rest.is_empty() => {
                let subject = self.user.as_ref().and_then(|user| user.find(&entries));
                let mut contents = json::contents(entries)?;
                contents.subject = subject;
                Ok(contents)
            }
            _ => Err(Error::Corrupt),
        }
    }

    fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut entries = json::entries(contents)?;
        if let Some(user) = &self.user {
            user.keep(&mut entries, contents.subject.as_deref());
        }
        match write(&mut bytes, &Value::Object(entries)) {
            Some(()) => Ok(bytes),
            None => Err(Error::Corrupt),
        }
    }

    fn check(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        json::check(name, value)
    }
}

/// Writes to memory, which fails for lengths over 32 bits only.
fn write(bytes: &mut Vec<u8>, value: &Value) -> Option<()> {
    let len = |len: usize| u32::try_from(len).ok();
    match value {
        Value::Null => encode::write_nil(bytes).ok(),
        Value::Bool(value) => encode::write_bool(bytes, *value).ok(),
        Value::Number(number) => number_to(bytes, number),
        Value::String(text) => encode::write_str(bytes, text).ok(),
        Value::Array(items) => {
            encode::write_array_len(bytes, len(items.len())?).ok()?;
            items.iter().try_for_each(|item| write(bytes, item))
        }
        Value::Object(entries) => {
            encode::write_map_len(bytes, len(entries.len())?).ok()?;
            entries.iter().try_for_each(|(name, value)| {
                encode::write_str(bytes, name).ok()?;
                write(bytes, value)
            })
        }
    }
}

fn number_to(bytes: &mut Vec<u8>, number: &Number) -> Option<()> {
    if let Some(number) = number.as_u64() {
        encode::write_uint(bytes, number).ok()?;
    } else if let Some(number) = number.as_i64() {
        encode::write_sint(bytes, number).ok()?;
    } else {
        encode::write_f64(bytes, number.as_f64()?).ok()?;
    }
    Some(())
}

/// Reads one value. Memory is bounded by the bytes: no length is believed before they are there.
fn read(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let marker = Marker::from_u8(*bytes.first()?);
    Some(match marker {
        Marker::Null => decode::read_nil(bytes).ok().map(|()| Value::Null)?,
        Marker::True | Marker::False => decode::read_bool(bytes).ok()?.into(),
        Marker::F32 => number(decode::read_f32(bytes).ok()?.into())?,
        Marker::F64 => number(decode::read_f64(bytes).ok()?)?,
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => text(bytes)?.into(),
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let len = decode::read_array_len(bytes).ok()?;
            let mut items = Vec::new();
            for _ in 0..len {
                items.push(read(bytes, depth)?);
            }
            items.into()
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let len = decode::read_map_len(bytes).ok()?;
            let mut entries = Map::new();
            for _ in 0..len {
                entries.insert(text(bytes)?, read(bytes, depth)?);
            }
            entries.into()
        }
        // serde_json's values have no bytes and no extensions.
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 | Marker::Reserved => return None,
        _ => integer(bytes)?,
    })
}

/// `rmp_serde` writes what JSON does not have as it is, and serde_json reads it as null.
fn number(number: f64) -> Option<Value> {
    Some(Number::from_f64(number).map_or(Value::Null, Value::Number))
}

fn integer(bytes: &mut &[u8]) -> Option<Value> {
    let start = *bytes;
    if let Ok(number) = decode::read_int::<u64, _>(bytes) {
        return Some(number.into());
    }
    *bytes = start;
    decode::read_int::<i64, _>(bytes).ok().map(Value::from)
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let len = usize::try_from(decode::read_str_len(bytes).ok()?).ok()?;
    let mut text = vec![0; (len <= bytes.len()).then_some(len)?];
    bytes.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}
