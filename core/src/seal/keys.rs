//! The ring: it opens and seals a record.

use std::fmt;

use smallvec::SmallVec;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::SECRET_LEN;
use crate::Key;

/// The key that seals the values of one record. Wiped when dropped.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<[u8; SECRET_LEN]>);

impl Secret {
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        (bytes.len() == SECRET_LEN).then(|| secret.copy_from_slice(bytes))?;
        Some(Self(secret))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Opens the values of one record.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Opener {
    /// The id in the presented token. Its key is derived when it is needed.
    Id(SmallVec<[u8; 48]>),
    Secret(Secret),
}

impl Opener {
    /// Returns the opener of a token with this id.
    pub(crate) fn of_id(id: &[u8]) -> Option<Self> {
        Some(Self::Id(SmallVec::from_slice(id)))
    }

    /// Returns the key of the record that is stored under this one.
    pub(crate) fn secret(&self, key: &Key) -> Secret {
        match self {
            Self::Id(id) => derive(id, key),
            Self::Secret(secret) => secret.clone(),
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(..)")
    }
}

/// HKDF (RFC 5869) with one block of output.
fn derive(id: &[u8], key: &Key) -> Secret {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    let mac = |key: &[u8], parts: [&[u8]; 3]| {
        // HMAC takes keys of every length, so this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
            return [0; SECRET_LEN];
        };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    };
    let extracted = Zeroizing::new(mac(&[0; 32], [id, &[], &[]]));
    let info = b"cloakroom sealed values v1\0";
    Secret(Zeroizing::new(mac(
        &*extracted,
        [info, key.as_bytes(), &[1]],
    )))
}
