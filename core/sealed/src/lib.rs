//! Sessions in the cookie itself, encrypted: for applications that have no store, or want none for sessions that hold little.
//!
//! ```
//! use cloakroom_core::{Commit, Config, Directive, Exchange, UnixTime};
//! use cloakroom_sealed::{Sealed, SealingKey};
//!
//! let key = SealingKey::new([7; 32]); // 32 random bytes from your settings
//! let config = Config::builder().envelope(Sealed::new(key)).build()?;
//! let now = UnixTime::from_secs(1_700_000_000);
//!
//! let mut exchange = Exchange::open(&config, [], now);
//! exchange.session()?.insert("theme", "dark")?;
//! let Commit::Mint(mint) = exchange.finish(now) else { panic!() };
//! let Commit::Done(outcome) = mint.with([9; 64])? else { panic!() };
//! let Directive::Issue(issued) = outcome.directive else { panic!() };
//!
//! // The next request brings the whole session along.
//! let mut exchange = Exchange::open(&config, [issued.token.expose().as_bytes()], now);
//! assert_eq!(exchange.session()?.get::<String>("theme")?.as_deref(), Some("dark"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - The client can neither read nor change what is in the cookie, nor move it to a cookie of another name, nor keep it beyond its
//!   expiry: XChaCha20-Poly1305, authenticated before anything of it is decoded. There is one algorithm, and no fallback.
//! - The first key seals, all open: put a new key in front, and take the last one away when the absolute timeout has passed.
//! - [`Sealed::epoch`] ends all sessions at once.
//! - Each sealing has a nonce of 192 random bits, drawn for it alone.
//! - A session that would make the cookie larger than the 4,096 bytes that browsers accept is an error, and the client keeps what it
//!   had.
//!
//! # What cannot hold without a store
//!
//! - **No single session can be ended from the server's side.** A sign-out tells the browser to forget the cookie; a copy of it
//!   works until it expires. So keep the timeouts short, and what a copy would be worth small.
//! - **Of concurrent requests the last response wins.** Two requests that change different values do not both survive, and
//!   increments are lost: nobody compares what was there.
//! - **Sessions cannot be listed or counted**, and an old copy can be presented again: do not keep in it what must be used
//!   only once.
//!
//! Where one of these matters, use a store.

#[cfg(doc)]
use cloakroom_core::Config;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use cloakroom_core::{Envelope, Error, Stored, UnixTime, Write};
use std::fmt;
use zeroize::Zeroizing;

/// What is sealed is good for this purpose and in this version only.
const PURPOSE: &[u8] = b"cloakroom sealed session v1\0";
const NONCE_LEN: usize = 24;
/// Epoch and expiry, in front of the record.
const HEAD_LEN: usize = 16;

/// A key of 256 bits. Wiped when dropped; `Debug` does not show it.
///
/// ```
/// use cloakroom_sealed::SealingKey;
///
/// assert_eq!(format!("{:?}", SealingKey::new([7; 32])), "SealingKey(..)");
/// ```
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// A key of these bytes: random ones, not a passphrase.
    ///
    /// ```
    /// # use cloakroom_sealed::SealingKey;
    /// let key = SealingKey::new([7; 32]);
    /// ```
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key as settings have it: 43 characters of unpadded base64url. `None` if it is anything else.
    ///
    /// ```
    /// # use cloakroom_sealed::SealingKey;
    /// assert!(SealingKey::from_base64("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc").is_some());
    /// assert!(SealingKey::from_base64("correct horse battery staple").is_none());
    /// ```
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        let decoded = URL_SAFE_NO_PAD.decode_slice(text, &mut key[..]).ok()?;
        (decoded == key.len()).then_some(Self(key))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// Seals sessions into cookies: an [`Envelope`] for [`Config`]'s builder.
///
/// ```
/// use cloakroom_core::Config;
/// use cloakroom_sealed::{Sealed, SealingKey};
///
/// let (newest, older) = (SealingKey::new([1; 32]), SealingKey::new([2; 32]));
/// let config = Config::builder().envelope(Sealed::new(newest).older_keys([older]).epoch(3)).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The first one seals.
    keys: Vec<SealingKey>,
    epoch: u64,
}

impl Sealed {
    /// Seals and opens with this key.
    ///
    /// ```
    /// # use cloakroom_sealed::{Sealed, SealingKey};
    /// let sealed = Sealed::new(SealingKey::new([7; 32]));
    /// ```
    #[must_use]
    pub fn new(key: SealingKey) -> Self {
        Self {
            keys: vec![key],
            epoch: 0,
        }
    }

    /// Also opens what these keys sealed; whatever is sealed anew is sealed with the first.
    ///
    /// ```
    /// # use cloakroom_sealed::{Sealed, SealingKey};
    /// let sealed = Sealed::new(SealingKey::new([1; 32])).older_keys([SealingKey::new([2; 32])]);
    /// ```
    #[must_use]
    pub fn older_keys(mut self, keys: impl IntoIterator<Item = SealingKey>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Refuses what was sealed in an earlier epoch: raise it to end all sessions. Default 0. What a node with a later epoch sealed
    /// is opened, so that nodes can be updated one after another.
    ///
    /// ```
    /// # use cloakroom_sealed::{Sealed, SealingKey};
    /// let sealed = Sealed::new(SealingKey::new([7; 32])).epoch(4);
    /// ```
    #[must_use]
    pub fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// What was sealed, if one of the keys did, for this cookie.
    fn decrypt(&self, cookie: &str, presented: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = URL_SAFE_NO_PAD.decode(presented).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let (nonce, aad) = (XNonce::from(*nonce), associated(cookie));
        self.keys.iter().find_map(|key| {
            let payload = Payload {
                msg: sealed,
                aad: &aad,
            };
            let opened = key.cipher().decrypt(&nonce, payload).ok()?;
            Some(Zeroizing::new(opened))
        })
    }
}

/// What must be the same when it is opened: purpose, version, and the cookie's name.
fn associated(cookie: &str) -> Vec<u8> {
    [PURPOSE, cookie.as_bytes()].concat()
}

impl Envelope for Sealed {
    fn open(&self, cookie: &str, presented: &[u8], now: UnixTime) -> Result<Option<Stored>, Error> {
        let Some(opened) = self.decrypt(cookie, presented) else {
            return Ok(None);
        };
        let number = |from: usize| {
            let bytes = opened.get(from..from + 8)?.try_into().ok()?;
            Some(u64::from_be_bytes(bytes))
        };
        let (Some(epoch), Some(expires_at)) = (number(0), number(8)) else {
            return Err(Error::Corrupt);
        };
        let expires_at = UnixTime::from_secs(expires_at);
        if epoch < self.epoch || now >= expires_at {
            return Ok(None);
        }
        let record = opened.get(HEAD_LEN..).unwrap_or_default().to_vec();
        Ok(Some(Stored::new(record, expires_at, 0)))
    }

    fn seal(
        &self,
        cookie: &str,
        write: &Write,
        random: &[u8; 32],
        _now: UnixTime,
    ) -> Result<String, Error> {
        let (Some(key), Some(nonce)) = (self.keys.first(), random.first_chunk::<NONCE_LEN>())
        else {
            return Err(Error::Misuse);
        };
        let mut plain = Zeroizing::new(Vec::with_capacity(HEAD_LEN + write.bytes.len()));
        plain.extend_from_slice(&self.epoch.to_be_bytes());
        plain.extend_from_slice(&write.expires_at.as_secs().to_be_bytes());
        plain.extend_from_slice(&write.bytes);
        let aad = associated(cookie);
        let payload = Payload {
            msg: &plain,
            aad: &aad,
        };
        // Only for more bytes than fit in memory.
        let sealed = key.cipher().encrypt(&XNonce::from(*nonce), payload);
        let sealed = sealed.map_err(|_| Error::Misuse)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }
}
