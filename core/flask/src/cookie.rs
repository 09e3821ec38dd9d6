//! Flask's own session: the whole dict in the cookie, signed, not encrypted.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_core::{Envelope, Error, Stored, UnixTime, Write};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use std::io::Read;
use std::time::Duration;

use crate::Signer;

/// The maximum size of an inflated payload, and so of a written one. A payload that fits in a
/// cookie is rarely compressed to less than a tenth.
const MAX_INFLATED: usize = 65_536;

/// Does the same as `SecureCookieSessionInterface`. The records are in tagged JSON.
pub(crate) struct SignedCookie {
    pub(crate) signer: Signer,
    pub(crate) lifetime: Duration,
}

impl Envelope for SignedCookie {
    fn open(
        &self,
        _cookie: &str,
        presented: &[u8],
        now: UnixTime,
    ) -> Result<Option<Stored>, Error> {
        let Some((payload, signed_at)) = self.signer.unsign_at(presented) else {
            return Ok(None);
        };
        let signed_at = UnixTime::from_secs(signed_at);
        // Flask accepts the last second of the lifetime, and rejects signatures from the future.
        let last = signed_at + self.lifetime;
        if signed_at > now || now > last {
            return Ok(None);
        }
        let record = unpack(payload).ok_or(Error::Corrupt)?;
        let expires_at = last.max(now + Duration::from_secs(1));
        Ok(Some(Stored::new(record, expires_at, signed_at.as_secs())))
    }

    fn has_made(&self, _cookie: &str, presented: &[u8]) -> bool {
        self.signer.unsign_at(presented).is_some()
    }

    fn seal(
        &self,
        _cookie: &str,
        write: &Write,
        _random: &[u8; 32],
        now: UnixTime,
        // Its times have whole seconds, and Flask rejects one from the future.
        _newest: u64,
    ) -> Result<String, Error> {
        if write.bytes.len() > MAX_INFLATED {
            return Err(Error::TooLarge {
                what: "the session in its cookie is, before it is compressed,",
                limit: MAX_INFLATED,
            });
        }
        Ok(self.signer.sign_at(&pack(&write.bytes), now.as_secs()))
    }
}

fn unpack(payload: &[u8]) -> Option<Vec<u8>> {
    let Some(compressed) = payload.strip_prefix(b".") else {
        return URL_SAFE_NO_PAD.decode(payload).ok();
    };
    let compressed = URL_SAFE_NO_PAD.decode(compressed).ok()?;
    let (mut inflated, mut decoder) = (Vec::new(), ZlibDecoder::new(&compressed[..]));
    let mut capped = decoder.by_ref().take(MAX_INFLATED as u64 + 1);
    let len = capped.read_to_end(&mut inflated).ok()?;
    (len <= MAX_INFLATED).then_some(inflated)
}

/// Compresses as itsdangerous does: only if that saves more than one byte.
fn pack(record: &[u8]) -> String {
    let (mut compressed, mut encoder) =
        (Vec::new(), ZlibEncoder::new(record, Compression::default()));
    match encoder.read_to_end(&mut compressed) {
        Ok(len) if len + 1 < record.len() => format!(".{}", URL_SAFE_NO_PAD.encode(compressed)),
        _ => URL_SAFE_NO_PAD.encode(record),
    }
}

/// Flask's `NullSession`: reads are empty, and a write is an error that names the missing setting.
pub(crate) struct NoSessions {
    pub(crate) missing: &'static str,
}

impl NoSessions {
    fn unavailable<T>(&self) -> Result<T, Error> {
        Err(Error::Unavailable {
            missing: self.missing,
        })
    }
}

impl Envelope for NoSessions {
    fn open(&self, _: &str, _: &[u8], _: UnixTime) -> Result<Option<Stored>, Error> {
        Ok(None)
    }

    fn seal(&self, _: &str, _: &Write, _: &[u8; 32], _: UnixTime, _: u64) -> Result<String, Error> {
        self.unavailable()
    }

    fn check(&self) -> Result<(), Error> {
        self.unavailable()
    }
}
