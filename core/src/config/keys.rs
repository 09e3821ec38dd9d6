//! Signing keys from an application's settings. No error quotes a key.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::token::SigningKey;

/// Reads a list of texts, and never fails itself: serde's message would quote what it found, and a
/// settings reader would quote the whole line. Anything else becomes a key that is too short, which
/// [`build`](super::ConfigBuilder::build) rejects.
pub(super) fn signing_keys<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SigningKey>, D::Error> {
    let key = |read| match read {
        Read::Text(text) => SigningKey::unchecked(text.as_bytes()),
        Read::List(_) | Read::Other => SigningKey::unchecked(b""),
    };
    Ok(match Read::deserialize(deserializer)? {
        Read::List(all) => all.into_iter().map(key).collect(),
        Read::Text(_) | Read::Other => vec![SigningKey::unchecked(b"")],
    })
}

enum Read {
    Text(Zeroizing<String>),
    List(Vec<Self>),
    Other,
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of signing keys")
    }

    fn visit_str<E>(self, text: &str) -> Result<Read, E> {
        Ok(Read::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Read, E> {
        Ok(Read::Text(Zeroizing::new(text)))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_none<E>(self) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        Read::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Read, D::Error> {
        Read::deserialize(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Read, A::Error> {
        let mut list = Vec::new();
        while let Some(one) = all.next_element()? {
            list.push(one);
        }
        Ok(Read::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Read, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Read::Other)
    }
}
