//! A whole session as one struct or map of the application's.

use std::any::type_name;
use std::cell::{Cell, RefCell};

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::Error;

use super::decoder::{Decoder, Form, Reading, Seen};
use super::reading::{holds, is_none, read_otherwise, undecoded};
use super::reason::Reason;

/// Stands for the name of a value where an error concerns all of them.
const WHOLE: &str = "(the whole session)";

/// Findings of the reading of a whole session.
#[derive(Default)]
struct Notes<'de> {
    seen: Seen,
    /// The name of the value that could not be read.
    failed: Cell<Option<&'de str>>,
    /// The names whose values the type took.
    taken: RefCell<Vec<&'de str>>,
}

/// Names and encoded values as a struct or map. With the names whose values it took.
pub(crate) fn decode_all<'a, T: DeserializeOwned>(
    values: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Result<(T, Vec<&'a str>), Failed> {
    let notes = Notes::default();
    let read = |reading, skip_none| {
        notes.taken.borrow_mut().clear();
        T::deserialize(Whole {
            values: values.clone(),
            reading,
            skip_none,
            notes: &notes,
        })
    };
    let value = match read(Reading::FIRST, false) {
        Ok(value) => Ok(value),
        Err(reason) => {
            let failed = notes.failed.get();
            let again = read_otherwise(&notes.seen, reason, |reading| read(reading, false));
            let again = match values.clone().any(|(_, value)| is_none(value)) {
                // A stored `None` reads as absent, where the type is a plain one.
                true => again.or_else(|reason| {
                    read(Reading::FIRST, true).or_else(|_| {
                        read_otherwise(&notes.seen, reason, |reading| read(reading, true))
                    })
                }),
                false => again,
            };
            again.map_err(|reason| (failed, reason))
        }
    };
    match value {
        Ok(value) => Ok((value, notes.taken.take())),
        Err((failed, reason)) => {
            let name = failed.or(reason.field);
            let error = undecoded::<T>(name.unwrap_or(WHOLE), &reason, |word| {
                values.clone().any(|(_, value)| holds(value, word))
            });
            Err(Failed {
                error,
                duplicate: reason.duplicate.then_some(reason.field).flatten(),
            })
        }
    }
}

/// Why a whole session could not be read.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The field that two names of the session lead to.
    pub(crate) duplicate: Option<&'static str>,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

struct Whole<'n, 'de, I> {
    values: I,
    reading: Reading,
    skip_none: bool,
    notes: &'n Notes<'de>,
}

impl<'n, 'de, I: Iterator<Item = (&'de [u8], &'de [u8])> + Clone> Whole<'n, 'de, I> {
    fn entries(self) -> Entries<'n, 'de, I> {
        Entries {
            whole: self,
            value: None,
        }
    }
}

impl<'de, I: Iterator<Item = (&'de [u8], &'de [u8])> + Clone> Deserializer<'de>
    for Whole<'_, 'de, I>
{
    type Error = Reason;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        visitor.visit_map(self.entries())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Reason> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        visitor.visit_newtype_struct(self)
    }

    /// The one value of the session is the content of the variant of its name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        let mut others = self.values.clone();
        match (others.next(), others.next()) {
            (Some(_), None) => visitor.visit_enum(self.entries()),
            _ => Err(Reason::invalid_type(Unexpected::Map, &"one variant")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        self.notes.seen.form.set(true);
        self.reading.form != Form::Compact
    }
}

struct Entries<'n, 'de, I> {
    whole: Whole<'n, 'de, I>,
    /// The value that comes next, and its name.
    value: Option<(&'de str, &'de [u8])>,
}

impl<'de, I: Iterator<Item = (&'de [u8], &'de [u8])> + Clone> Entries<'_, 'de, I> {
    fn name<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Reason> {
        let skip_none = self.whole.skip_none;
        let next = self
            .whole
            .values
            .find(|(_, value)| !(skip_none && is_none(value)));
        let Some((name, value)) = next else {
            return Ok(None);
        };
        let name = std::str::from_utf8(name).map_err(|_| Reason::malformed())?;
        self.value = Some((name, value));
        seed.deserialize(BorrowedStrDeserializer::new(name))
            .map(Some)
    }

    fn value<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'de, '_>) -> Result<T, Reason>,
    ) -> Result<T, Reason> {
        let (name, value) = self.value.take().ok_or_else(Reason::malformed)?;
        let mut decoder = Decoder::new(value, self.whole.reading, &self.whole.notes.seen);
        let read = read(&mut decoder).and_then(|value| {
            decoder.end()?;
            Ok(value)
        });
        if read.is_err() {
            self.whole.notes.failed.set(Some(name));
        } else if !is_passed_over::<T>() {
            self.whole.notes.taken.borrow_mut().push(name);
        }
        read
    }
}

/// Returns whether a value is read for no field in particular: passed over, or kept for a flattened
/// type.
fn is_passed_over<T>() -> bool {
    let name = type_name::<T>();
    name.ends_with("::IgnoredAny") || name.ends_with("::content::Content")
}

impl<'de, I: Iterator<Item = (&'de [u8], &'de [u8])> + Clone> MapAccess<'de>
    for Entries<'_, 'de, I>
{
    type Error = Reason;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Reason> {
        self.name(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Reason> {
        self.value(|decoder| seed.deserialize(decoder))
    }
}

impl<'de, I: Iterator<Item = (&'de [u8], &'de [u8])> + Clone> EnumAccess<'de>
    for Entries<'_, 'de, I>
{
    type Error = Reason;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        mut self,
        seed: V,
    ) -> Result<(V::Value, Self), Reason> {
        let variant = self.name(seed)?.ok_or_else(Reason::malformed)?;
        Ok((variant, self))
    }
}

impl<'de, I: Iterator<Item = (&'de [u8], &'de [u8])> + Clone> VariantAccess<'de>
    for Entries<'_, 'de, I>
{
    type Error = Reason;

    fn unit_variant(mut self) -> Result<(), Reason> {
        self.value(|decoder| serde::Deserialize::deserialize(decoder))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        mut self,
        seed: T,
    ) -> Result<T::Value, Reason> {
        self.value(|decoder| seed.deserialize(decoder))
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.value(|decoder| decoder.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Reason> {
        self.value(|decoder| decoder.deserialize_map(visitor))
    }
}
