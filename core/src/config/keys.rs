//! Signing keys, and a token that shows that they are the right ones. No error quotes either.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::{ConfigBuilder, ConfigError};
use crate::token::{SigningKey, TokenRules};

impl ConfigBuilder {
    /// Sets a token that the running application once issued: a cookie's value. If none of the keys
    /// here made it, [`build`](ConfigBuilder::build) fails. Default: none.
    ///
    /// Without one a wrong key is no error. All visitors are strangers then, as if their cookies
    /// were forged. Set one where keys come from the environment or move to another program. Any
    /// token of this configuration will do, and its age does not count. Sign its session out first,
    /// because settings are not a place for a living token.
    ///
    /// With an [envelope](ConfigBuilder::envelope) it is a whole sealed value. Costs no store call.
    ///
    /// ```
    /// # use cloakroom_core::{Config, SigningKey};
    /// let issued = "WiO7Jo3vUUPjTFzl1CnJC6eX4YBtsD0ZxzzYjb2Uw5g.\
    ///     VqxSnOKOqwHvcEPQCcm4UhT25hI97-uhdLlVZBlI6RI";
    /// let key = SigningKey::new([2; 32]).unwrap(); // and it was [1; 32]
    /// let config = Config::builder().signing_keys([key]).known_token(issued);
    /// assert_eq!(config.build().unwrap_err().field(), "known_token");
    /// ```
    pub fn known_token(mut self, token: impl Into<String>) -> Self {
        self.fields.known_token = Some(Zeroizing::new(token.into()));
        self
    }

    /// Fails if the known token is not one of this configuration.
    pub(super) fn check_known(&self, name: &str, tokens: &TokenRules) -> Result<(), ConfigError> {
        let Some(token) = &self.fields.known_token else {
            return Ok(());
        };
        let known = match &self.fields.envelope {
            Some(envelope) => envelope.0.has_made(name, token.as_bytes()),
            None => {
                tokens.is_well_formed(token.as_bytes()) && tokens.id(token.as_bytes()).is_some()
            }
        };
        if known {
            return Ok(());
        }
        Err(ConfigError::new(
            "known_token",
            "no key of this configuration made it, so all visitors would be signed out; check that \
             the signing or sealing keys, the cookie's name and the token's format are those of \
             the application that issued it, and that the old key is still in the list",
        ))
    }
}

pub(super) fn known_token<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(match Option::<Read>::deserialize(deserializer)? {
        None => None,
        Some(Read::Text(text)) => Some(text),
        // No token looks so, and no error quotes it.
        Some(Read::List(_) | Read::Other) => Some(Zeroizing::default()),
    })
}

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
