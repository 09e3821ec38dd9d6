//! The browser's signed answer to a challenge: a JWS in its compact form (RFC 7515), ES256 only.

mod unique;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};

use self::unique::Json;

/// The longest JWS that is looked at, in characters. Chromium's have some 500.
pub(crate) const MAX_LEN: usize = 2_048;
/// The longest signing input that is decoded, per part, in characters.
const MAX_PART: usize = 1_024;
/// A signature of 64 bytes in base64url.
const SIGNATURE_LEN: usize = 86;

/// A compressed point on P-256 (SEC 1, section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey(pub(crate) [u8; 33]);

/// A well-formed JWS, whose signature has not been checked.
#[derive(Debug)]
pub(crate) struct Jws<'a> {
    /// The part that is signed.
    signed: &'a str,
    signature: Signature,
    /// The key in its header. Only a registration has one.
    pub(crate) jwk: Option<PublicKey>,
    /// The challenge that it answers.
    pub(crate) challenge: String,
}

impl<'a> Jws<'a> {
    /// Parses a header's value. Takes it with and without the quotes of a structured field's
    /// string.
    ///
    /// Returns `None` for everything that is not exactly what the protocol sends: another algorithm
    /// or type, `crit`, a private key, a point that is not on the curve, repeated names, padding,
    /// trailing bits, more bytes than the bounds.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let unquoted = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let text = unquoted.unwrap_or(text);
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if signature.len() != SIGNATURE_LEN {
            return None;
        }
        let mut bytes = [0; 64];
        let decoded = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes).ok()?;
        let signature = Signature::from_slice(bytes.get(..decoded)?).ok()?;

        let header = object(header)?;
        let is = |name: &str, value: &str| header.text(name) == Some(value);
        if !is("typ", "dbsc+jwt") || !is("alg", "ES256") || header.get("crit").is_some() {
            return None;
        }
        let jwk = match header.get("jwk") {
            None => None,
            Some(jwk) => Some(PublicKey::of_jwk(jwk)?),
        };
        let challenge = object(payload)?.text("jti")?.to_owned();
        Some(Self {
            signed,
            signature,
            jwk,
            challenge,
        })
    }

    /// Returns whether the holder of this key signed it.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        #[cfg(test)]
        if let Some(is) = crate::schedules::pen::is_signed(key, self.signed, &self.signature) {
            return is;
        }
        let Ok(key) = VerifyingKey::from_sec1_bytes(&key.0) else {
            return false;
        };
        key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}

impl PublicKey {
    /// Reads a public key of the one kind that ES256 uses (RFC 7518, section 6.2).
    fn of_jwk(jwk: &Json) -> Option<Self> {
        let is = |name: &str, value: &str| jwk.text(name) == Some(value);
        let is_or_absent = |name: &str, value: &str| jwk.get(name).is_none() || is(name, value);
        // A private key in a request is known to others than the device.
        let fits = is("kty", "EC")
            && is("crv", "P-256")
            && is_or_absent("alg", "ES256")
            && is_or_absent("use", "sig")
            && jwk.get("d").is_none();
        if !fits {
            return None;
        }
        let (x, y) = (coordinate(jwk.text("x")?)?, coordinate(jwk.text("y")?)?);
        // Only a point on the curve is a key.
        let key = VerifyingKey::from_sec1_bytes(&[&[4], &x[..], &y].concat()).ok()?;
        let compressed = key.to_sec1_point(true);
        Some(Self(compressed.as_bytes().try_into().ok()?))
    }
}

/// Decodes 32 bytes from their one spelling.
fn coordinate(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let canonical = text.len() == 43;
    let decoded = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (canonical && decoded == bytes.len()).then_some(bytes)
}

fn object(part: &str) -> Option<Json> {
    if part.len() > MAX_PART {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    let json: Json = serde_json::from_slice(&bytes).ok()?;
    matches!(json, Json::Object(_)).then_some(json)
}
