//! The binding as the session keeps it, and the MACs that are made with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_core::{Error, UnixTime};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::jws::PublicKey;
use crate::mutant::{self, Broken};

/// The purpose of a MAC. One made for one purpose never serves another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// The challenge of an offer, before there is a key.
    Register,
    /// The challenge of a refresh.
    Refresh,
    /// The value of the bound cookie.
    Cookie,
    /// The identifier of a registration.
    Identifier,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Register => b"cloakroom dbsc register v1\0",
            Self::Refresh if mutant::is(Broken::OneLabel) => Self::Cookie.label(),
            Self::Refresh => b"cloakroom dbsc refresh v1\0",
            Self::Cookie => b"cloakroom dbsc cookie v1\0",
            Self::Identifier => b"cloakroom dbsc identifier v1\0",
        }
    }
}

/// How far the browser has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing has been registered.
    Offered,
    /// A key is registered. Its browser may not have got the answer.
    Registered(PublicKey),
    /// The browser has shown that it has the answer.
    Confirmed(PublicKey),
}

/// The binding of a session to a device.
pub(crate) struct Binding {
    pub(crate) id: [u8; ID_LEN],
    secret: Zeroizing<[u8; SECRET_LEN]>,
    pub(crate) stage: Stage,
    /// Keys that lost their place to another one, the last few. Their browsers may have got their
    /// end, so they must not come back. Empty once a key is confirmed.
    replaced: Vec<[u8; REPLACED_LEN]>,
}

/// The most keys that are remembered after they lost their place.
const MAX_REPLACED: usize = 4;
/// So many bytes of a key's x coordinate stand for the key.
const REPLACED_LEN: usize = 8;
const ID_LEN: usize = 16;
const SECRET_LEN: usize = 32;
const KEY_LEN: usize = 33;
const HEAD_LEN: usize = 2 + ID_LEN + SECRET_LEN;
const MAX_LEN: usize = HEAD_LEN + KEY_LEN + MAX_REPLACED * REPLACED_LEN;
const VERSION: u8 = 1;

/// An expiry, a nonce and a MAC.
const SEALED_LEN: usize = 8 + NONCE_LEN + 32;
pub(crate) const NONCE_LEN: usize = 16;

impl Binding {
    /// Makes a binding that waits for its key.
    pub(crate) fn new(id: [u8; ID_LEN], secret: [u8; SECRET_LEN]) -> Self {
        Self {
            id,
            secret: Zeroizing::new(secret),
            stage: Stage::Offered,
            replaced: Vec::new(),
        }
    }

    /// Reads a session's binding.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not in the one form that [`Binding::text`] writes.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        Self::parsed(text).ok_or(Error::Corrupt)
    }

    fn parsed(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; MAX_LEN + 1]);
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes[..]).ok()?;
        let (head, key) = bytes.get(..len)?.split_first_chunk::<HEAD_LEN>()?;
        let ([version, stage], rest) = head.split_first_chunk::<2>()?;
        let (id, secret) = rest.split_first_chunk::<ID_LEN>()?;
        let (key, replaced) = match key {
            [] => (None, &[][..]),
            key => {
                let (key, replaced) = key.split_first_chunk::<KEY_LEN>()?;
                let (replaced, []) = replaced.as_chunks::<REPLACED_LEN>() else {
                    return None;
                };
                (Some(PublicKey(*key)), replaced)
            }
        };
        let stage = match (*stage, key) {
            (0, None) => Stage::Offered,
            (1, Some(key)) => Stage::Registered(key),
            (2, Some(key)) if replaced.is_empty() => Stage::Confirmed(key),
            _ => return None,
        };
        (*version == VERSION).then_some(Self {
            id: *id,
            secret: Zeroizing::new(secret.try_into().ok()?),
            stage,
            replaced: replaced.to_vec(),
        })
    }

    /// Spells the binding for the session.
    pub(crate) fn text(&self) -> String {
        let stage = match self.stage {
            Stage::Offered => 0,
            Stage::Registered(_) => 1,
            Stage::Confirmed(_) => 2,
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN));
        bytes.extend_from_slice(&[VERSION, stage]);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.secret[..]);
        bytes.extend_from_slice(self.key_bytes());
        bytes.extend_from_slice(self.replaced.as_flattened());
        URL_SAFE_NO_PAD.encode(&bytes[..])
    }

    /// Takes a key. Returns false if another key is confirmed, or took this one's place before.
    pub(crate) fn register(&mut self, key: PublicKey) -> bool {
        let tag = |key: PublicKey| -> [u8; REPLACED_LEN] { std::array::from_fn(|n| key.0[n + 1]) };
        match self.stage {
            Stage::Registered(known) | Stage::Confirmed(known) if known == key => return true,
            Stage::Confirmed(_) if !mutant::is(Broken::ReplacesConfirmed) => return false,
            Stage::Registered(_) if mutant::is(Broken::KeepsFirstKey) => return false,
            _ if self.replaced.contains(&tag(key)) => return false,
            Stage::Registered(known) if !mutant::is(Broken::ForgetsReplaced) => {
                if self.replaced.len() == MAX_REPLACED {
                    self.replaced.remove(0);
                }
                self.replaced.push(tag(known));
            }
            _ => {}
        }
        self.stage = match mutant::is(Broken::ConfirmsAtRegistration) {
            true => Stage::Confirmed(key),
            false => Stage::Registered(key),
        };
        true
    }

    /// Notes that the browser of the registered key has its answer.
    pub(crate) fn confirm(&mut self, key: PublicKey) {
        self.stage = Stage::Confirmed(key);
        self.replaced.clear();
    }

    /// Returns the identifier that the browser of this key gets: 22 characters. None before there
    /// is a key.
    ///
    /// Each key has its own. A browser that gets two offers registers two keys, and the end of one
    /// must not be the end of the other.
    pub(crate) fn identifier(&self) -> Option<String> {
        self.key()?;
        let mac = self.mac(Purpose::Identifier, &[])?.finalize().into_bytes();
        Some(URL_SAFE_NO_PAD.encode(mac.first_chunk::<ID_LEN>()?))
    }

    pub(crate) fn key(&self) -> Option<PublicKey> {
        match self.stage {
            Stage::Offered => None,
            Stage::Registered(key) | Stage::Confirmed(key) => Some(key),
        }
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        matches!(self.stage, Stage::Confirmed(_))
    }

    /// Makes a text that [`Binding::open`] accepts for the same purpose, binding and key.
    pub(crate) fn seal(&self, purpose: Purpose, end: UnixTime, nonce: &[u8; NONCE_LEN]) -> String {
        let mut sealed = Vec::with_capacity(SEALED_LEN);
        sealed.extend_from_slice(&end.as_secs().to_be_bytes());
        sealed.extend_from_slice(nonce);
        let Some(mac) = self.mac(purpose, &sealed) else {
            return String::new();
        };
        sealed.extend_from_slice(&mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Returns the end of a text's life, if this binding sealed it for this purpose. Compares in
    /// constant time.
    pub(crate) fn open(&self, purpose: Purpose, text: &[u8]) -> Option<UnixTime> {
        let mut sealed = [0; SEALED_LEN + 1];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut sealed).ok()?;
        let sealed: &[u8; SEALED_LEN] = sealed.get(..len)?.try_into().ok()?;
        let (end, _) = sealed.split_first_chunk::<8>()?;
        let (body, mac) = sealed.split_last_chunk::<32>()?;
        let is_challenge = matches!(purpose, Purpose::Register | Purpose::Refresh);
        if !is_challenge || !mutant::is(Broken::TakesOthersChallenges) {
            self.mac(purpose, body)?.verify_slice(mac).ok()?;
        }
        Some(UnixTime::from_secs(u64::from_be_bytes(*end)))
    }

    fn mac(&self, purpose: Purpose, body: &[u8]) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of every length, so this cannot fail.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret[..]).ok()?;
        mac.update(purpose.label());
        mac.update(&self.id);
        mac.update(body);
        let has_key = match purpose {
            // An offer's challenge is valid for whatever key is registered with it.
            Purpose::Register => false,
            Purpose::Refresh => true,
            Purpose::Cookie => !mutant::is(Broken::CookieWithoutKey),
            Purpose::Identifier => !mutant::is(Broken::IdentifierWithoutKey),
        };
        if has_key {
            mac.update(self.key_bytes());
        }
        Some(mac)
    }

    fn key_bytes(&self) -> &[u8] {
        match &self.stage {
            Stage::Offered => &[],
            Stage::Registered(key) | Stage::Confirmed(key) => &key.0,
        }
    }
}
