//! A reader of sealed records that shares no code with core: its own HKDF, and CBOR by a library.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ciborium::Value;
use cloakroom_core::Key;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The sealed part of a record.
pub(crate) struct Opened {
    pub(crate) seed: Vec<u8>,
    values: Vec<(String, Vec<u8>)>,
}

impl Opened {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.values.iter().map(|(name, _)| &**name).collect()
    }

    pub(crate) fn value(&self, wanted: &str) -> Option<Vec<u8>> {
        let mut values = self.values.iter();
        Some(values.find(|(name, _)| name == wanted)?.1.clone())
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key);
    let mut mac = mac.expect("every length is a key");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// HKDF-SHA256 of RFC 5869, section 2, for 32 bytes and without a salt.
pub(crate) fn secret(token: &str, key: &Key) -> [u8; 32] {
    let extracted = mac(&[0; 32], token.as_bytes());
    let info = [b"cloakroom sealed values v1\0", key.as_bytes(), &[1]].concat();
    mac(&extracted, &info)
}

fn fields(record: &[u8]) -> Vec<Value> {
    let record: Value = ciborium::from_reader(record).expect("a record is CBOR");
    record.into_array().expect("a record is an array")
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_bytes().expect("a byte string").clone()
}

pub(crate) fn nonce(record: &[u8]) -> Vec<u8> {
    bytes(&fields(record)[8])
}

pub(crate) fn text(record: &[u8]) -> Vec<u8> {
    bytes(&fields(record)[9])
}

pub(crate) fn open(record: &[u8], secret: &[u8; 32]) -> Option<Opened> {
    let (nonce, text) = (nonce(record), text(record));
    // A header of two bytes precedes the nonce; the text's is as long as its length needs.
    let header = match text.len() {
        0..24 => 1,
        24..256 => 2,
        _ => 3,
    };
    let head = record.len() - text.len() - header - nonce.len() - 2;
    let payload = Payload {
        msg: &text,
        aad: &record[..head],
    };
    let nonce: [u8; 24] = nonce.try_into().expect("24 bytes");
    let cipher = XChaCha20Poly1305::new(secret.into());
    let opened = cipher.decrypt(&XNonce::from(nonce), payload).ok()?;
    let mut rest = &opened[..];
    let mut next = || ciborium::from_reader::<Value, _>(&mut rest).expect("CBOR");
    let (seed, values) = (next(), next());
    assert!(rest.is_empty());
    let values = values.into_map().expect("names and values");
    let values = values.into_iter().map(|(name, value)| {
        let name = name.into_text().expect("a name");
        (name, value.into_bytes().expect("a value"))
    });
    Some(Opened {
        seed: bytes(&seed),
        values: values.collect(),
    })
}
