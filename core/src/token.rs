use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Key;
use crate::config::ConfigError;
use crate::shared::Shared;

/// The secret that a client presents. `Debug` never shows it, and it has no `Display`.
///
/// ```
/// use cloakroom_core::{Commit, Config, Directive, Exchange, UnixTime};
///
/// let mut exchange =
///     Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
/// exchange.session()?.insert("n", 1)?;
/// let Commit::Mint(mint) = exchange.finish(UnixTime::from_secs(0)) else {
///     panic!()
/// };
/// let Commit::Create(create) = mint.with([7; 64])? else {
///     panic!()
/// };
/// let Commit::Done(outcome) =
///     create.then(cloakroom_core::Created::Stored, UnixTime::from_secs(0))?
/// else {
///     panic!()
/// };
/// let Directive::Issue(issued) = outcome.directive else {
///     panic!()
/// };
/// assert_eq!(issued.token.expose().len(), 43);
/// assert_eq!(format!("{:?}", issued.token), "Token(..)");
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token(SmallVec<[u8; 88]>);

impl Token {
    pub(crate) fn of(text: &[u8]) -> Self {
        Self(SmallVec::from_slice(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the token's text. Give it to the client only.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn to_client(issued: &Issued) -> &str {
    ///     issued.token.expose()
    /// }
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        // Only `mint` makes tokens, and only from ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// How tokens are made and recognised.
///
/// ```
/// use cloakroom_core::{Config, TokenFormat};
///
/// let config = Config::builder().token_format(TokenFormat::UuidV4).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenFormat {
    /// 256 random bits as 43 characters of canonical, unpadded base64url. OWASP ASVS 5.0, 7.2.3
    /// requires 128.
    #[default]
    Random256,
    /// A version 4 UUID, lower case with hyphens: 122 random bits, for systems that insist on the
    /// format.
    UuidV4,
}

/// How a store's key is made from a token.
///
/// ```
/// use cloakroom_core::{Config, KeyFormat};
///
/// let config = Config::builder().key_format(KeyFormat::Plain).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyFormat {
    /// The prefix and the token's SHA-256. Someone who can read the store still cannot present a
    /// session (CVE-2019-16782).
    #[default]
    Sha256,
    /// The prefix and the token itself. Only for sharing sessions with systems that do so.
    Plain,
}

/// Another way to make and recognise tokens than this library's own, for sharing sessions with
/// another system. Set one with
/// [`ConfigBuilder::token_scheme`](crate::ConfigBuilder::token_scheme).
///
/// A scheme must give each token exactly one spelling. Its tokens must be as hard to guess as 128
/// random bits.
///
/// ```
/// use cloakroom_core::{Config, TokenScheme};
/// use std::borrow::Cow;
///
/// /// 64 hexadecimal digits.
/// struct Hex;
///
/// impl TokenScheme for Hex {
///     fn is_well_formed(&self, presented: &[u8]) -> bool {
///         presented.len() == 64
///             && presented
///                 .iter()
///                 .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
///     }
///     fn id<'t>(&self, presented: &'t [u8]) -> Option<Cow<'t, [u8]>> {
///         self.is_well_formed(presented).then_some(presented.into())
///     }
///     fn mint(&self, random: &[u8; 32]) -> (String, String) {
///         let id: String =
///             random.iter().map(|byte| format!("{byte:02x}")).collect();
///         (id.clone(), id)
///     }
///     fn max_len(&self) -> usize {
///         64
///     }
/// }
///
/// let config = Config::builder().token_scheme(Hex).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
pub trait TokenScheme: Send + Sync + 'static {
    /// Returns whether these bytes have the form of a token. Must be cheap: it runs on whatever a
    /// client presents.
    fn is_well_formed(&self, presented: &[u8]) -> bool;

    /// Returns what finds a token's record, or `None` if the token is not genuine. It is a part of
    /// the token, or what the token encrypts.
    fn id<'t>(&self, presented: &'t [u8]) -> Option<Cow<'t, [u8]>>;

    /// Makes a new id, and the token that carries it, from random bytes. Both are visible ASCII
    /// without `;`, `,`, `"` and backslash.
    fn mint(&self, random: &[u8; 32]) -> (String, String);

    /// Returns the length of the longest token.
    fn max_len(&self) -> usize;
}

/// A secret that signs tokens (HMAC-SHA256), so that forged ones never reach the store. Wiped when
/// dropped.
///
/// ```
/// use cloakroom_core::{Config, SigningKey};
///
/// let newest = SigningKey::new([1; 32]).unwrap();
/// let older = SigningKey::new([2; 32]).unwrap();
/// let config = Config::builder().signing_keys([newest, older]).build()?;
/// assert!(SigningKey::new([0; 31]).is_none());
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl SigningKey {
    /// The minimum length of a key, in bytes.
    pub const MIN_LEN: usize = 32;

    /// Makes a key from random bytes. Returns `None` if they are fewer than
    /// [`SigningKey::MIN_LEN`].
    ///
    /// Also returns `None` for a text with quotes or white space around it. To take a key from
    /// text, parse it (`text.parse()`): the error has the reason.
    ///
    /// ```
    /// # use cloakroom_core::SigningKey;
    /// assert!(SigningKey::new("too short").is_none());
    /// ```
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Option<Self> {
        let secret = secret.as_ref();
        Some(Self::unchecked(secret)).filter(|key| key.problem().is_none())
    }

    pub(crate) fn unchecked(secret: &[u8]) -> Self {
        Self(Zeroizing::new(secret.to_vec()))
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Returns the key's fault and the remedy.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.0.len() < Self::MIN_LEN {
            return Some("must be a list of texts of at least 32 bytes each; use random ones");
        }
        crate::config::text::problem_of_bytes(&self.0)
    }

    fn mac(&self, id: &[u8]) -> [u8; 32] {
        // HMAC takes keys of every length, so this cannot fail. If it did, the MAC would match
        // nothing.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return [0; 32];
        };
        mac.update(b"cloakroom token v1\0");
        mac.update(id);
        mac.finalize().into_bytes().into()
    }
}

/// Takes a key from a setting or an environment variable.
///
/// ```
/// use cloakroom_core::SigningKey;
///
/// let key: SigningKey = "wWbXm2oSLk0Zr5q1vZ0c1fJ8qk3n9dTz".parse()?;
/// let quoted = "\"wWbXm2oSLk0Zr5q1vZ0c1fJ8qk3n9dTz\"".parse::<SigningKey>();
/// assert!(quoted.unwrap_err().to_string().contains("is in quotes"));
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
impl FromStr for SigningKey {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let key = Self::unchecked(text.as_bytes());
        match key.problem() {
            Some(problem) => Err(ConfigError::new("signing_keys", problem)),
            None => Ok(key),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The part of the configuration that tokens need.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenRules {
    pub(crate) format: TokenFormat,
    pub(crate) key_format: KeyFormat,
    pub(crate) prefix: Box<str>,
    pub(crate) signing_keys: Vec<SigningKey>,
    pub(crate) scheme: Option<Shared<dyn TokenScheme>>,
}

const MAC_LEN: usize = 43;

impl TokenRules {
    /// Returns the length of a whole token, in bytes.
    pub(crate) fn token_len(&self) -> usize {
        if let Some(scheme) = &self.scheme {
            return scheme.0.max_len();
        }
        self.id_len()
            + if self.signing_keys.is_empty() {
                0
            } else {
                1 + MAC_LEN
            }
    }

    fn id_len(&self) -> usize {
        match self.format {
            TokenFormat::Random256 => 43,
            TokenFormat::UuidV4 => 36,
        }
    }

    /// Makes a token from this randomness, and its key. Uses only the first 122 or 256 bits.
    pub(crate) fn mint(&self, random: &[u8; 32]) -> Option<(Token, Key)> {
        if let Some(scheme) = &self.scheme {
            let (id, token) = scheme.0.mint(random);
            let key = self.key_of(id.as_bytes())?;
            return Some((Token::of(token.as_bytes()), key));
        }
        let mut text = SmallVec::<[u8; 88]>::new();
        match self.format {
            TokenFormat::Random256 => text.extend_from_slice(&base64url(random)),
            TokenFormat::UuidV4 => {
                let bytes = std::array::from_fn(|n| random[n]);
                let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
                let mut buffer = uuid::Uuid::encode_buffer();
                text.extend_from_slice(uuid.hyphenated().encode_lower(&mut buffer).as_bytes());
            }
        }
        let key = self.key_of(&text)?;
        if let Some(key) = self.signing_keys.first() {
            let mac = key.mac(&text);
            text.push(b'.');
            text.extend_from_slice(&base64url(&mac));
        }
        Some((Token(text), key))
    }

    /// Returns whether what a client presented has the one spelling of a token. Cheap: it hashes
    /// nothing.
    pub(crate) fn is_well_formed(&self, presented: &[u8]) -> bool {
        if let Some(scheme) = &self.scheme {
            return scheme.0.is_well_formed(presented);
        }
        let Some((id, mac)) = presented.split_at_checked(self.id_len()) else {
            return false;
        };
        let well_formed = match self.format {
            TokenFormat::Random256 => is_canonical(id),
            TokenFormat::UuidV4 => is_uuid_v4(id),
        };
        well_formed
            && match (mac.split_first(), self.signing_keys.is_empty()) {
                (None, unsigned) => unsigned,
                (Some((dot, mac)), unsigned) => !unsigned && *dot == b'.' && is_canonical(mac),
            }
    }

    /// Returns the secret id in a well-formed token, or `None` if none of the signing keys signed
    /// it.
    pub(crate) fn id<'t>(&self, presented: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        if let Some(scheme) = &self.scheme {
            return scheme.0.id(presented);
        }
        let (id, mac) = presented.split_at_checked(self.id_len())?;
        if !self.signing_keys.is_empty() {
            let mac = decode_32(mac.split_first()?.1)?;
            // Every key is tried, so that the time does not reveal which one fits.
            let mut genuine = subtle::Choice::from(0);
            for key in &self.signing_keys {
                genuine |= key.mac(id).ct_eq(&mac);
            }
            if !bool::from(genuine) {
                return None;
            }
        }
        Some(id.into())
    }

    /// Returns the store's key of the token with this id.
    pub(crate) fn key_of(&self, id: &[u8]) -> Option<Key> {
        let (digest, id) = match self.key_format {
            KeyFormat::Sha256 => (base64url(&Sha256::digest(id).into()), None),
            KeyFormat::Plain => ([0; MAC_LEN], Some(id)),
        };
        let id = id.unwrap_or(&digest);
        Key::join(&self.prefix, id)
    }

    /// Returns whether these rules make this key. A key of another prefix is rejected, even if that
    /// prefix begins with this one.
    pub(crate) fn made(&self, key: &Key) -> bool {
        let (key, whole) = (key.as_bytes(), self.key_len());
        let of_any_length = self.scheme.is_some() && self.key_format == KeyFormat::Plain;
        key.starts_with(self.prefix.as_bytes())
            && (key.len() == whole || of_any_length && key.len() < whole)
    }

    /// Returns the length of the keys (of a scheme: of the longest ones), in bytes.
    pub(crate) fn key_len(&self) -> usize {
        let rest = match self.key_format {
            KeyFormat::Sha256 => 43,
            KeyFormat::Plain => match &self.scheme {
                None => self.id_len(),
                Some(scheme) => scheme.0.max_len(),
            },
        };
        self.prefix.len() + rest
    }
}

/// Encodes 32 bytes as unpadded base64url (RFC 4648, section 5). Written by hand, because every
/// request that has a session needs it.
fn base64url(bytes: &[u8; 32]) -> [u8; MAC_LEN] {
    let digit = |bits: u32| BASE64URL[(bits & 63) as usize];
    let mut text = [0; MAC_LEN];
    let (groups, rest) = bytes.as_chunks::<3>();
    let (digits, last) = text.as_chunks_mut::<4>();
    for (digits, [a, b, c]) in digits.iter_mut().zip(groups) {
        let bits = u32::from_be_bytes([0, *a, *b, *c]);
        *digits = [
            digit(bits >> 18),
            digit(bits >> 12),
            digit(bits >> 6),
            digit(bits),
        ];
    }
    if let ([a, b], [x, y, z]) = (rest, last) {
        let bits = u32::from_be_bytes([0, *a, *b, 0]);
        (*x, *y, *z) = (digit(bits >> 18), digit(bits >> 12), digit(bits >> 6));
    }
    text
}

/// Returns whether this is the one spelling of 32 bytes in unpadded base64url. The last character
/// has two bits left over, which are zero in every fourth character of the alphabet.
fn is_canonical(text: &[u8]) -> bool {
    let [body @ .., last] = text else {
        return false;
    };
    body.len() == MAC_LEN - 1
        && body.iter().all(|byte| DIGITS[usize::from(*byte)] < 64)
        && DIGITS[usize::from(*last)].is_multiple_of(4)
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of each byte in base64url.
const DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 64 {
        digits[BASE64URL[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

/// Accepts canonical base64url only: the engine rejects padding, other alphabets and trailing bits.
fn decode_32(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    (text.len() == MAC_LEN && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == 32)
        .then_some(bytes)
}

fn is_uuid_v4(text: &[u8]) -> bool {
    let Some(uuid) = uuid::Uuid::try_parse_ascii(text)
        .ok()
        .filter(|uuid| uuid.get_version_num() == 4)
    else {
        return false;
    };
    let mut canonical = uuid::Uuid::encode_buffer();
    uuid.hyphenated().encode_lower(&mut canonical).as_bytes() == text
}
