//! Signatures as itsdangerous makes them: HMAC-SHA1, key derivation `hmac`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// The characters of a signature: 20 bytes as unpadded base64url.
pub(crate) const SIGNATURE_LEN: usize = 27;

/// Signs and verifies texts as `itsdangerous.Signer(secret, salt=…, key_derivation="hmac")` does,
/// with SHA-1 and `.` between the value and its signature.
///
/// SHA-1 is Flask's choice. As an HMAC it is not broken, but for sessions that no Flask application
/// reads prefer this project's own signatures.
///
/// The keys are wiped when dropped, and `Debug` does not show them.
///
/// ```
/// use cloakroom_flask::Signer;
///
/// let signer =
///     Signer::new("dev-secret-key-0123456789abcdef", Signer::FLASK_SESSION);
/// let signed = signer.sign("2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11");
/// assert_eq!(
///     signed,
///     "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11.-g8TBAMdU3oMu2PgY5AUGdM4-U0"
/// );
/// assert_eq!(
///     signer.unsign(signed.as_bytes()),
///     Some(&b"2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11"[..])
/// );
/// ```
#[derive(Clone)]
pub struct Signer {
    salt: Box<[u8]>,
    /// Derived from secrets and salt. The first one signs.
    keys: Vec<Zeroizing<[u8; 20]>>,
}

impl Signer {
    /// The salt of Flask's own cookie.
    pub const COOKIE_SESSION: &'static str = "cookie-session";
    /// The salt of Flask-Session's SESSION_USE_SIGNER.
    pub const FLASK_SESSION: &'static str = "flask-session";

    /// Makes a signer with this secret, for the purpose that the salt names.
    ///
    /// ```
    /// # use cloakroom_flask::Signer;
    /// let one = Signer::new("secret", "one");
    /// let two = Signer::new("secret", "two");
    /// assert_eq!(two.unsign(one.sign("value").as_bytes()), None);
    /// ```
    pub fn new(secret: impl AsRef<[u8]>, salt: impl AsRef<[u8]>) -> Self {
        let salt = salt.as_ref();
        Self {
            salt: salt.into(),
            keys: vec![Zeroizing::new(hmac(secret.as_ref(), [salt]))],
        }
    }

    /// Accepts signatures by this older secret too (SECRET_KEY_FALLBACKS). Does not sign with it.
    ///
    /// ```
    /// # use cloakroom_flask::Signer;
    /// let old = Signer::new("old", "salt");
    /// let new = Signer::new("new", "salt").with_fallback("old");
    /// assert!(new.unsign(old.sign("value").as_bytes()).is_some());
    /// assert!(old.unsign(new.sign("value").as_bytes()).is_none());
    /// ```
    #[must_use]
    pub fn with_fallback(mut self, secret: impl AsRef<[u8]>) -> Self {
        let key = hmac(secret.as_ref(), [&*self.salt]);
        self.keys.push(Zeroizing::new(key));
        self
    }

    /// Returns `value.signature`.
    ///
    /// ```
    /// # use cloakroom_flask::Signer;
    /// assert!(Signer::new("secret", "salt").sign("value").starts_with("value."));
    /// ```
    #[must_use]
    pub fn sign(&self, value: &str) -> String {
        let signature = self
            .keys
            .first()
            .map_or([0; 20], |key| mac(key, value.as_bytes()));
        format!("{value}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the value, if one of the keys signed it. Takes constant time in the signature.
    /// Accepts only the one spelling of a signature, where itsdangerous also accepts padding and
    /// other trailing bits.
    ///
    /// ```
    /// # use cloakroom_flask::Signer;
    /// let signer = Signer::new("secret", "salt");
    /// assert_eq!(signer.unsign(b"value.AAAAAAAAAAAAAAAAAAAAAAAAAAA"), None);
    /// ```
    #[must_use]
    pub fn unsign<'a>(&self, signed: &'a [u8]) -> Option<&'a [u8]> {
        let (value, rest) =
            signed.split_at_checked(signed.len().checked_sub(SIGNATURE_LEN + 1)?)?;
        let (dot, signature) = rest.split_first()?;
        let mut bytes = [0; 20];
        let decoded = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes).ok()?;
        // Every key is tried, so that the time does not reveal which one fits.
        let mut genuine = Choice::from(0);
        for key in &self.keys {
            genuine |= mac(key, value).ct_eq(&bytes);
        }
        (*dot == b'.' && decoded == bytes.len() && bool::from(genuine)).then_some(value)
    }

    /// Returns `value.timestamp.signature`, as `itsdangerous.TimestampSigner` signs at `seconds`
    /// after the epoch.
    ///
    /// ```
    /// # use cloakroom_flask::Signer;
    /// let signer =
    ///     Signer::new("dev-secret-key-0123456789abcdef", Signer::COOKIE_SESSION);
    /// assert!(
    ///     signer
    ///         .sign_at("e30", 1_700_000_000)
    ///         .starts_with("e30.ZVPxAA.")
    /// );
    /// ```
    #[must_use]
    pub fn sign_at(&self, value: &str, seconds: u64) -> String {
        let bytes = seconds.to_be_bytes();
        let minimal = bytes
            .get(seconds.leading_zeros() as usize / 8..)
            .unwrap_or_default();
        self.sign(&format!("{value}.{}", URL_SAFE_NO_PAD.encode(minimal)))
    }

    /// Returns the value and the time of its signature, if one of the keys signed it. The caller
    /// judges its age.
    ///
    /// ```
    /// # use cloakroom_flask::Signer;
    /// let signer = Signer::new("secret", "salt");
    /// let signed = signer.sign_at("value", 1_700_000_000);
    /// assert_eq!(
    ///     signer.unsign_at(signed.as_bytes()),
    ///     Some((&b"value"[..], 1_700_000_000))
    /// );
    /// ```
    #[must_use]
    pub fn unsign_at<'a>(&self, signed: &'a [u8]) -> Option<(&'a [u8], u64)> {
        let value = self.unsign(signed)?;
        let dot = value.iter().rposition(|byte| *byte == b'.')?;
        let mut seconds = [0; 8];
        let mut bytes = [0; 9];
        let len = URL_SAFE_NO_PAD
            .decode_slice(value.get(dot + 1..)?, &mut bytes)
            .ok()?;
        seconds
            .get_mut(8_usize.checked_sub(len)?..)?
            .copy_from_slice(bytes.get(..len)?);
        Some((value.get(..dot)?, u64::from_be_bytes(seconds)))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

fn mac(key: &Zeroizing<[u8; 20]>, value: &[u8]) -> [u8; 20] {
    hmac(&key[..], [value])
}

fn hmac<const N: usize>(key: &[u8], parts: [&[u8]; N]) -> [u8; 20] {
    // HMAC takes keys of every length, so this cannot fail. If it did, the MAC would match nothing
    // of Flask's.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else {
        return [0; 20];
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
