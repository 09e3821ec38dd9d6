//! A value to CBOR, by serde, so that its type reads it back.

use std::any::type_name;
use std::fmt;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::encoded::{Encoded, Order};

use super::decoder::{TAG_TYPE, TAGGED, UNTAGGED};
use super::item::{
    ARRAY, BIG_NEGATIVE, BIG_POSITIVE, BYTES, FALSE, MAP, NEGATIVE, NULL, SOME_HEAD, TAG, TEXT,
    TRUE, UINT, skip,
};
use super::names;

/// Why a value cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    TooLong,
    TooDeep,
    /// serde's buffers have no 128-bit integers.
    WideInteger,
    /// serde's buffers for flattened fields have only names and numbers as keys.
    Key,
    /// A flattened or tagged type has two fields of one name.
    Duplicate,
    /// A tag of ciborium's without a number.
    BadTag,
    /// The type's own `Serialize` failed. Its words may quote the value.
    Own,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "it is too long",
            Self::TooDeep => "it nests too deeply",
            Self::WideInteger => {
                "serde cannot read a 128-bit integer in a flattened, untagged or internally tagged type, \
                 nor in an adjacently tagged one whose format sorts its names \
                 (for a struct insert the value instead of a reference, or use `update`)"
            }
            Self::Key => "serde cannot read such a key in a flattened map",
            Self::Duplicate => "two of its fields have one name",
            Self::BadTag => "a CBOR tag has no number",
            Self::Own => "its `Serialize` failed",
        })
    }
}

impl std::error::Error for Refusal {}

impl serde::ser::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Own
    }
}

/// Where the bytes go.
pub(super) struct Sink {
    pub(super) out: Encoded,
    /// The most bytes.
    pub(super) limit: usize,
    /// Refuse forms that serde's buffers cannot read. The value is not read back to find out.
    pub(super) strict: bool,
    pub(super) order: Order,
    /// How many 128-bit integers there are.
    pub(super) wide: usize,
}

impl Sink {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.len() > self.limit.saturating_sub(self.out.len()) {
            return Err(Refusal::TooLong);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn head(&mut self, major: u8, argument: u64) -> Result<(), Refusal> {
        let (head, len) = head(major, argument);
        self.put(head.get(..len).unwrap_or_default())
    }

    fn insert(&mut self, at: usize, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.len() > self.limit.saturating_sub(self.out.len()) {
            return Err(Refusal::TooLong);
        }
        self.out.insert_from_slice(at, bytes);
        Ok(())
    }

    fn since(&self, start: usize) -> &[u8] {
        self.out.get(start..).unwrap_or_default()
    }
}

#[inline]
fn head(major: u8, argument: u64) -> ([u8; 9], usize) {
    let mut head = [major << 5; 9];
    let bytes = argument.to_be_bytes();
    let (short, len) = match argument {
        0..24 => (bytes[7], 0),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    head[0] |= short;
    for (to, from) in head.iter_mut().skip(1).zip(&bytes[8 - len..]) {
        *to = *from;
    }
    (head, 1 + len)
}

/// A text of limited length.
struct Text {
    text: String,
    room: usize,
    is_full: bool,
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.is_full = part.len() > self.room - self.text.len();
        if self.is_full {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// Where in the value a serializer is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    depth: usize,
    /// The type whose `Serialize` runs.
    of: &'static str,
    /// Its size.
    size: usize,
    /// Where its value is.
    at: usize,
    /// serde reads this through one of its buffers.
    buffered: bool,
    /// The same, if its tag comes later than its content.
    after_tag: bool,
}

pub(super) struct Encoder<'s> {
    sink: &'s mut Sink,
    place: Place,
}

impl<'s> Encoder<'s> {
    pub(super) fn new<T: Serialize>(sink: &'s mut Sink, value: &T, depth: usize) -> Self {
        let place = Place {
            depth,
            of: type_name::<T>(),
            size: size_of::<T>(),
            at: address(value),
            buffered: false,
            after_tag: false,
        };
        Self { sink, place }
    }

    #[inline]
    fn inner<T: Serialize + ?Sized>(
        sink: &mut Sink,
        place: Place,
        value: &T,
    ) -> Result<(), Refusal> {
        let place = Place {
            of: type_name::<T>(),
            size: size_of_val(value),
            at: address(value),
            ..place
        };
        value.serialize(Encoder { sink, place })
    }

    /// The same one level down.
    fn deeper(&self) -> Result<Place, Refusal> {
        let depth = self.place.depth.checked_sub(1).ok_or(Refusal::TooDeep)?;
        Ok(Place {
            depth,
            ..self.place
        })
    }

    /// A value written by another type than its own comes from an untagged variant's content.
    #[inline]
    fn is_untagged(&self, own: bool) -> bool {
        self.sink.strict && (self.place.buffered || !own)
    }

    fn container(
        self,
        major: u8,
        len: Option<usize>,
        buffered: bool,
    ) -> Result<Container<'s>, Refusal> {
        let mut place = self.deeper()?;
        place.buffered = buffered;
        let start = self.sink.out.len();
        self.sink.head(major, len.unwrap_or_default() as u64)?;
        Ok(Container {
            first: self.sink.out.len(),
            sink: self.sink,
            place,
            major,
            start,
            declared: len.unwrap_or_default(),
            count: 0,
            fields: false,
            sorted: major == ARRAY && names::is_hash_set(self.place.of),
            tag: None,
            layout: None,
        })
    }

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

    #[inline]
    fn int(self, value: i64) -> Result<(), Refusal> {
        match u64::try_from(value) {
            Ok(value) => self.sink.head(UINT, value),
            Err(_) => self.sink.head(NEGATIVE, (!value).cast_unsigned()),
        }
    }
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

    fn serialize_bool(self, value: bool) -> Result<(), Refusal> {
        self.sink.put(&[if value { TRUE } else { FALSE }])
    }

    fn serialize_i8(self, value: i8) -> Result<(), Refusal> {
        self.int(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Refusal> {
        self.int(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Refusal> {
        self.int(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Refusal> {
        self.int(value)
    }

    fn serialize_i128(self, value: i128) -> Result<(), Refusal> {
        match u128::try_from(value) {
            Ok(value) => self.wide(false, value),
            Err(_) => self.wide(true, (!value).cast_unsigned()),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<(), Refusal> {
        self.sink.head(UINT, value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Refusal> {
        self.sink.head(UINT, value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Refusal> {
        self.sink.head(UINT, value.into())
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
            let start = self.sink.out.len();
            return Ok(Container {
                place: self.deeper()?,
                first: start,
                sink: self.sink,
                major: TAG,
                start,
                declared: 0,
                count: 0,
                fields: false,
                sorted: false,
                tag: Some(TagPart::Number),
                layout: None,
            });
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

/// The memory layout of a struct's fields. A struct and a variant of an untagged enum serialize
/// alike, but only the enum is read through a buffer. Its discriminant makes the enum larger than
/// its fields.
#[derive(Clone, Copy)]
struct Layout {
    place: usize,
    size: usize,
    fields: usize,
    align: usize,
    /// A field stands where the value begins.
    starts: bool,
    /// How many 128-bit integers had been written before.
    wide: usize,
    /// The type is that of a pointer, and the value is elsewhere.
    elsewhere: bool,
}

impl Layout {
    fn of(place: &Place, wide: usize) -> Self {
        Self {
            place: place.at,
            size: place.size,
            fields: 0,
            align: 1,
            starts: false,
            wide,
            elsewhere: names::is_pointer(place.of),
        }
    }

    fn add<T: ?Sized>(&mut self, field: &T) {
        let size = size_of_val(field);
        self.fields += size;
        self.align = self.align.max(align_of_val(field));
        self.starts |= size > 0 && address(field) == self.place;
    }

    /// Returns whether 128-bit integers were written and this may be a variant.
    fn is_variant(&self, wide: usize) -> bool {
        let full = self.fields.next_multiple_of(self.align) == self.size;
        wide > self.wide && (self.elsewhere || !self.starts || !full)
    }
}

fn address<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<()>().addr()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TagPart {
    Number,
    Value,
}

/// An array or a map that is being written, or a tagged item.
pub(super) struct Container<'s> {
    sink: &'s mut Sink,
    place: Place,
    major: u8,
    /// Where its head is, and its first item.
    start: usize,
    first: usize,
    declared: usize,
    count: usize,
    /// Its keys are the fields of a type that serde reads through a buffer.
    fields: bool,
    /// Its items have no order of their own.
    sorted: bool,
    tag: Option<TagPart>,
    /// Of a struct that may be a variant of an untagged enum.
    layout: Option<Layout>,
}

impl Container<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        if let Some(part) = &mut self.tag {
            match part {
                // A number in place of the tag's head: only the major type differs.
                TagPart::Number => {
                    *part = TagPart::Value;
                    let at = self.sink.out.len();
                    Encoder::inner(self.sink, self.place, value)?;
                    let head = self.sink.out.get_mut(at).filter(|head| **head >> 5 == UINT);
                    *head.ok_or(Refusal::BadTag)? |= TAG << 5;
                }
                TagPart::Value => Encoder::inner(self.sink, self.place, value)?,
            }
            return Ok(());
        }
        self.count += 1;
        Encoder::inner(self.sink, self.place, value)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refusal> {
        self.count += 1;
        // Only what serde derives for flattened and tagged types has names of this type as keys.
        if self.sink.strict && names::is_literal::<T>() {
            (self.place.buffered, self.fields) = (true, true);
        }
        let start = self.sink.out.len();
        Encoder::inner(self.sink, self.place, key)?;
        let first = self.sink.since(start).first();
        if self.fields && first.is_some_and(|first| matches!(first >> 5, ARRAY | MAP | TAG)) {
            return Err(Refusal::Key);
        }
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        if self.count == 0 && self.sink.order == Order::Any && names::is_adjacent_tag::<T>() {
            self.place.after_tag = true;
        }
        if self.count == 0 && self.sink.strict {
            if names::is_literal::<T>() {
                (self.place.buffered, self.fields) = (true, true);
            } else if names::is_adjacent_tag::<T>() {
                (self.place.buffered, self.layout) = (false, None);
            }
        }
        if let Some(layout) = &mut self.layout {
            layout.add(value);
        }
        self.count += 1;
        self.sink.head(TEXT, name.len() as u64)?;
        self.sink.put(name.as_bytes())?;
        Encoder::inner(self.sink, self.place, value)
    }

    fn finish(mut self) -> Result<(), Refusal> {
        if self.tag.is_some() {
            return match self.tag {
                Some(TagPart::Value) => Ok(()),
                _ => Err(Refusal::BadTag),
            };
        }
        if self
            .layout
            .is_some_and(|layout| layout.is_variant(self.sink.wide))
        {
            return Err(Refusal::WideInteger);
        }
        if self.fields && self.count > 1 {
            self.check_keys()?;
        }
        if self.sorted && self.count > 1 {
            self.sort();
        }
        if self.count == self.declared {
            return Ok(());
        }
        // The length was not known, or not true.
        let (head, len) = head(self.major, self.count as u64);
        let (Some(head), old) = (head.get(..len), self.first - self.start) else {
            return Err(Refusal::Own);
        };
        if len > old {
            self.sink.insert(self.start, &[0; 8][..len - old])?;
        } else {
            self.sink.out.drain(self.start..self.start + (old - len));
        }
        if let Some(place) = self.sink.out.get_mut(self.start..self.start + len) {
            place.copy_from_slice(head);
        }
        Ok(())
    }

    /// serde reads a field that is there twice as an error.
    fn check_keys(&self) -> Result<(), Refusal> {
        let mut rest = self.sink.since(self.first);
        let mut keys = Vec::with_capacity(self.count);
        while !rest.is_empty() {
            let after = skip(rest, self.place.depth).ok_or(Refusal::Own)?;
            keys.push(rest.get(..rest.len() - after.len()).unwrap_or_default());
            rest = skip(after, self.place.depth).ok_or(Refusal::Own)?;
        }
        keys.sort_unstable();
        match keys.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(Refusal::Duplicate),
            false => Ok(()),
        }
    }

    /// The items of a hash set in an order that does not differ between two equal ones.
    fn sort(&mut self) {
        let mut rest = self.sink.since(self.first);
        let mut items = Vec::with_capacity(self.count);
        while let Some(after) = skip(rest, self.place.depth) {
            items.push(rest.get(..rest.len() - after.len()).unwrap_or_default());
            rest = after;
        }
        items.sort_unstable();
        let sorted = items.concat();
        if let Some(place) = self.sink.out.get_mut(self.first..)
            && place.len() == sorted.len()
        {
            place.copy_from_slice(&sorted);
        }
    }
}

impl SerializeSeq for Container<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        self.item(value)
    }

    fn end(self) -> Result<(), Refusal> {
        self.finish()
    }
}

impl SerializeTuple for Container<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        self.item(value)
    }

    fn end(self) -> Result<(), Refusal> {
        self.finish()
    }
}

impl SerializeTupleStruct for Container<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        self.item(value)
    }

    fn end(self) -> Result<(), Refusal> {
        self.finish()
    }
}

impl SerializeTupleVariant for Container<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        self.item(value)
    }

    fn end(self) -> Result<(), Refusal> {
        self.finish()
    }
}

impl SerializeMap for Container<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refusal> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        Encoder::inner(self.sink, self.place, value)
    }

    fn end(self) -> Result<(), Refusal> {
        self.finish()
    }
}

impl SerializeStruct for Container<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        self.field(name, value)
    }

    fn skip_field(&mut self, _: &'static str) -> Result<(), Refusal> {
        self.layout = None;
        Ok(())
    }

    fn end(self) -> Result<(), Refusal> {
        self.finish()
    }
}

impl SerializeStructVariant for Container<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Refusal> {
        self.finish()
    }
}
