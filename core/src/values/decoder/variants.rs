//! Enums: variants, and tagged items.

use serde::de::value::{BorrowedStrDeserializer, U64Deserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::input::Decoder;
use crate::values::reason::Reason;

/// How the enum of ciborium's types for tags is called, and its variants.
pub(in crate::values) const TAG_TYPE: &str = "@@TAG@@";
pub(in crate::values) const TAGGED: &str = "@@TAGGED@@";
pub(in crate::values) const UNTAGGED: &str = "@@UNTAGGED@@";

/// A variant: its name alone, or a map from its name to its content.
pub(super) struct Variant<'d, 'de, 'a> {
    pub(super) decoder: &'d mut Decoder<'de, 'a>,
    pub(super) in_map: bool,
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
pub(super) struct Tagged<'d, 'de, 'a> {
    decoder: Option<&'d mut Decoder<'de, 'a>>,
    tag: Option<u64>,
    /// The tag itself has been read.
    past_tag: bool,
}

impl<'d, 'de, 'a> Tagged<'d, 'de, 'a> {
    pub(super) fn new(decoder: &'d mut Decoder<'de, 'a>, tag: Option<u64>) -> Self {
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
