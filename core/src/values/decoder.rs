//! A value from its CBOR: by serde, without a copy of what it holds.

use std::cell::Cell;

use serde::de::value::{BorrowedStrDeserializer, U64Deserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::item::{self, BIG_NEGATIVE, BIG_POSITIVE, Head, MAX_READ_DEPTH, SOME, UUID};
use super::reason::Reason;

/// How the enum of ciborium's types for tags is called, and its variants.
pub(super) const TAG_TYPE: &str = "@@TAG@@";
pub(super) const TAGGED: &str = "@@TAGGED@@";
pub(super) const UNTAGGED: &str = "@@UNTAGGED@@";

/// How to read what can be read in more than one way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) form: Form,
    /// Types that take any value get what JSON would have: no tags, floating point numbers beyond
    /// 64 bits, and bytes as numbers.
    pub(super) as_json: bool,
}

/// A value's form, of the two that a type may have (`is_human_readable`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The readable form, which is written today. serde's buffers for flattened, untagged and
    /// tagged types always read this form.
    Readable,
    /// Readable where it looks like it, and compact elsewhere. One session may have both.
    Mixed,
    /// The compact one, which the first records of this library have.
    Compact,
}

impl Reading {
    pub(super) const FIRST: Self = Self {
        form: Form::Readable,
        as_json: false,
    };
}

/// Findings of a first reading that may call for a second one.
#[derive(Default)]
pub(super) struct Seen {
    /// A type asked which of its forms it has.
    pub(super) form: Cell<bool>,
    /// A type that takes any value was given one that JSON does not have.
    pub(super) beyond_json: Cell<bool>,
}

pub(super) struct Decoder<'de, 'a> {
    rest: &'de [u8],
    depth: usize,
    reading: Reading,
    seen: &'a Seen,
    /// The next item is the key of a map.
    key: bool,
}

impl<'de, 'a> Decoder<'de, 'a> {
    pub(super) fn new(bytes: &'de [u8], reading: Reading, seen: &'a Seen) -> Self {
        Self {
            rest: bytes,
            depth: MAX_READ_DEPTH,
            reading,
            seen,
            key: false,
        }
    }

    /// Whether all has been read.
    pub(super) fn end(&self) -> Result<(), Reason> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Reason::new("more is stored than was read"))
        }
    }

    #[inline]
    fn peek(&self) -> Result<(Head, &'de [u8]), Reason> {
        item::head(self.rest).ok_or_else(Reason::malformed)
    }

    fn enter<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Reason>) -> Result<T, Reason> {
        let deeper = self.depth.checked_sub(1);
        self.depth = deeper.ok_or_else(|| Reason::new("it nests too deeply"))?;
        self.key = false;
        let read = read(self)?;
        self.depth += 1;
        Ok(read)
    }

    /// Steps over tags, to what a plain type reads.
    #[inline]
    fn untagged(&mut self) -> Result<(Head, &'de [u8]), Reason> {
        loop {
            let (head, rest) = self.peek()?;
            match head {
                Head::Tag(tag) if self.big(tag, rest).is_none() => self.rest = rest,
                _ => return Ok((head, rest)),
            }
        }
    }

    /// Returns the magnitude of an integer beyond 64 bits, and the rest of the input.
    fn big(&self, tag: u64, rest: &'de [u8]) -> Option<(u128, &'de [u8])> {
        let (BIG_POSITIVE | BIG_NEGATIVE, (Head::Bytes(Some(len)), rest)) =
            (tag, item::head(rest)?)
        else {
            return None;
        };
        let (bytes, rest) = rest.split_at_checked(len)?;
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(len);
        let digits = bytes.get(start..).filter(|digits| digits.len() <= 16)?;
        let value = digits
            .iter()
            .fold(0, |value, byte| value << 8 | u128::from(*byte));
        Some((value, rest))
    }

    /// Reads the item with this head, for a visitor that expects a certain type.
    #[inline]
    fn visit<V: Visitor<'de>>(
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

    /// A string of indefinite length.
    fn chunks(
        &mut self,
        mut rest: &'de [u8],
        len: impl Fn(Head) -> Option<usize>,
    ) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::new();
        loop {
            let (head, after) = item::head(rest).ok_or_else(Reason::malformed)?;
            if head == Head::Break {
                self.rest = after;
                return Ok(bytes);
            }
            let chunk = len(head).and_then(|len| after.split_at_checked(len));
            let (chunk, after) = chunk.ok_or_else(Reason::malformed)?;
            bytes.extend_from_slice(chunk);
            rest = after;
        }
    }

    /// Reads the item as JSON would have it, for a visitor that takes any value.
    #[cold]
    fn visit_as_json<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Reason> {
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
}

/// Returns the text of a tagged UUID.
fn uuid(tag: u64, rest: &[u8]) -> Option<(String, &[u8])> {
    let (UUID, (Head::Bytes(Some(16)), rest)) = (tag, item::head(rest)?) else {
        return None;
    };
    let (bytes, rest) = rest.split_first_chunk::<16>()?;
    Some((uuid::Uuid::from_bytes(*bytes).to_string(), rest))
}

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

impl<'de> Decoder<'de, '_> {
    /// The keys of JSON's maps are texts, also where they are numbers.
    #[cold]
    fn number_in_text<V: Visitor<'de>>(
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

/// Returns whether a value looks like the readable form of its type. Compact ones are bytes,
/// arrays, numbers, and the standard library's enums of addresses.
fn is_readable(mut bytes: &[u8]) -> bool {
    loop {
        match item::head(bytes) {
            Some((Head::Tag(_), rest)) => bytes = rest,
            Some((Head::Text(_), _)) => return true,
            Some((Head::Map(Some(1)), rest)) => {
                return !matches!(item::text(rest), Some("V4" | "V6"));
            }
            Some((Head::Map(_), _)) => return true,
            _ => return false,
        }
    }
}

/// The items of an array or a map.
struct Items<'d, 'de, 'a> {
    decoder: &'d mut Decoder<'de, 'a>,
    /// `None` until a break.
    left: Option<usize>,
}

impl Items<'_, '_, '_> {
    #[inline]
    fn is_at_end(&mut self) -> Result<bool, Reason> {
        match &mut self.left {
            Some(0) => return Ok(true),
            Some(left) => *left -= 1,
            None => {
                if let (Head::Break, rest) = self.decoder.peek()? {
                    (self.left, self.decoder.rest) = (Some(0), rest);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// A hostile count gets no memory: an item has a byte at least.
    fn hint(&self) -> Option<usize> {
        self.left.map(|left| left.min(self.decoder.rest.len()))
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de, '_> {
    type Error = Reason;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Reason> {
        if self.is_at_end()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de, '_> {
    type Error = Reason;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Reason> {
        if self.is_at_end()? {
            return Ok(None);
        }
        self.decoder.key = true;
        let key = seed.deserialize(&mut *self.decoder)?;
        self.decoder.key = false;
        Ok(Some(key))
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Reason> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// A variant: its name alone, or a map from its name to its content.
struct Variant<'d, 'de, 'a> {
    decoder: &'d mut Decoder<'de, 'a>,
    in_map: bool,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de, '_> {
    type Error = Reason;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Reason> {
        Ok((seed.deserialize(&mut *self.decoder)?, self))
    }
}

impl Variant<'_, '_, '_> {
    fn content(&self, wanted: &'static str) -> Result<(), Reason> {
        match self.in_map {
            true => Ok(()),
            false => Err(Reason::invalid_type(Unexpected::UnitVariant, &wanted)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de, '_> {
    type Error = Reason;

    fn unit_variant(self) -> Result<(), Reason> {
        match self.in_map {
            true => <()>::deserialize(self.decoder),
            false => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Reason> {
        self.content("newtype variant")?;
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Reason> {
        self.content("tuple variant")?;
        self.decoder.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.content("struct variant")?;
        self.decoder.deserialize_map(visitor)
    }
}

/// A tagged item as ciborium's types for tags have it: an enum of a tuple, the tag and the item.
struct Tagged<'d, 'de, 'a> {
    decoder: Option<&'d mut Decoder<'de, 'a>>,
    tag: Option<u64>,
    /// The tag itself has been read.
    past_tag: bool,
}

impl<'d, 'de, 'a> Tagged<'d, 'de, 'a> {
    fn new(decoder: &'d mut Decoder<'de, 'a>, tag: Option<u64>) -> Self {
        Self {
            decoder: Some(decoder),
            tag,
            past_tag: false,
        }
    }
}

impl<'de> EnumAccess<'de> for Tagged<'_, 'de, '_> {
    type Error = Reason;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Reason> {
        let name = if self.tag.is_some() { TAGGED } else { UNTAGGED };
        let name: BorrowedStrDeserializer<'_, Reason> = BorrowedStrDeserializer::new(name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Tagged<'_, 'de, '_> {
    type Error = Reason;

    fn unit_variant(self) -> Result<(), Reason> {
        Err(Reason::new("a tag has a value"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Reason> {
        match self.decoder {
            Some(decoder) => seed.deserialize(decoder),
            None => Err(Reason::malformed()),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Reason> {
        visitor.visit_seq(self)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Reason> {
        Err(Reason::new("a tag has no fields"))
    }
}

impl<'de> SeqAccess<'de> for Tagged<'_, 'de, '_> {
    type Error = Reason;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Reason> {
        if !self.past_tag {
            self.past_tag = true;
            let tag: U64Deserializer<Reason> = self.tag.unwrap_or_default().into_deserializer();
            return seed.deserialize(tag).map(Some);
        }
        match self.decoder.take() {
            Some(decoder) => seed.deserialize(decoder).map(Some),
            None => Ok(None),
        }
    }
}

/// Bytes as a sequence of numbers.
struct Octets<'b>(std::slice::Iter<'b, u8>);

impl<'de> SeqAccess<'de> for Octets<'_> {
    type Error = Reason;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Reason> {
        let next = self.0.next();
        next.map(|byte| seed.deserialize((*byte).into_deserializer()))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// Bytes of indefinite length, which this library does not write.
struct BytesOf(Vec<u8>);

impl<'de> Deserialize<'de> for BytesOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;

        impl Visitor<'_> for Of {
            type Value = BytesOf;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<BytesOf, E> {
                Ok(BytesOf(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Of)
    }
}
