use super::opcode as op;
use crate::json::put_float;
use crate::value::{Depth, Kind};
use crate::{DateTime, FormatError, Object, TimeDelta, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Zero,
    Two,
}

pub(crate) fn dumps(value: &Value, protocol: Protocol) -> Result<Vec<u8>, FormatError> {
    let mut writer = Writer {
        out: Vec::new(),
        protocol,
    };
    if protocol == Protocol::Two {
        writer.out.extend([op::PROTO, 2]);
    }
    writer.value(value, Depth::START)?;
    writer.out.push(op::STOP);
    Ok(writer.out)
}

/// Writes trees: no object has two places, so nothing needs a memo.
struct Writer {
    out: Vec<u8>,
    protocol: Protocol,
}

impl Writer {
    fn is_old(&self) -> bool {
        self.protocol == Protocol::Zero
    }

    fn value(&mut self, value: &Value, depth: Depth) -> Result<(), FormatError> {
        match value {
            Value::None => self.out.push(op::NONE),
            Value::Bool(value) => match (self.is_old(), value) {
                (true, true) => self.out.extend(b"I01\n"),
                (true, false) => self.out.extend(b"I00\n"),
                (false, true) => self.out.push(op::NEWTRUE),
                (false, false) => self.out.push(op::NEWFALSE),
            },
            Value::Int(value) => self.int(*value),
            Value::BigInt(value) if self.is_old() => {
                self.line(op::LONG, &format!("{}L", value.digits()?));
            }
            Value::BigInt(value) => self.long(&value.to_signed_le())?,
            Value::Float(value) => self.float(*value),
            Value::Str(text) => self.text(text)?,
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::List(items) => self.list(items, depth.enter()?)?,
            Value::Tuple(items) => {
                self.out.push(op::MARK);
                self.all(items, depth.enter()?)?;
                self.out.push(op::TUPLE);
            }
            Value::Set(items) => self.set("set", items, depth)?,
            Value::FrozenSet(items) => self.set("frozenset", items, depth)?,
            Value::Dict(entries) => {
                let depth = depth.enter()?;
                self.out.extend([op::MARK, op::DICT]);
                for (key, value) in entries {
                    self.hashable(key, depth)?;
                    self.value(value, depth)?;
                    self.out.push(op::SETITEM);
                }
            }
            Value::DateTime(at) => self.date_time(at)?,
            Value::Date(date) => {
                let (year, month, day) = date.parts();
                let [high, low] = year_bytes(year);
                self.call("datetime", "date", |writer| {
                    writer.bytes(&[high, low, month, day])
                })?;
            }
            Value::TimeDelta(delta) => self.time_delta(*delta)?,
            Value::Decimal(text) => self.call("decimal", "Decimal", |writer| writer.text(text))?,
            Value::Uuid(uuid) => self.uuid(uuid)?,
            Value::Markup(text) => self.call("markupsafe", "Markup", |writer| writer.text(text))?,
            Value::Object(object) => self.object(object)?,
            Value::Ext(..) => {
                return Err(FormatError::Unsupported {
                    what: "an extension of msgpack",
                });
            }
        }
        Ok(())
    }

    fn set(&mut self, class: &str, items: &[Value], depth: Depth) -> Result<(), FormatError> {
        let depth = depth.enter()?;
        self.call("__builtin__", class, |writer| {
            writer.out.push(op::MARK);
            for item in items {
                writer.hashable(item, depth)?;
            }
            writer.out.push(op::LIST);
            Ok(())
        })
    }

    /// A key of a dict or a member of a set. Of what Python cannot hash it would make neither, and
    /// not load the session.
    fn hashable(&mut self, value: &Value, depth: Depth) -> Result<(), FormatError> {
        let what = match value {
            Value::List(_) => "a `list` as a key, or in a `set`",
            Value::Dict(_) => "a `dict` as a key, or in a `set`",
            Value::Set(_) => "a `set` as a key, or in a `set`",
            Value::Object(object) if matches!(object.kind(), Kind::ByteArray) => {
                "a `bytearray` as a key, or in a `set`"
            }
            Value::Tuple(items) => {
                let depth = depth.enter()?;
                self.out.push(op::MARK);
                for item in items {
                    self.hashable(item, depth)?;
                }
                self.out.push(op::TUPLE);
                return Ok(());
            }
            other => return self.value(other, depth),
        };
        Err(FormatError::Unsupported { what })
    }

    fn all(&mut self, items: &[Value], depth: Depth) -> Result<(), FormatError> {
        items.iter().try_for_each(|item| self.value(item, depth))
    }

    fn list(&mut self, items: &[Value], depth: Depth) -> Result<(), FormatError> {
        self.out.push(op::MARK);
        self.all(items, depth)?;
        self.out.push(op::LIST);
        Ok(())
    }

    fn line(&mut self, code: u8, text: &str) {
        self.out.push(code);
        self.out.extend(text.as_bytes());
        self.out.push(b'\n');
    }

    fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(small) if self.is_old() => self.line(op::INT, &small.to_string()),
            Ok(small) => {
                self.out.push(op::BININT);
                self.out.extend(small.to_le_bytes());
            }
            Err(_) if self.is_old() => self.line(op::LONG, &format!("{value}L")),
            Err(_) => {
                self.out.extend([op::LONG1, 8]);
                self.out.extend(value.to_le_bytes());
            }
        }
    }

    fn long(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        match u8::try_from(bytes.len()) {
            Ok(len) => self.out.extend([op::LONG1, len]),
            Err(_) => {
                self.out.push(op::LONG4);
                self.len(bytes.len())?;
            }
        }
        self.out.extend(bytes);
        Ok(())
    }

    fn len(&mut self, len: usize) -> Result<(), FormatError> {
        // Python reads it as signed.
        let len = i32::try_from(len).map_err(|_| FormatError::TooLarge)?;
        self.out.extend(len.to_le_bytes());
        Ok(())
    }

    fn float(&mut self, value: f64) {
        if !self.is_old() {
            self.out.push(op::BINFLOAT);
            self.out.extend(value.to_be_bytes());
            return;
        }
        let mut text = String::new();
        match value.is_finite() {
            true => put_float(value, &mut text),
            false => text = value.to_string().to_lowercase(),
        }
        self.line(op::FLOAT, &text);
    }

    fn object(&mut self, object: &Object) -> Result<(), FormatError> {
        let (module, name) = match object.kind() {
            Kind::Time => ("datetime", "time"),
            Kind::DateTime => ("datetime", "datetime"),
            Kind::Timezone => ("datetime", "timezone"),
            Kind::PytzUtc => ("pytz", "_UTC"),
            Kind::Pytz => ("pytz", "_p"),
            Kind::PytzFixed => ("pytz", "FixedOffset"),
            Kind::ByteArray => ("__builtin__", "bytearray"),
            Kind::Complex => ("__builtin__", "complex"),
            Kind::ZoneInfo => return self.zone_info(object),
            Kind::Surrogates => return self.surrogates(object),
        };
        self.call(module, name, |writer| {
            writer.all(object.arguments(), Depth::START)
        })
    }

    fn zone_info(&mut self, object: &Object) -> Result<(), FormatError> {
        self.call("__builtin__", "getattr", |writer| {
            writer.line(op::GLOBAL, "zoneinfo\nZoneInfo");
            writer.text("_unpickle")
        })?;
        self.out.push(op::MARK);
        self.all(object.arguments(), Depth::START)?;
        self.int(1);
        self.out.extend([op::TUPLE, op::REDUCE]);
        Ok(())
    }

    fn surrogates(&mut self, object: &Object) -> Result<(), FormatError> {
        let [Value::Bytes(bytes)] = object.arguments() else {
            return Err(FormatError::Malformed);
        };
        if !self.is_old() {
            self.out.push(op::BINUNICODE);
            self.len(bytes.len())?;
            self.out.extend(bytes);
            return Ok(());
        }
        self.out.push(op::UNICODE);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let end = match std::str::from_utf8(rest) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let (text, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.escaped(std::str::from_utf8(text).unwrap_or_default());
            rest = match after {
                [_, middle, last, after @ ..] => {
                    let low = u16::from(middle & 0x3f) << 6 | u16::from(last & 0x3f);
                    self.out.extend(format!("\\u{:04x}", 0xd000 | low).bytes());
                    after
                }
                _ => &[],
            };
        }
        self.out.push(b'\n');
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), FormatError> {
        if !self.is_old() {
            self.out.push(op::BINUNICODE);
            self.len(text.len())?;
            self.out.extend(text.as_bytes());
            return Ok(());
        }
        self.out.push(op::UNICODE);
        self.escaped(text);
        self.out.push(b'\n');
        Ok(())
    }

    /// As protocol 0 has texts: Latin-1, and other characters by their numbers.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match (u8::try_from(c), u32::from(c)) {
                // As Python escapes them since 3.7: a carriage return and 0x1a survive text files
                // then.
                (_, number @ (0 | 0x0a | 0x0d | 0x1a | 0x5c)) => {
                    self.out.extend(format!("\\u{number:04x}").bytes());
                }
                (Ok(byte), _) => self.out.push(byte),
                (Err(_), number @ 0..0x1_0000) => {
                    self.out.extend(format!("\\u{number:04x}").bytes());
                }
                (Err(_), number) => self.out.extend(format!("\\U{number:08x}").bytes()),
            }
        }
    }

    /// As every protocol below 3 has them.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let text: String = bytes.iter().copied().map(char::from).collect();
        self.line(op::GLOBAL, "_codecs\nencode");
        self.out.push(op::MARK);
        self.text(&text)?;
        self.text("latin1")?;
        self.out.extend([op::TUPLE, op::REDUCE]);
        Ok(())
    }

    /// Writes `module.name(argument)`, for classes that the reader supports.
    fn call(
        &mut self,
        module: &str,
        name: &str,
        arguments: impl FnOnce(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.line(op::GLOBAL, &format!("{module}\n{name}"));
        self.out.push(op::MARK);
        arguments(self)?;
        self.out.extend([op::TUPLE, op::REDUCE]);
        Ok(())
    }

    fn date_time(&mut self, at: &DateTime) -> Result<(), FormatError> {
        let (year, month, day) = at.date.parts();
        let ([high, low], [_, u1, u2, u3]) = (year_bytes(year), at.microsecond.to_be_bytes());
        let state = [
            high, low, month, day, at.hour, at.minute, at.second, u1, u2, u3,
        ];
        self.call("datetime", "datetime", |writer| {
            writer.bytes(&state)?;
            let Some(offset) = at.offset else {
                return Ok(());
            };
            let (days, seconds) = (offset.div_euclid(86_400), offset.rem_euclid(86_400));
            let delta =
                TimeDelta::new(days, seconds.cast_unsigned(), 0).ok_or(FormatError::Malformed)?;
            writer.call("datetime", "timezone", |writer| writer.time_delta(delta))
        })
    }

    fn time_delta(&mut self, delta: TimeDelta) -> Result<(), FormatError> {
        self.call("datetime", "timedelta", |writer| {
            writer.int(delta.days.into());
            writer.int(delta.seconds.into());
            writer.int(delta.microseconds.into());
            Ok(())
        })
    }

    fn uuid(&mut self, uuid: &[u8; 16]) -> Result<(), FormatError> {
        self.line(op::GLOBAL, "copy_reg\n_reconstructor");
        self.out.push(op::MARK);
        self.line(op::GLOBAL, "uuid\nUUID");
        self.line(op::GLOBAL, "__builtin__\nobject");
        self.out
            .extend([op::NONE, op::TUPLE, op::REDUCE, op::MARK, op::DICT]);
        self.text("int")?;
        let number = crate::Integer::from_cbor(false, uuid);
        self.value(&number.into(), Depth::START)?;
        self.out.extend([op::SETITEM, op::BUILD]);
        Ok(())
    }
}

fn year_bytes(year: i32) -> [u8; 2] {
    u16::try_from(year).unwrap_or_default().to_be_bytes()
}
