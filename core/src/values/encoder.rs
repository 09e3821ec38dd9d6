//! A value to CBOR, by serde, so that its type reads it back.

mod container;
mod layout;
mod place;
mod refusal;
mod sink;

use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;

use super::decoder::{TAG_TYPE, TAGGED, UNTAGGED};
use super::item::{
    ARRAY, BIG_NEGATIVE, BIG_POSITIVE, BYTES, FALSE, MAP, NEGATIVE, NULL, SOME_HEAD, TAG, TEXT,
    TRUE, UINT,
};
use super::names;

use self::container::Container;
use self::layout::Layout;
use self::place::Place;
use self::sink::Text;

pub(super) use self::place::Encoder;
pub(super) use self::refusal::Refusal;
pub(super) use self::sink::Sink;

impl<'s> Encoder<'s> {
    /// A variant with content: a map from its name.
    fn variant(
        self,
        name: &'static str,
        variant: &'static str,
    ) -> Result<(&'s mut Sink, Place), Refusal> {
        let mut place = self.deeper()?;
        place.buffered = self.is_untagged(names::is_named(place.of, name));
        self.sink.head(MAP, 1)?;
        self.sink.head(TEXT, variant.len() as u64)?;
        self.sink.put(variant.as_bytes())?;
        Ok((self.sink, place))
    }

    fn wide(self, negative: bool, magnitude: u128) -> Result<(), Refusal> {
        self.sink.wide += 1;
        let own = self.place.size == size_of::<u128>() || names::is_wide(self.place.of);
        if self.is_untagged(own) || self.place.after_tag {
            return Err(Refusal::WideInteger);
        }
        match (u64::try_from(magnitude), negative) {
            (Ok(small), false) => self.sink.head(UINT, small),
            (Ok(small), true) => self.sink.head(NEGATIVE, small),
            (Err(_), _) => {
                let bytes = magnitude.to_be_bytes();
                let start = magnitude.leading_zeros() as usize / 8;
                let digits = bytes.get(start..).unwrap_or_default();
                let tag = if negative { BIG_NEGATIVE } else { BIG_POSITIVE };
                self.sink.head(TAG, tag)?;
                self.sink.head(BYTES, digits.len() as u64)?;
                self.sink.put(digits)
            }
        }
    }
}

/// Methods for integers of fewer than 64 bits.
macro_rules! short {
    ($($method:ident: $integer:ty => $long:ident)*) => {$(
        fn $method(self, value: $integer) -> Result<(), Refusal> {
            self.$long(value.into())
        }
    )*};
}

impl<'s> Serializer for Encoder<'s> {
    type Ok = ();
    type Error = Refusal;
    type SerializeSeq = Container<'s>;
    type SerializeTuple = Container<'s>;
    type SerializeTupleStruct = Container<'s>;
    type SerializeTupleVariant = Container<'s>;
    type SerializeMap = Container<'s>;
    type SerializeStruct = Container<'s>;
    type SerializeStructVariant = Container<'s>;

    short! {
        serialize_i8: i8 => serialize_i64
        serialize_i16: i16 => serialize_i64
        serialize_i32: i32 => serialize_i64
        serialize_u8: u8 => serialize_u64
        serialize_u16: u16 => serialize_u64
        serialize_u32: u32 => serialize_u64
    }

    fn serialize_bool(self, value: bool) -> Result<(), Refusal> {
        self.sink.put(&[if value { TRUE } else { FALSE }])
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Refusal> {
        match u64::try_from(value) {
            Ok(value) => self.sink.head(UINT, value),
            Err(_) => self.sink.head(NEGATIVE, (!value).cast_unsigned()),
        }
    }

    fn serialize_i128(self, value: i128) -> Result<(), Refusal> {
        match u128::try_from(value) {
            Ok(value) => self.wide(false, value),
            Err(_) => self.wide(true, (!value).cast_unsigned()),
        }
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Refusal> {
        self.sink.head(UINT, value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Refusal> {
        self.wide(false, value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Refusal> {
        let [a, b, c, d] = value.to_bits().to_be_bytes();
        self.sink.put(&[0xfa, a, b, c, d])
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refusal> {
        #[expect(clippy::cast_possible_truncation, reason = "its equality is tested")]
        let short = value as f32;
        if f64::from(short).to_bits() == value.to_bits() {
            return self.serialize_f32(short);
        }
        let mut bytes = [0xfb; 9];
        for (to, from) in bytes.iter_mut().skip(1).zip(value.to_bits().to_be_bytes()) {
            *to = from;
        }
        self.sink.put(&bytes)
    }

    fn serialize_char(self, value: char) -> Result<(), Refusal> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Refusal> {
        self.sink.head(TEXT, value.len() as u64)?;
        self.sink.put(value.as_bytes())
    }

    /// As serde's own, with a limit on the way: a `Display` may have no end.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Refusal> {
        let room = self.sink.limit.saturating_sub(self.sink.out.len());
        let mut text = Text {
            text: String::new(),
            room,
            is_full: false,
        };
        match fmt::write(&mut text, format_args!("{value}")) {
            Ok(()) => self.serialize_str(&text.text),
            Err(fmt::Error) if text.is_full => Err(Refusal::TooLong),
            Err(fmt::Error) => Err(Refusal::Own),
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refusal> {
        self.sink.head(BYTES, value.len() as u64)?;
        self.sink.put(value)
    }

    fn serialize_none(self) -> Result<(), Refusal> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refusal> {
        let start = self.sink.out.len();
        let buffered = self.is_untagged(names::is_std(self.place.of));
        let place = Place {
            buffered,
            ..self.place
        };
        Self::inner(self.sink, place, value)?;
        // Nothing, or an option in which there is something: it must not be read as nothing here.
        let inner = self.sink.since(start);
        if inner == [NULL] || inner.starts_with(&SOME_HEAD) {
            if inner.len() / SOME_HEAD.len() >= self.place.depth {
                return Err(Refusal::TooDeep);
            }
            self.sink.insert(start, &SOME_HEAD)?;
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Refusal> {
        self.sink.put(&[NULL])
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refusal> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Refusal> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        let buffered = self.is_untagged(names::is_named(self.place.of, name));
        let place = Place {
            buffered,
            ..self.place
        };
        Self::inner(self.sink, place, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        if (name, variant) == (TAG_TYPE, UNTAGGED) {
            return Self::inner(self.sink, self.place, value);
        }
        let (sink, place) = self.variant(name, variant)?;
        Self::inner(sink, place, value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Container<'s>, Refusal> {
        let buffered = self.is_untagged(names::is_std(self.place.of));
        self.container(ARRAY, len, buffered)
    }

    fn serialize_tuple(self, len: usize) -> Result<Container<'s>, Refusal> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Container<'s>, Refusal> {
        let buffered = self.is_untagged(names::is_named(self.place.of, name));
        self.container(ARRAY, Some(len), buffered)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Container<'s>, Refusal> {
        if (name, variant) == (TAG_TYPE, TAGGED) {
            return self.tagged();
        }
        let (sink, place) = self.variant(name, variant)?;
        Encoder { sink, place }.container(ARRAY, Some(len), place.buffered)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Container<'s>, Refusal> {
        let buffered = self.is_untagged(names::is_std(self.place.of));
        self.container(MAP, len, buffered)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Container<'s>, Refusal> {
        let buffered = self.is_untagged(names::is_named(self.place.of, name));
        let looks = self.sink.strict && !names::is_see_through(self.place.of);
        let layout = looks.then(|| Layout::of(&self.place, self.sink.wide));
        let mut container = self.container(MAP, Some(len), buffered)?;
        container.layout = layout;
        Ok(container)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Container<'s>, Refusal> {
        let (sink, place) = self.variant(name, variant)?;
        Encoder { sink, place }.container(MAP, Some(len), place.buffered)
    }
}
