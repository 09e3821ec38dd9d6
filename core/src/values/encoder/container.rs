//! Arrays, maps and tagged items while they are written.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::layout::Layout;
use super::place::{Encoder, Place};
use super::refusal::Refusal;
use super::sink::{Sink, head};
use crate::values::encoded::Order;
use crate::values::item::{ARRAY, MAP, TAG, TEXT, UINT, skip};
use crate::values::names;

/// An array or a map that is being written, or a tagged item.
pub(in crate::values) struct Container<'s> {
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
    pub(super) layout: Option<Layout>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TagPart {
    Number,
    Value,
}

impl<'s> Encoder<'s> {
    pub(super) fn container(
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

    /// An item with a tag, as ciborium's types for tags have it.
    pub(super) fn tagged(self) -> Result<Container<'s>, Refusal> {
        let start = self.sink.out.len();
        Ok(Container {
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
        })
    }
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

/// Methods of arrays, whose items have no names.
macro_rules! items {
    ($($of:ident $item:ident)*) => {$(
        impl $of for Container<'_> {
            type Ok = ();
            type Error = Refusal;

            fn $item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
                self.item(value)
            }

            fn end(self) -> Result<(), Refusal> {
                self.finish()
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
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
