//! A program without the cipher: no token opens anything, and what would do so takes no room.

use super::{NONCE_LEN, SECRET_LEN, TAG_LEN};
use crate::{Error, Key};

/// The key that would seal the values of one record. There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secret(());

impl Secret {
    pub(crate) fn of(_: &[u8]) -> Option<Self> {
        None
    }

    pub(crate) fn as_bytes(&self) -> &[u8; SECRET_LEN] {
        &[0; SECRET_LEN]
    }
}

/// Would open the values of one record. There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opener {
    Secret(Secret),
}

impl Opener {
    pub(crate) fn of_id(_: &[u8]) -> Option<Self> {
        None
    }

    pub(crate) fn secret(&self, _: &Key) -> Secret {
        let Self::Secret(secret) = self;
        secret.clone()
    }
}

pub(crate) fn seal(
    _: &Secret,
    _: [u8; NONCE_LEN],
    _: &[u8],
    _: &mut [u8],
) -> Result<[u8; TAG_LEN], Error> {
    Err(Error::Sealed)
}

pub(crate) fn open(
    _: &Secret,
    _: &[u8],
    _: &[u8],
    _: &mut [u8],
    _: &[u8; TAG_LEN],
) -> Result<(), Error> {
    Err(Error::Sealed)
}
