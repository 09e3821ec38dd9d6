use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_store::{Key, StoreError};
use sha2::{Digest as _, Sha256};

use crate::failure;

/// The prefix of all record names.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(Box<str>);

/// A record's name on the server: at most [`Key::MAX_LEN`] bytes of printable ASCII.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

/// Stands before a digest. A key that itself begins so is replaced by its digest too, so that no
/// key has the name of another.
const DIGEST: &str = "sha256.";

impl Prefix {
    /// So long may a prefix be that a digest has room behind it.
    pub(crate) const LONGEST: usize = 200;

    pub(crate) fn new(text: &str) -> Result<Self, StoreError> {
        match text.len() <= Self::LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(text.into())),
            false => Err(failure::prefix()),
        }
    }

    pub(crate) fn name(&self, key: &Key) -> Name {
        let key = key.as_str();
        let fits = self.0.len() + key.len() <= Key::MAX_LEN;
        if fits && !key.starts_with(DIGEST) {
            return Name([&*self.0, key].concat());
        }
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(key));
        Name(format!("{}{DIGEST}{digest}", self.0))
    }
}

impl Name {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(..)")
    }
}
