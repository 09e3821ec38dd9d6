//! Encrypted sessions in the cookie itself, for applications that have no store, or want none for
//! sessions that hold little.
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
//! let Commit::Mint(mint) = exchange.finish(now) else {
//!     panic!()
//! };
//! let Commit::Done(outcome) = mint.with([9; 64])? else {
//!     panic!()
//! };
//! let Directive::Issue(issued) = outcome.directive else {
//!     panic!()
//! };
//!
//! // The next request brings the whole session along.
//! let mut exchange =
//!     Exchange::open(&config, [issued.token.expose().as_bytes()], now);
//! assert_eq!(
//!     exchange.session()?.get::<String>("theme")?.as_deref(),
//!     Some("dark")
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - The client can neither read nor change what is in the cookie. It cannot move it to a cookie of
//!   another name, nor keep it beyond its expiry. XChaCha20-Poly1305 authenticates the cookie
//!   before anything of it is decoded. There is one algorithm, and no fallback.
//! - The first key seals, and all keys open. To rotate, put a new key in front, and remove the last
//!   one when the absolute timeout has passed.
//! - [`Sealed::epoch`] ends all sessions at once.
//! - Each sealing has its own nonce of 192 random bits.
//! - Of several cookies of one name the newest counts, and a sign-out outranks all of them. After a
//!   change of Domain, Path or Partitioned, name the old scope:
//!   [`former_scope`](cloakroom_core::ConfigBuilder::former_scope).
//! - A session that would make the cookie larger than the 4,096 bytes that browsers accept is an
//!   error. The client keeps its earlier session.
//!
//! # What cannot hold without a store
//!
//! - **The server cannot end a single session.** A sign-out deletes the cookie in the browser, but
//!   a copy of it works until it expires. So keep the timeouts short, and keep little in the
//!   session that makes a copy valuable.
//! - **Of concurrent requests the last response wins.** There is no compare-and-swap. If two
//!   requests change different values, one change is lost, and so are increments.
//! - **Sessions cannot be listed or counted**, and an old copy can be presented again. Do not store
//!   anything that must be used only once.
//!
//! Where one of these matters, use a store.

#[cfg(doc)]
use cloakroom_core::Config;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use cloakroom_core::{ConfigError, Envelope, Error, Stored, UnixTime, Write};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// A sealed session is valid for this purpose and in this version only.
const PURPOSE: &[u8] = b"cloakroom sealed session v2\0";
const NONCE_LEN: usize = 24;
/// Epoch, expiry and time of sealing, which precede the record.
const HEAD_LEN: usize = 24;

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
    /// Makes a key from these bytes. Use random ones, not a passphrase.
    ///
    /// ```
    /// # use cloakroom_sealed::SealingKey;
    /// let key = SealingKey::new([7; 32]);
    /// ```
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a key from settings: 43 characters of unpadded base64url. Returns `None` for anything
    /// else. To get the reason, parse it (`text.parse()`).
    ///
    /// ```
    /// # use cloakroom_sealed::SealingKey;
    /// assert!(
    ///     SealingKey::from_base64("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc")
    ///         .is_some()
    /// );
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

/// Takes a key from a setting or an environment variable.
///
/// ```
/// use cloakroom_sealed::SealingKey;
///
/// let key: SealingKey = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc".parse()?;
/// let quoted = "\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\"";
/// let error = quoted.parse::<SealingKey>().unwrap_err();
/// assert!(error.to_string().contains("is in quotes"));
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
impl FromStr for SealingKey {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FIELD: &str = "sealing_key";
        ConfigError::check_text(FIELD, text)?;
        Self::from_base64(text).ok_or(ConfigError::new(
            FIELD,
            "must be 43 characters of base64url without padding, which are 32 random bytes",
        ))
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
/// let config = Config::builder()
///     .envelope(Sealed::new(newest).older_keys([older]).epoch(3))
///     .build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The first one seals.
    keys: Vec<SealingKey>,
    epoch: u64,
}

impl Sealed {
    /// Makes an envelope that seals and opens with this key.
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

    /// Opens cookies of these older keys too. New cookies are sealed with the first key.
    ///
    /// ```
    /// # use cloakroom_sealed::{Sealed, SealingKey};
    /// let sealed = Sealed::new(SealingKey::new([1; 32]))
    ///     .older_keys([SealingKey::new([2; 32])]);
    /// ```
    #[must_use]
    pub fn older_keys(mut self, keys: impl IntoIterator<Item = SealingKey>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Rejects what was sealed in an earlier epoch: raise it to end all sessions. Default: 0.
    /// Accepts what a node with a later epoch sealed, so that nodes can be updated one after
    /// another.
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

    /// Decrypts what one of the keys sealed for this cookie.
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

/// Returns what must be the same when it is opened: purpose, version, and the cookie's name.
fn associated(cookie: &str) -> Vec<u8> {
    [PURPOSE, cookie.as_bytes()].concat()
}

impl Envelope for Sealed {
    fn open(
        &self,
        cookie: &str,
        presented: &[u8],
        _now: UnixTime,
    ) -> Result<Option<Stored>, Error> {
        let Some(opened) = self.decrypt(cookie, presented) else {
            return Ok(None);
        };
        let number = |from: usize| {
            let bytes = opened.get(from..from + 8)?.try_into().ok()?;
            Some(u64::from_be_bytes(bytes))
        };
        let (Some(epoch), Some(expires_at), Some(sealed_at)) = (number(0), number(8), number(16))
        else {
            return Err(Error::Corrupt);
        };
        if epoch < self.epoch {
            return Ok(None);
        }
        // The machine compares the expiry: an expired value still outranks older ones.
        let expires_at = UnixTime::from_secs(expires_at);
        let record = opened.get(HEAD_LEN..).unwrap_or_default().to_vec();
        Ok(Some(Stored::new(record, expires_at, sealed_at)))
    }

    fn has_made(&self, cookie: &str, presented: &[u8]) -> bool {
        self.decrypt(cookie, presented).is_some()
    }

    fn seal(
        &self,
        cookie: &str,
        write: &Write,
        random: &[u8; 32],
        now: UnixTime,
        newest: u64,
    ) -> Result<String, Error> {
        let (Some(key), Some(nonce)) = (self.keys.first(), random.first_chunk::<NONCE_LEN>())
        else {
            return Err(Error::ProtocolMisuse);
        };
        let mut plain = Zeroizing::new(Vec::with_capacity(HEAD_LEN + write.bytes.len()));
        plain.extend_from_slice(&self.epoch.to_be_bytes());
        plain.extend_from_slice(&write.expires_at.as_secs().to_be_bytes());
        // Newer than all that the client has, also within one second.
        let sealed_at = now.as_secs().max(newest.saturating_add(1));
        plain.extend_from_slice(&sealed_at.to_be_bytes());
        plain.extend_from_slice(&write.bytes);
        let aad = associated(cookie);
        let payload = Payload {
            msg: &plain,
            aad: &aad,
        };
        // Fails only for more bytes than fit in memory.
        let sealed = key.cipher().encrypt(&XNonce::from(*nonce), payload);
        let sealed = sealed.map_err(|_| Error::ProtocolMisuse)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }
}
