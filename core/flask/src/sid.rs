//! The ids of Flask-Session, signed or not, as tokens.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_core::TokenScheme;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::Signer;
use crate::signer::SIGNATURE_LEN;

/// The most random bytes of an id: 171 characters.
pub(crate) const MAX_BYTES: usize = 128;
/// The fewest: 128 bits (OWASP ASVS 5.0, 7.2.3).
pub(crate) const MIN_BYTES: usize = 16;
/// Flask-Session's default.
pub(crate) const DEFAULT_BYTES: usize = 32;
const UUID_LEN: usize = 36;

/// Recognises the ids of every version of Flask-Session: a UUID (up to 0.5), or random bytes in
/// base64url (since 0.6), of the default length or the configured one. Makes the latter or, if
/// configured, UUIDs.
pub(crate) struct Sids {
    /// The number of random bytes in a new id.
    pub(crate) bytes: usize,
    /// Whether new ids are UUIDs instead.
    pub(crate) uuid: bool,
    pub(crate) signer: Option<Signer>,
}

impl Sids {
    fn is_sid(&self, id: &[u8]) -> bool {
        is_uuid(id)
            || [self.bytes, DEFAULT_BYTES]
                .iter()
                .any(|bytes| is_base64(id, *bytes))
    }
}

impl TokenScheme for Sids {
    fn is_well_formed(&self, presented: &[u8]) -> bool {
        let id = match &self.signer {
            None => Some(presented),
            Some(_) => presented
                .len()
                .checked_sub(SIGNATURE_LEN + 1)
                .and_then(|len| presented.get(..len)),
        };
        id.is_some_and(|id| self.is_sid(id))
    }

    fn id<'t>(&self, presented: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        match &self.signer {
            None => Some(presented),
            Some(signer) => signer.unsign(presented),
        }
        .filter(|id| self.is_sid(id))
        .map(Cow::Borrowed)
    }

    fn mint(&self, random: &[u8; 32]) -> (String, String) {
        let id = match self.uuid {
            true => uuid(random),
            false => URL_SAFE_NO_PAD.encode(stretch(random, self.bytes)),
        };
        let token = match &self.signer {
            None => id.clone(),
            Some(signer) => signer.sign(&id),
        };
        (id, token)
    }

    fn max_len(&self) -> usize {
        let id = [self.bytes, DEFAULT_BYTES]
            .into_iter()
            .map(encoded_len)
            .fold(UUID_LEN, usize::max);
        match self.signer {
            None => id,
            Some(_) => id + 1 + SIGNATURE_LEN,
        }
    }
}

fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// Returns whether this is the one spelling of that many bytes.
fn is_base64(id: &[u8], bytes: usize) -> bool {
    let mut buffer = [0; MAX_BYTES + 2];
    id.len() == encoded_len(bytes) && URL_SAFE_NO_PAD.decode_slice(id, &mut buffer) == Ok(bytes)
}

/// Makes a UUID of version 4 (RFC 9562, section 5.4) from 122 of the random bits.
fn uuid(random: &[u8; 32]) -> String {
    let mut text = String::with_capacity(UUID_LEN);
    for (at, byte) in random.iter().take(16).enumerate() {
        let byte = match at {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
    }
    text
}

/// Returns whether this is Python's `str(uuid.uuid4())`.
fn is_uuid(id: &[u8]) -> bool {
    id.len() == UUID_LEN
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'4',
            19 => b"89ab".contains(byte),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Returns the first of the random bytes. If `len` exceeds their number, derives as many as needed
/// from all of them.
fn stretch(random: &[u8; 32], len: usize) -> Vec<u8> {
    let mut bytes = random.to_vec();
    let mut block = 0_u8;
    while bytes.len() < len {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(random) else {
            break;
        };
        mac.update(&[block]);
        if block == 0 {
            // Keeps every byte of the key out of the id.
            bytes.clear();
        }
        bytes.extend_from_slice(&mac.finalize().into_bytes());
        block += 1;
    }
    bytes.truncate(len);
    bytes
}
