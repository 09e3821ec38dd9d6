//! Keys whose signatures cost one hash. P-256 takes milliseconds in a debug build, and thousands of
//! schedules cannot wait for it. The tests of the JWS have the real signatures.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::Signature;
use sha2::{Digest, Sha256};

use crate::client::Device;
use crate::jws::{Jws, PublicKey};

pub(crate) struct Pen {
    jwk: String,
    key: PublicKey,
}

/// The first is the thief's.
pub(super) static PENS: LazyLock<Vec<Pen>> = LazyLock::new(|| (1..=16).map(Pen::new).collect());

impl Pen {
    fn new(seed: u8) -> Self {
        let device = Device::new(seed);
        let jws = device.registration("any");
        let key = Jws::parse(jws.as_bytes()).and_then(|jws| jws.jwk);
        Self {
            jwk: device.jwk(),
            key: key.expect("a registration"),
        }
    }

    pub(super) fn registration(&self, challenge: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","jwk":{},"typ":"dbsc+jwt"}}"#, self.jwk);
        self.sign(&header, challenge)
    }

    pub(super) fn refresh(&self, challenge: &str) -> String {
        self.sign(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, challenge)
    }

    fn sign(&self, header: &str, challenge: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let payload = format!(r#"{{"jti":"{challenge}"}}"#);
        let signed = format!("{}.{}", part(header), part(&payload));
        let signature = signature(&self.key, &signed);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Half a hash, and the number one: in the form of a signature, and never one of P-256.
fn signature(key: &PublicKey, signed: &str) -> [u8; 64] {
    let hash = Sha256::new()
        .chain_update(key.0)
        .chain_update(signed)
        .finalize();
    let mut signature = [0; 64];
    signature[1..32].copy_from_slice(&hash[..31]);
    signature[63] = 1;
    signature
}

/// Returns whether the holder of this key signed it with a pen. `None` for other signatures.
pub(crate) fn is_signed(key: &PublicKey, signed: &str, with: &Signature) -> Option<bool> {
    let with = with.to_bytes();
    let is_pen = with[32..63].iter().all(|byte| *byte == 0) && with[63] == 1;
    is_pen.then(|| with[..] == signature(key, signed)[..])
}
