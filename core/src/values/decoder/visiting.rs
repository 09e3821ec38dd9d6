//! An item for a visitor, as it is stored or as JSON would have it.

use serde::de::{Deserializer, Visitor};

use super::input::{Decoder, uuid};
use super::items::Items;
use super::variants::Tagged;
use crate::values::item::{BIG_NEGATIVE, BIG_POSITIVE, Head, SOME};
use crate::values::reason::Reason;

impl<'de> Decoder<'de, '_> {
    /// Reads the item with this head, for a visitor that expects a certain type.
    #[inline]
    pub(super) fn visit<V: Visitor<'de>>(
        &mut self,
        (head, rest): (Head, &'de [u8]),
        visitor: V,
    ) -> Result<V::Value, Reason> {
        match head {
            Head::Uint(value) => {
                self.rest = rest;
                visitor.visit_u64(value)
            }
            Head::Text(Some(len)) => {
                let Some((text, rest)) = rest.split_at_checked(len) else {
                    return Err(Reason::malformed());
                };
                let text = std::str::from_utf8(text).map_err(|_| Reason::malformed())?;
                self.rest = rest;
                visitor.visit_borrowed_str(text)
            }
            Head::Map(left) => {
                self.rest = rest;
                self.enter(|decoder| visitor.visit_map(Items { decoder, left }))
            }
            Head::Array(left) => {
                self.rest = rest;
                self.enter(|decoder| visitor.visit_seq(Items { decoder, left }))
            }
            Head::Bool(value) => {
                self.rest = rest;
                visitor.visit_bool(value)
            }
            Head::Null => {
                self.rest = rest;
                visitor.visit_unit()
            }
            Head::Float(value) => {
                self.rest = rest;
                visitor.visit_f64(value)
            }
            _ => self.visit_rare(head, rest, visitor),
        }
    }

    #[cold]
    fn visit_rare<V: Visitor<'de>>(
        &mut self,
        head: Head,
        rest: &'de [u8],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        match head {
            Head::Negative(value) => {
                self.rest = rest;
                match i64::try_from(value) {
                    Ok(value) => visitor.visit_i64(!value),
                    Err(_) => visitor.visit_i128(!i128::from(value)),
                }
            }
            Head::Bytes(Some(len)) => {
                let split = rest.split_at_checked(len);
                let (bytes, rest) = split.ok_or_else(Reason::malformed)?;
                self.rest = rest;
                visitor.visit_borrowed_bytes(bytes)
            }
            Head::Bytes(None) => {
                let bytes = self.chunks(rest, |head| match head {
                    Head::Bytes(len) => len,
                    _ => None,
                })?;
                visitor.visit_byte_buf(bytes)
            }
            Head::Text(_) => {
                let bytes = self.chunks(rest, |head| match head {
                    Head::Text(len) => len,
                    _ => None,
                })?;
                let text = String::from_utf8(bytes).map_err(|_| Reason::malformed())?;
                visitor.visit_string(text)
            }
            Head::Tag(tag) => match self.big(tag, rest) {
                Some((value, rest)) => {
                    self.rest = rest;
                    match (tag, i128::try_from(value)) {
                        (BIG_POSITIVE, _) => visitor.visit_u128(value),
                        (_, Ok(value)) => visitor.visit_i128(!value),
                        (_, Err(_)) => Err(Reason::new("invalid value: integer beyond 128 bits")),
                    }
                }
                None => {
                    self.rest = rest;
                    self.enter(|decoder| visitor.visit_enum(Tagged::new(decoder, Some(tag))))
                }
            },
            _ => Err(Reason::malformed()),
        }
    }

    /// Reads the item as JSON would have it, for a visitor that takes any value.
    #[cold]
    pub(super) fn visit_as_json<V: Visitor<'de>>(
        &mut self,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        loop {
            let (head, rest) = self.peek()?;
            match head {
                Head::Tag(SOME) => {
                    self.rest = rest;
                    return self.enter(|decoder| visitor.visit_some(decoder));
                }
                Head::Tag(tag) => {
                    if let Some((value, rest)) = self.big(tag, rest) {
                        self.rest = rest;
                        let value = value as f64;
                        let negative = tag == BIG_NEGATIVE;
                        return visitor.visit_f64(if negative { -1.0 - value } else { value });
                    }
                    if let Some((text, rest)) = uuid(tag, rest) {
                        self.rest = rest;
                        return visitor.visit_string(text);
                    }
                    self.rest = rest;
                }
                Head::Negative(value) if i64::try_from(value).is_err() => {
                    self.rest = rest;
                    return visitor.visit_f64(-1.0 - value as f64);
                }
                Head::Bytes(_) => return self.deserialize_seq(visitor),
                _ => return self.visit((head, rest), visitor),
            }
        }
    }

    /// The keys of JSON's maps are texts, also where they are numbers.
    #[cold]
    pub(super) fn number_in_text<V: Visitor<'de>>(
        &mut self,
        len: usize,
        item: (Head, &'de [u8]),
        visitor: V,
    ) -> Result<V::Value, Reason> {
        let text = item
            .1
            .get(..len)
            .and_then(|text| std::str::from_utf8(text).ok());
        let after = item.1.get(len..).unwrap_or_default();
        match text.map(|text| (text.parse::<u64>(), text.parse::<i64>())) {
            Some((Ok(value), _)) => {
                self.rest = after;
                visitor.visit_u64(value)
            }
            Some((_, Ok(value))) => {
                self.rest = after;
                visitor.visit_i64(value)
            }
            _ => self.visit(item, visitor),
        }
    }
}
