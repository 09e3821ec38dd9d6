use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_core::TokenScheme;
use cookie::{Cookie, CookieJar, Key};
use sha2::{Digest, Sha256};

/// The form of the other library's ids.
///
/// ```
/// use cloakroom_beside::IdShape;
///
/// assert!(IdShape::TowerSessions.fits(b"AAECAwQFBgcICQoLDA0ODw"));
/// assert!(!IdShape::ActixSession.fits(b"AAECAwQFBgcICQoLDA0ODw"));
/// assert!(IdShape::Uuid.fits(b"67e55044-10b1-426f-9247-bb680e5fe0c8"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdShape {
    /// 16 bytes in base64url without padding: 22 characters.
    TowerSessions,
    /// 64 letters and digits.
    ActixSession,
    /// A UUID in lower case, with hyphens: the ids of axum_session.
    Uuid,
}

impl IdShape {
    /// Returns whether these bytes are an id of this shape.
    ///
    /// ```
    /// # use cloakroom_beside::IdShape;
    /// assert!(IdShape::ActixSession.fits(&[b'a'; 64]));
    /// ```
    #[must_use]
    pub fn fits(self, id: &[u8]) -> bool {
        match self {
            Self::TowerSessions => {
                let mut bytes = [0; 18];
                id.len() == 22 && URL_SAFE_NO_PAD.decode_slice(id, &mut bytes) == Ok(16)
            }
            Self::ActixSession => id.len() == 64 && id.iter().all(u8::is_ascii_alphanumeric),
            Self::Uuid => {
                let fits = |(at, byte): (usize, &u8)| match HYPHENS.contains(&at) {
                    true => *byte == b'-',
                    false => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
                };
                id.len() == 36 && id.iter().enumerate().all(fits)
            }
        }
    }

    fn len(self) -> usize {
        match self {
            Self::TowerSessions => 22,
            Self::ActixSession => 64,
            Self::Uuid => 36,
        }
    }

    fn make(self, random: &[u8; 32]) -> String {
        match self {
            Self::TowerSessions => URL_SAFE_NO_PAD.encode(&random[..16]),
            Self::ActixSession => letters(random),
            Self::Uuid => uuid(random),
        }
    }
}

/// Where a UUID has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Makes a UUID of version 4 (RFC 9562, section 5.4): 122 random bits.
fn uuid(random: &[u8; 32]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&random[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(36);
    for byte in bytes {
        if HYPHENS.contains(&id.len()) {
            id.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            id.extend(char::from_digit(digit.into(), 16));
        }
    }
    id
}

/// Derives 64 letters and digits from 256 random bits, each as likely as any other.
fn letters(random: &[u8; 32]) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut id = String::with_capacity(64);
    let blocks = (0_u8..=u8::MAX).map(|block| {
        let digest = Sha256::new()
            .chain_update(b"cloakroom letters\0")
            .chain_update(random)
            .chain_update([block]);
        digest.finalize()
    });
    for block in blocks {
        // 248 is four times 62.
        for byte in block.iter().filter(|byte| **byte < 248) {
            if id.len() < 64 {
                id.push(char::from(LETTERS[usize::from(byte % 62)]));
            }
        }
        if id.len() == 64 {
            break;
        }
    }
    id
}

/// Ids in a cookie as the crate `cookie` signs or encrypts it, versions 0.16 to 0.18.
///
/// The signature is HMAC-SHA256 of the value. The encryption is AES-256-GCM, bound to the cookie's
/// name. Reads values with and without percent-encoding, because actix-web encodes what it writes.
///
/// ```
/// use cloakroom_beside::{CookieIds, IdShape};
/// use cloakroom_core::TokenScheme as _;
/// use cookie::Key;
///
/// let key = Key::from(&[7; 64]);
/// let ids = CookieIds::signed(IdShape::TowerSessions, "id", key);
/// let (id, token) = ids.mint(&[1; 32]);
/// assert_eq!(ids.id(token.as_bytes()).as_deref(), Some(id.as_bytes()));
/// assert!(ids.id(id.as_bytes()).is_none(), "not signed");
/// ```
pub struct CookieIds {
    shape: IdShape,
    name: Box<str>,
    protection: Protection,
}

enum Protection {
    Plain,
    Signed(Key),
    Private(Key),
}

/// The base64 of a signature, before the value.
const SIGNATURE: usize = 44;
/// A nonce and a tag around the encrypted value.
const SEAL: usize = 12 + 16;

impl CookieIds {
    /// Returns ids that are the cookie's value.
    ///
    /// ```
    /// # use cloakroom_beside::{CookieIds, IdShape};
    /// let ids = CookieIds::plain(IdShape::TowerSessions);
    /// ```
    #[must_use]
    pub fn plain(shape: IdShape) -> Self {
        Self {
            shape,
            name: "".into(),
            protection: Protection::Plain,
        }
    }

    /// Returns ids in signed cookies.
    ///
    /// ```
    /// # use cloakroom_beside::{CookieIds, IdShape};
    /// let key = cookie::Key::from(&[7; 64]);
    /// let ids = CookieIds::signed(IdShape::ActixSession, "id", key);
    /// ```
    #[must_use]
    pub fn signed(shape: IdShape, cookie_name: &str, key: Key) -> Self {
        Self {
            shape,
            name: cookie_name.into(),
            protection: Protection::Signed(key),
        }
    }

    /// Returns ids in encrypted cookies of this name.
    ///
    /// ```
    /// # use cloakroom_beside::{CookieIds, IdShape};
    /// let key = cookie::Key::from(&[7; 64]);
    /// let ids = CookieIds::private(IdShape::ActixSession, "id", key);
    /// ```
    #[must_use]
    pub fn private(shape: IdShape, cookie_name: &str, key: Key) -> Self {
        Self {
            shape,
            name: cookie_name.into(),
            protection: Protection::Private(key),
        }
    }

    fn token_len(&self) -> usize {
        match self.protection {
            Protection::Plain => self.shape.len(),
            Protection::Signed(_) => SIGNATURE + self.shape.len(),
            Protection::Private(_) => (self.shape.len() + SEAL).div_ceil(3) * 4,
        }
    }

    /// Opens a value whose percent-encoding is undone.
    fn open(&self, value: String) -> Option<String> {
        let mut jar = CookieJar::new();
        let cookie = Cookie::new(self.name.to_string(), value);
        let opened = match &self.protection {
            Protection::Plain => Some(cookie),
            Protection::Signed(key) => {
                jar.add_original(cookie);
                jar.signed(key).get(&self.name)
            }
            Protection::Private(key) => {
                jar.add_original(cookie);
                jar.private(key).get(&self.name)
            }
        };
        opened.map(|cookie| cookie.value().to_owned())
    }
}

impl TokenScheme for CookieIds {
    fn is_well_formed(&self, presented: &[u8]) -> bool {
        match self.protection {
            Protection::Plain => self.shape.fits(presented),
            // Percent-encoded, each of the characters that need it is three.
            Protection::Signed(_) | Protection::Private(_) => {
                let len = self.token_len();
                let encodes = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_%".contains(byte);
                (len..=3 * len).contains(&presented.len()) && presented.iter().all(encodes)
            }
        }
    }

    fn id<'t>(&self, presented: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        if !self.is_well_formed(presented) {
            return None;
        }
        if matches!(self.protection, Protection::Plain) {
            return Some(presented.into());
        }
        let text = std::str::from_utf8(presented).ok()?;
        let decoded = match text.contains('%') {
            true => {
                let pair = Cookie::parse_encoded(format!("n={text}")).ok()?;
                pair.value().to_owned()
            }
            false => text.to_owned(),
        };
        if decoded.len() != self.token_len() {
            return None;
        }
        let id = self.open(decoded)?.into_bytes();
        self.shape.fits(&id).then_some(id.into())
    }

    fn mint(&self, random: &[u8; 32]) -> (String, String) {
        let id = self.shape.make(random);
        let mut jar = CookieJar::new();
        let cookie = Cookie::new(self.name.to_string(), id.clone());
        match &self.protection {
            Protection::Plain => return (id.clone(), id),
            Protection::Signed(key) => jar.signed_mut(key).add(cookie),
            Protection::Private(key) => jar.private_mut(key).add(cookie),
        }
        let token = jar.get(&self.name).map(|cookie| cookie.value().to_owned());
        (id, token.unwrap_or_default())
    }

    fn max_len(&self) -> usize {
        self.token_len()
    }
}

impl fmt::Debug for CookieIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieIds")
            .field("shape", &self.shape)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
