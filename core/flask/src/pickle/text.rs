//! How pickles spell texts.

use crate::value::Kind;
use crate::{FormatError, Object, Value};

/// The `repr` of an ASCII text without anything that needs an escape, but for the quote and the
/// backslash.
pub(super) fn unquote(line: &str) -> Result<String, FormatError> {
    let inner = ['\'', '"']
        .iter()
        .find_map(|quote| line.strip_prefix(*quote)?.strip_suffix(*quote));
    let mut text = String::new();
    let mut chars = inner.ok_or(FormatError::Malformed)?.chars();
    while let Some(c) = chars.next() {
        text.push(match (c, c.is_ascii()) {
            ('\\', _) => match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('\\' | '\'' | '"')) => c,
                Some('x') => {
                    let digits: String = chars.by_ref().take(2).collect();
                    let byte = u8::from_str_radix(&digits, 16).ok().filter(u8::is_ascii);
                    byte.ok_or(FormatError::Malformed)?.into()
                }
                _ => return Err(FormatError::Malformed),
            },
            (_, false) => {
                return Err(FormatError::Unsupported {
                    what: "a Python 2 `str` that is not ASCII",
                });
            }
            _ => c,
        });
    }
    Ok(text)
}

/// A text; or with lone surrogates what carries one.
pub(super) fn text_or_surrogates(bytes: Vec<u8>) -> Result<Value, FormatError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Value::Str(text)),
        Err(error) => {
            let bytes = Value::Bytes(error.into_bytes());
            let object = Object::of(Kind::Surrogates, vec![bytes]);
            object.map(Value::Object).ok_or(FormatError::Malformed)
        }
    }
}

/// Latin-1 in which other characters, the line feed and the backslash are `\uXXXX` or `\UXXXXXXXX`.
pub(super) fn raw_unicode(line: &[u8]) -> Result<Value, FormatError> {
    let mut text = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        let digits = match rest {
            [b'\\', b'u', digits @ ..] => digits.get(..4),
            [b'\\', b'U', digits @ ..] => digits.get(..8),
            _ => {
                put(char::from(*byte), &mut text);
                rest = after;
                continue;
            }
        };
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = std::str::from_utf8(digits.ok_or(FormatError::Malformed)?);
        let digits = digits.map_err(|_| FormatError::Malformed)?;
        let number = u32::from_str_radix(digits, 16).map_err(|_| FormatError::Malformed)?;
        match (char::from_u32(number), u16::try_from(number)) {
            (Some(c), _) => put(c, &mut text),
            (None, Ok(surrogate)) => {
                let [high, low] = surrogate.to_be_bytes();
                let middle = 0x80 | (high & 0x0f) << 2 | low >> 6;
                text.extend([0xed, middle, 0x80 | low & 0x3f]);
            }
            (None, Err(_)) => return Err(FormatError::Malformed),
        }
        rest = rest.get(2 + digits.len()..).unwrap_or_default();
    }
    text_or_surrogates(text)
}

fn put(c: char, text: &mut Vec<u8>) {
    text.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
}
