//! A value from its CBOR: by serde, without a copy of what it holds.

mod form;
mod input;
mod items;
mod variants;
mod visiting;

use serde::de::{Deserialize, Deserializer, Error as _, Unexpected, Visitor};

use super::item::{self, Head, SOME};
use super::reason::Reason;

use self::form::is_readable;
use self::input::uuid;
use self::items::{BytesOf, Octets};
use self::variants::{Tagged, Variant};

pub(super) use self::form::{Form, Reading, Seen};
pub(super) use self::input::Decoder;
pub(super) use self::variants::{TAG_TYPE, TAGGED, UNTAGGED};

/// Methods for types that take one kind of value.
macro_rules! plain {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
            let item = self.untagged()?;
            self.visit(item, visitor)
        }
    )*};
}

macro_rules! integer {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
            let item = self.untagged()?;
            if self.key && let Head::Text(Some(len)) = item.0 {
                return self.number_in_text(len, item, visitor);
            }
            self.visit(item, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de, '_> {
    type Error = Reason;

    plain! {
        deserialize_bool deserialize_char deserialize_bytes deserialize_byte_buf deserialize_map
        deserialize_unit deserialize_identifier
    }

    integer! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        let item = self.peek()?;
        match item.0 {
            Head::Tag(_) | Head::Bytes(_) | Head::Negative(_) if self.reading.as_json => {
                self.visit_as_json(visitor)
            }
            Head::Tag(SOME) => {
                self.rest = item.1;
                self.enter(|decoder| visitor.visit_some(decoder))
            }
            Head::Tag(_) | Head::Bytes(_) | Head::Negative(_) => {
                self.seen.beyond_json.set(true);
                self.visit(item, visitor)
            }
            _ => self.visit(item, visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        let item = self.untagged()?;
        match item.0 {
            Head::Tag(_) | Head::Negative(_) => self.visit_as_json(visitor),
            _ => self.visit(item, visitor),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        loop {
            let item = self.peek()?;
            let Head::Tag(tag) = item.0 else {
                return self.visit(item, visitor);
            };
            if let Some((text, rest)) = uuid(tag, item.1) {
                self.rest = rest;
                return visitor.visit_string(text);
            }
            self.rest = item.1;
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        let (head, rest) = self.peek()?;
        match head {
            Head::Null => {
                self.rest = rest;
                visitor.visit_none()
            }
            Head::Tag(SOME) => {
                self.rest = rest;
                self.enter(|decoder| visitor.visit_some(decoder))
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        let (head, rest) = self.untagged()?;
        match head {
            Head::Bytes(Some(len)) => {
                let split = rest.split_at_checked(len);
                let (bytes, rest) = split.ok_or_else(Reason::malformed)?;
                self.rest = rest;
                visitor.visit_seq(Octets(bytes.iter()))
            }
            Head::Bytes(None) => {
                let bytes: Vec<u8> = BytesOf::deserialize(self)?.0;
                visitor.visit_seq(Octets(bytes.iter()))
            }
            _ => self.visit((head, rest), visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Reason> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.deserialize_map(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        if name == TAG_TYPE {
            let (head, rest) = self.peek()?;
            let tag = match head {
                Head::Tag(tag) => {
                    self.rest = rest;
                    Some(tag)
                }
                _ => None,
            };
            return self.enter(|decoder| visitor.visit_enum(Tagged::new(decoder, tag)));
        }
        let (head, rest) = self.untagged()?;
        let in_map = matches!(head, Head::Map(Some(1)));
        match head {
            Head::Map(Some(1)) => self.rest = rest,
            Head::Text(_) => {}
            Head::Map(_) => return Err(Reason::invalid_type(Unexpected::Map, &"one variant")),
            Head::Array(_) => return Err(Reason::invalid_type(Unexpected::Seq, &"a variant")),
            Head::Null => return Err(Reason::invalid_type(Unexpected::Unit, &"a variant")),
            _ => return Err(Reason::invalid_type(Unexpected::Other(""), &"a variant")),
        }
        self.enter(|decoder| visitor.visit_enum(Variant { decoder, in_map }))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        self.rest = item::skip(self.rest, self.depth).ok_or_else(Reason::malformed)?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        self.seen.form.set(true);
        match self.reading.form {
            Form::Readable => true,
            Form::Compact => false,
            Form::Mixed => is_readable(self.rest),
        }
    }
}
