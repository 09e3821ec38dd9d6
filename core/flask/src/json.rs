//! JSON as Python reads and writes it: integers of any size, floats that come back exactly, `dict`s
//! in order.

use crate::value::Depth;
use crate::{FormatError, Integer, Value};

/// A JSON dialect. They differ in their extensions of RFC 8259.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// msgspec's (Flask-Session): strict, UTF-8 as it is.
    Msgspec,
    /// The standard library's with Flask's settings: `NaN` and `Infinity`, ASCII with escapes, keys
    /// sorted.
    Flask,
}

pub(crate) fn loads(bytes: &[u8], dialect: Dialect) -> Result<Value, FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FormatError::Malformed)?;
    let mut reader = Reader {
        text,
        at: 0,
        dialect,
    };
    let value = reader.value(Depth::START)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(FormatError::Malformed),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Returns the next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest().as_bytes();
        let space = rest
            .iter()
            .take_while(|byte| b" \t\n\r".contains(byte))
            .count();
        self.at += space;
        rest.get(space).copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), FormatError> {
        if self.eat(wanted) {
            Ok(())
        } else {
            Err(FormatError::Malformed)
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: Depth) -> Result<Value, FormatError> {
        match self.peek().ok_or(FormatError::Malformed)? {
            b'{' => self.dict(depth.enter()?),
            b'[' => self.list(depth.enter()?),
            b'"' => self.string().map(Value::Str),
            b't' if self.word("true") => Ok(Value::Bool(true)),
            b'f' if self.word("false") => Ok(Value::Bool(false)),
            b'n' if self.word("null") => Ok(Value::None),
            b'N' | b'I' | b'-' if self.dialect == Dialect::Flask && self.word("NaN") => {
                Ok(Value::Float(f64::NAN))
            }
            b'N' | b'I' | b'-' if self.dialect == Dialect::Flask && self.word("Infinity") => {
                Ok(Value::Float(f64::INFINITY))
            }
            b'-' if self.dialect == Dialect::Flask && self.word("-Infinity") => {
                Ok(Value::Float(f64::NEG_INFINITY))
            }
            _ => self.number(),
        }
    }

    fn dict(&mut self, depth: Depth) -> Result<Value, FormatError> {
        self.at += 1;
        let mut entries = Vec::new();
        while !self.eat(b'}') {
            if !entries.is_empty() {
                self.expect(b',')?;
            }
            if self.peek() != Some(b'"') {
                return Err(FormatError::Malformed);
            }
            let key = Value::Str(self.string()?);
            self.expect(b':')?;
            entries.push((key, self.value(depth)?));
        }
        Ok(Value::Dict(entries))
    }

    fn list(&mut self, depth: Depth) -> Result<Value, FormatError> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.eat(b']') {
            if !items.is_empty() {
                self.expect(b',')?;
            }
            items.push(self.value(depth)?);
        }
        Ok(Value::List(items))
    }

    /// RFC 8259, section 6.
    fn number(&mut self) -> Result<Value, FormatError> {
        let rest = self.rest().as_bytes();
        let digits = |from: usize| {
            rest.iter()
                .skip(from)
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let mut len = usize::from(rest.first() == Some(&b'-'));
        let whole = digits(len);
        if whole == 0 || (whole > 1 && rest.get(len) == Some(&b'0')) {
            return Err(FormatError::Malformed);
        }
        len += whole;
        let mut is_float = false;
        if rest.get(len) == Some(&b'.') {
            let fraction = digits(len + 1);
            (len, is_float) = (len + 1 + fraction, fraction > 0);
            if !is_float {
                return Err(FormatError::Malformed);
            }
        }
        if matches!(rest.get(len), Some(b'e' | b'E')) {
            len += 1 + usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
            let exponent = digits(len);
            (len, is_float) = (len + exponent, true);
            if exponent == 0 {
                return Err(FormatError::Malformed);
            }
        }
        let text = self.rest().get(..len).unwrap_or_default();
        self.at += len;
        if !is_float {
            return match text.parse::<i64>() {
                Ok(value) => Ok(Value::Int(value)),
                Err(_) => text.parse::<Integer>().map(Value::from),
            };
        }
        let value: f64 = text.parse().map_err(|_| FormatError::Malformed)?;
        // Python's own reads a number out of range as infinite, msgspec refuses it.
        match value.is_finite() || self.dialect == Dialect::Flask {
            true => Ok(Value::Float(value)),
            false => Err(FormatError::Malformed),
        }
    }

    /// RFC 8259, section 7. Stands before the quote.
    fn string(&mut self) -> Result<String, FormatError> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .bytes()
                .position(|byte| byte == b'"' || byte == b'\\' || byte < b' ');
            let plain = plain.ok_or(FormatError::Malformed)?;
            string.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain + 1;
            match rest.as_bytes().get(plain) {
                Some(b'"') => return Ok(string),
                Some(b'\\') => string.push(self.escape()?),
                _ => return Err(FormatError::Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<char, FormatError> {
        let kind = self.rest().bytes().next().ok_or(FormatError::Malformed)?;
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => kind.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let second = match first {
                    0xd800..0xdc00 if self.word("\\u") => Some(self.hex()?),
                    _ => None,
                };
                let units = [first, second.unwrap_or_default()];
                let units = units
                    .get(..1 + usize::from(second.is_some()))
                    .unwrap_or_default();
                // A lone surrogate is a text that Rust cannot have.
                let mut read = char::decode_utf16(units.iter().copied());
                match (read.next(), read.next()) {
                    (Some(Ok(read)), None) => read,
                    _ => {
                        return Err(FormatError::Unsupported {
                            what: "a `str` with a lone surrogate",
                        });
                    }
                }
            }
            _ => return Err(FormatError::Malformed),
        })
    }

    fn hex(&mut self) -> Result<u16, FormatError> {
        let digits = self
            .rest()
            .get(..4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or(FormatError::Malformed)
    }
}

pub(crate) fn dumps(value: &Value, dialect: Dialect) -> Result<String, FormatError> {
    let mut out = String::new();
    put(value, dialect, Depth::START, &mut out)?;
    Ok(out)
}

fn put(value: &Value, dialect: Dialect, depth: Depth, out: &mut String) -> Result<(), FormatError> {
    let unsupported = |what| Err(FormatError::Unsupported { what });
    match value {
        Value::None => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::BigInt(value) => out.push_str(&value.digits()?),
        Value::Float(value) => match (dialect, value.is_finite()) {
            (_, true) => put_float(*value, out),
            (Dialect::Flask, false) if value.is_nan() => out.push_str("NaN"),
            (Dialect::Flask, false) => out.push_str(if *value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }),
            // msgspec would write null.
            (Dialect::Msgspec, false) => return unsupported("a `float` that is not finite"),
        },
        Value::Str(text) => put_string(text, dialect, out),
        Value::List(items) => {
            let depth = depth.enter()?;
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                put(item, dialect, depth, out)?;
            }
            out.push(']');
        }
        Value::Dict(entries) => put_dict(entries, dialect, depth.enter()?, out)?,
        // Either would be a text or a list, and be read back as such.
        Value::Bytes(_) => return unsupported("`bytes`"),
        Value::Tuple(_) => return unsupported("a `tuple`"),
        Value::Set(_) => return unsupported("a `set`"),
        Value::FrozenSet(_) => return unsupported("a `frozenset`"),
        Value::DateTime(_) => return unsupported("this `datetime`"),
        Value::Date(_) => return unsupported("a `date`"),
        Value::TimeDelta(_) => return unsupported("a `timedelta`"),
        Value::Decimal(_) => return unsupported("a `Decimal`"),
        Value::Uuid(_) => return unsupported("a `UUID`"),
        Value::Markup(_) => return unsupported("a `Markup`"),
        Value::Object(_) => return unsupported("a value of a type that only pickle keeps"),
        Value::Ext(..) => return unsupported("an extension of msgpack"),
    }
    Ok(())
}

fn put_dict(
    entries: &[(Value, Value)],
    dialect: Dialect,
    depth: Depth,
    out: &mut String,
) -> Result<(), FormatError> {
    let mut texts = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match key {
            Value::Str(key) => texts.push((key, value)),
            _ => {
                return Err(FormatError::Unsupported {
                    what: "a key that is no `str`",
                });
            }
        }
    }
    if dialect == Dialect::Flask {
        // By code points, as Python sorts; UTF-8 has the same order.
        texts.sort_by_key(|(key, _)| *key);
    }
    out.push('{');
    for (n, (key, value)) in texts.into_iter().enumerate() {
        out.push_str(if n > 0 { "," } else { "" });
        put_string(key, dialect, out);
        out.push(':');
        put(value, dialect, depth, out)?;
    }
    out.push('}');
    Ok(())
}

fn put_string(text: &str, dialect: Dialect, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..' ' => put_units(c, out),
            '\u{7f}'.. if dialect == Dialect::Flask && c != '\u{7f}' => put_units(c, out),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn put_units(c: char, out: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// As Python's `repr`: the shortest digits that give the same number, an exponent below 1e-4 and
/// from 1e16.
pub(crate) fn put_float(value: f64, out: &mut String) {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        out.push_str(&format!("{digits}e{sign}{exponent:0>2}"));
    } else {
        out.push_str(&format!("{value:?}"));
    }
}
