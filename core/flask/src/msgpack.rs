//! msgpack as msgspec writes it (Flask-Session 0.8): `datetime` as the timestamp extension, no
//! other extension of its own.

use rmp::Marker;
use rmp::encode as write;

use crate::value::Depth;
use crate::{DateTime, FormatError, Integer, Value};

/// The extension of points in time.
const TIMESTAMP: i8 = -1;

pub(crate) fn loads(bytes: &[u8]) -> Result<Value, FormatError> {
    let mut reader = Reader(bytes);
    let value = reader.value(Depth::START)?;
    if reader.0.is_empty() {
        Ok(value)
    } else {
        Err(FormatError::Malformed)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn value(&mut self, depth: Depth) -> Result<Value, FormatError> {
        let marker = Marker::from_u8(self.array::<1>()?[0]);
        Ok(match marker {
            Marker::Null => Value::None,
            Marker::False => Value::Bool(false),
            Marker::True => Value::Bool(true),
            Marker::FixPos(value) => Value::Int(value.into()),
            Marker::FixNeg(value) => Value::Int(value.into()),
            Marker::U8 => Value::Int(self.array::<1>()?[0].into()),
            Marker::U16 => Value::Int(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Value::Int(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => u64::from_be_bytes(self.array()?).into(),
            Marker::I8 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Value::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Value::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Value::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(len) => self.text(len.into())?,
            Marker::Str8 => self.len8().and_then(|len| self.text(len))?,
            Marker::Str16 => self.len16().and_then(|len| self.text(len))?,
            Marker::Str32 => self.len32().and_then(|len| self.text(len))?,
            Marker::Bin8 => self.len8().and_then(|len| self.bytes(len))?,
            Marker::Bin16 => self.len16().and_then(|len| self.bytes(len))?,
            Marker::Bin32 => self.len32().and_then(|len| self.bytes(len))?,
            Marker::FixArray(len) => self.list(len.into(), depth)?,
            Marker::Array16 => self.len16().and_then(|len| self.list(len, depth))?,
            Marker::Array32 => self.len32().and_then(|len| self.list(len, depth))?,
            Marker::FixMap(len) => self.dict(len.into(), depth)?,
            Marker::Map16 => self.len16().and_then(|len| self.dict(len, depth))?,
            Marker::Map32 => self.len32().and_then(|len| self.dict(len, depth))?,
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => self.len8().and_then(|len| self.ext(len))?,
            Marker::Ext16 => self.len16().and_then(|len| self.ext(len))?,
            Marker::Ext32 => self.len32().and_then(|len| self.ext(len))?,
            Marker::Reserved => return Err(FormatError::Malformed),
        })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(FormatError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(FormatError::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn len8(&mut self) -> Result<usize, FormatError> {
        Ok(self.array::<1>()?[0].into())
    }

    fn len16(&mut self) -> Result<usize, FormatError> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn len32(&mut self) -> Result<usize, FormatError> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| FormatError::Malformed)
    }

    fn text(&mut self, len: usize) -> Result<Value, FormatError> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| FormatError::Malformed)?;
        Ok(Value::Str(text.into()))
    }

    fn bytes(&mut self, len: usize) -> Result<Value, FormatError> {
        Ok(Value::Bytes(self.take(len)?.to_vec()))
    }

    /// Every item takes a byte at least, so a length beyond the rest is a lie; no memory is
    /// reserved for it.
    fn expect_items(&self, len: usize) -> Result<(), FormatError> {
        if len > self.0.len() {
            Err(FormatError::Malformed)
        } else {
            Ok(())
        }
    }

    fn list(&mut self, len: usize, depth: Depth) -> Result<Value, FormatError> {
        self.expect_items(len)?;
        let depth = depth.enter()?;
        let items: Result<_, _> = (0..len).map(|_| self.value(depth)).collect();
        items.map(Value::List)
    }

    fn dict(&mut self, len: usize, depth: Depth) -> Result<Value, FormatError> {
        self.expect_items(len)?;
        let depth = depth.enter()?;
        let entries: Result<Vec<_>, FormatError> = (0..len)
            .map(|_| Ok((hashable(self.value(depth)?), self.value(depth)?)))
            .collect();
        entries.map(Value::Dict)
    }

    fn ext(&mut self, len: usize) -> Result<Value, FormatError> {
        let code = i8::from_be_bytes(self.array()?);
        let bytes = self.take(len)?;
        if code != TIMESTAMP {
            return Ok(Value::Ext(code, bytes.to_vec()));
        }
        timestamp(bytes)
            .map(Value::DateTime)
            .ok_or(FormatError::Malformed)
    }
}

/// Lists that are keys come back as tuples in Python, all the way down.
fn hashable(key: Value) -> Value {
    match key {
        Value::List(items) => Value::Tuple(items.into_iter().map(hashable).collect()),
        key => key,
    }
}

/// The three lengths of a timestamp (msgpack's specification, "Timestamp extension type"). Python
/// cuts nanoseconds.
fn timestamp(bytes: &[u8]) -> Option<DateTime> {
    let (seconds, nanoseconds) = match bytes.len() {
        4 => (u32::from_be_bytes(bytes.try_into().ok()?).into(), 0),
        8 => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            (
                (both & 0x3_ffff_ffff).cast_signed(),
                u32::try_from(both >> 34).ok()?,
            )
        }
        12 => {
            let (nanoseconds, seconds) = bytes.split_first_chunk()?;
            (
                i64::from_be_bytes(seconds.try_into().ok()?),
                u32::from_be_bytes(*nanoseconds),
            )
        }
        _ => return None,
    };
    DateTime::from_unix(seconds, nanoseconds / 1_000)
}

pub(crate) fn dumps(value: &Value) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    put(value, Depth::START, &mut out)?;
    Ok(out)
}

fn put(value: &Value, depth: Depth, out: &mut Vec<u8>) -> Result<(), FormatError> {
    // Writing to a vector cannot fail; lengths can.
    let len = |len: usize| u32::try_from(len).map_err(|_| FormatError::TooLarge);
    let unsupported = |what| Err(FormatError::Unsupported { what });
    match value {
        Value::None => out.push(Marker::Null.to_u8()),
        Value::Bool(value) => out.push(if *value { Marker::True } else { Marker::False }.to_u8()),
        Value::Int(value) => _ = write::write_sint(out, *value),
        Value::BigInt(value) => put_big(value, out)?,
        Value::Float(value) => _ = write::write_f64(out, *value),
        Value::Str(text) => {
            len(text.len())?;
            _ = write::write_str(out, text);
        }
        Value::Bytes(bytes) => {
            len(bytes.len())?;
            _ = write::write_bin(out, bytes);
        }
        Value::List(items) => {
            _ = write::write_array_len(out, len(items.len())?);
            let depth = depth.enter()?;
            items.iter().try_for_each(|item| put(item, depth, out))?;
        }
        Value::Dict(entries) => {
            _ = write::write_map_len(out, len(entries.len())?);
            let depth = depth.enter()?;
            for (key, value) in entries {
                put_key(key, depth, out)?;
                put(value, depth, out)?;
            }
        }
        Value::DateTime(at) if at.offset == Some(0) => put_timestamp(at, out),
        Value::Ext(code, bytes) if *code != TIMESTAMP => {
            _ = write::write_ext_meta(out, len(bytes.len())?, *code);
            out.extend_from_slice(bytes);
        }
        Value::DateTime(_) => return unsupported("a `datetime` that is not in UTC"),
        // msgspec would write these as an array or a text, and read that back.
        Value::Tuple(_) => return unsupported("a `tuple`"),
        Value::Set(_) => return unsupported("a `set`"),
        Value::FrozenSet(_) => return unsupported("a `frozenset`"),
        Value::Date(_) => return unsupported("a `date`"),
        Value::TimeDelta(_) => return unsupported("a `timedelta`"),
        Value::Decimal(_) => return unsupported("a `Decimal`"),
        Value::Uuid(_) => return unsupported("a `UUID`"),
        Value::Markup(_) => return unsupported("a `Markup`"),
        Value::Object(_) => return unsupported("a value of a type that only pickle keeps"),
        Value::Ext(..) => return unsupported("an extension with the code of timestamps"),
    }
    Ok(())
}

/// Python reads an array that is a key as a tuple.
fn put_key(key: &Value, depth: Depth, out: &mut Vec<u8>) -> Result<(), FormatError> {
    match key {
        Value::Tuple(items) => {
            let len = u32::try_from(items.len()).map_err(|_| FormatError::TooLarge)?;
            _ = write::write_array_len(out, len);
            let depth = depth.enter()?;
            items.iter().try_for_each(|item| put_key(item, depth, out))
        }
        Value::List(_) => Err(FormatError::Unsupported {
            what: "a `list` as a key",
        }),
        Value::Dict(_) => Err(FormatError::Unsupported {
            what: "a `dict` as a key",
        }),
        key => put(key, depth, out),
    }
}

fn put_big(value: &Integer, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let value = value.to_u64().ok_or(FormatError::Unsupported {
        what: "an `int` beyond 64 bits",
    })?;
    _ = write::write_uint(out, value);
    Ok(())
}

fn put_timestamp(at: &DateTime, out: &mut Vec<u8>) {
    let (seconds, nanoseconds) = (
        at.unix_seconds().unwrap_or_default(),
        at.microsecond * 1_000,
    );
    match u64::try_from(seconds) {
        Ok(seconds) if seconds >> 34 == 0 => {
            _ = write::write_ext_meta(out, 8, TIMESTAMP);
            out.extend_from_slice(&(u64::from(nanoseconds) << 34 | seconds).to_be_bytes());
        }
        _ => {
            _ = write::write_ext_meta(out, 12, TIMESTAMP);
            out.extend_from_slice(&nanoseconds.to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}
