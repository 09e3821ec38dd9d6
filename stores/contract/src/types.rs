//! The values that the session machine and a store exchange.

use bytes::Bytes;
use std::fmt;

use crate::UnixTime;

/// Where a store keeps a record: a prefix and the token's SHA-256 (or the plain token, in the Flask
/// profile).
///
/// At most [`Key::MAX_LEN`] bytes of printable ASCII without spaces, so that it is a valid key in
/// every store. A store with stricter rules (for file names, say) derives its own name from it.
///
/// `Debug` shows nothing of it: in the Flask profile it contains the token.
///
/// ```
/// use cloakroom_store::Key;
///
/// let key =
///     Key::new("session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").unwrap();
/// assert_eq!(key.as_str().len(), 51);
/// assert!(Key::new("with space").is_none());
/// ```
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(smallvec::SmallVec<[u8; 64]>);

impl Key {
    /// Memcached's limit, the smallest of all stores'.
    pub const MAX_LEN: usize = 250;

    /// Returns a key of exactly this text, or `None` if it is empty, over [`Key::MAX_LEN`] bytes,
    /// or has a byte outside `!` to `~`.
    ///
    /// ```
    /// # use cloakroom_store::Key;
    /// assert!(Key::new("line\nbreak").is_none());
    /// ```
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_LEN {
            return None;
        }
        Self::checked(smallvec::SmallVec::from_slice(text.as_bytes()))
    }

    /// Returns the key `prefix` + `rest`, or `None` where [`Key::new`] would.
    ///
    /// ```
    /// # use cloakroom_store::Key;
    /// assert_eq!(Key::join("session:", b"abc"), Key::new("session:abc"));
    /// assert!(Key::join("session:", b"\n").is_none());
    /// ```
    #[must_use]
    pub fn join(prefix: &str, rest: &[u8]) -> Option<Self> {
        let mut bytes = smallvec::SmallVec::with_capacity(prefix.len() + rest.len());
        bytes.extend_from_slice(prefix.as_bytes());
        bytes.extend_from_slice(rest);
        Self::checked(bytes)
    }

    fn checked(bytes: smallvec::SmallVec<[u8; 64]>) -> Option<Self> {
        // One pass without an early exit: the compiler vectorizes it.
        let graphic = bytes
            .iter()
            .fold(true, |all, byte| all & byte.is_ascii_graphic());
        let valid = graphic && !bytes.is_empty() && bytes.len() <= Self::MAX_LEN;
        valid.then_some(Self(bytes))
    }

    /// Returns the key as text.
    ///
    /// ```
    /// # use cloakroom_store::Key;
    /// assert_eq!(Key::new("a").unwrap().as_str(), "a");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every constructor checks that the bytes are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the key as bytes.
    ///
    /// ```
    /// # use cloakroom_store::Key;
    /// assert_eq!(Key::new("a").unwrap().as_bytes(), b"a");
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        // One copy: the derived one goes byte by byte.
        Self(smallvec::SmallVec::from_slice(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A record as a load returned it. `replace` and `delete` take it back verbatim, and act only if
/// the store still has this very record.
///
/// ```
/// use cloakroom_store::{Stored, UnixTime};
///
/// let stored =
///     Stored::new(b"bytes".to_vec(), UnixTime::from_secs(1_700_000_000), 7);
/// assert_eq!(stored.version, 7);
/// assert!(!format!("{stored:?}").contains("bytes"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The record, as it was written.
    pub bytes: Bytes,
    /// When the record expires. A `touch` changes it. It is never part of the comparison.
    pub expires_at: UnixTime,
    /// The store's own mark of this version of the record: a counter, a version column, a
    /// compare-and-swap token. A store that compares the bytes leaves it 0.
    pub version: u64,
}

impl Stored {
    /// Makes a record of these parts.
    ///
    /// ```
    /// # use cloakroom_store::{Stored, UnixTime};
    /// let stored = Stored::new(vec![1], UnixTime::MAX, 0);
    /// assert_eq!(&stored.bytes[..], [1]);
    /// ```
    pub fn new(bytes: impl Into<Bytes>, expires_at: UnixTime, version: u64) -> Self {
        Self {
            bytes: bytes.into(),
            expires_at,
            version,
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("len", &self.bytes.len())
            .field("expires_at", &self.expires_at)
            .field("version", &self.version)
            .finish()
    }
}

/// A record to write, in one atomic step: its bytes, its expiry and its subject.
///
/// ```
/// use cloakroom_store::{UnixTime, Write};
///
/// let write = Write::new(
///     b"bytes".to_vec(),
///     UnixTime::from_secs(1_700_000_000),
///     Some("ada".into()),
/// );
/// assert_eq!(write.subject.as_deref(), Some("ada"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The record.
    pub bytes: Bytes,
    /// When the record expires. From this moment on (`now >= expires_at`) it counts as absent.
    pub expires_at: UnixTime,
    /// The user of the session, for stores that can list by subject. Others ignore it.
    pub subject: Option<Box<str>>,
}

impl Write {
    /// Makes a write of these parts.
    ///
    /// ```
    /// # use cloakroom_store::{UnixTime, Write};
    /// assert!(Write::new(vec![1], UnixTime::MAX, None).subject.is_none());
    /// ```
    pub fn new(bytes: impl Into<Bytes>, expires_at: UnixTime, subject: Option<Box<str>>) -> Self {
        Self {
            bytes: bytes.into(),
            expires_at,
            subject,
        }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("len", &self.bytes.len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The answer to a create.
///
/// Exhaustive on purpose, as are the other three answers: a store can return nothing else, and a
/// driver must handle every variant.
///
/// ```
/// # use cloakroom_store::Created;
/// assert_ne!(Created::Stored, Created::Taken);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// Nothing living was under the key. The record is there now.
    Stored,
    /// A living record is under the key. It is unchanged.
    Taken,
}

/// The answer to a replace.
///
/// ```
/// # use cloakroom_store::Replaced;
/// assert_ne!(Replaced::Changed, Replaced::Gone);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The record was the one given. The new one is there now.
    Stored,
    /// The record is another one. It is unchanged.
    Changed,
    /// There is no living record. Nothing was written.
    Gone,
}

/// The answer to a touch.
///
/// ```
/// # use cloakroom_store::Touched;
/// assert_ne!(Touched::Extended, Touched::Gone);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The record, even if it has changed, expires at the given moment.
    Extended,
    /// There is no living record. Nothing was written.
    Gone,
}

/// The answer to a delete.
///
/// ```
/// # use cloakroom_store::Deleted;
/// assert_ne!(Deleted::Deleted, Deleted::Changed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The record was the one given. It is gone now.
    Deleted,
    /// The record is another one. It is unchanged.
    Changed,
    /// There was no living record.
    Gone,
}
