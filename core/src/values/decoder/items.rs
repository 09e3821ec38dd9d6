//! Arrays, maps, and bytes as a sequence.

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::input::Decoder;
use crate::values::item::Head;
use crate::values::reason::Reason;

/// The items of an array or a map.
pub(super) struct Items<'d, 'de, 'a> {
    pub(super) decoder: &'d mut Decoder<'de, 'a>,
    /// `None` until a break.
    pub(super) left: Option<usize>,
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

/// Bytes as a sequence of numbers.
pub(super) struct Octets<'b>(pub(super) std::slice::Iter<'b, u8>);

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
pub(super) struct BytesOf(pub(super) Vec<u8>);

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
