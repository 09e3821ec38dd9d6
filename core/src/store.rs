//! What the machine and a store say to each other.

use bytes::Bytes;
use std::fmt;

use crate::UnixTime;

/// Where a store keeps a record: a prefix and the token's SHA-256 (or the plain token, in the Flask profile).
///
/// At most [`Key::MAX_LEN`] bytes of printable ASCII without spaces, so that it is a valid key in every store; a store that
/// has stricter rules (a file name, say) derives its own name from it.
///
/// `Debug` shows nothing of it: in the Flask profile it contains the token.
///
/// ```
/// use cloakroom_core::Key;
///
/// let key = Key::new("session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").unwrap();
/// assert_eq!(key.as_str().len(), 51);
/// assert!(Key::new("with space").is_none());
/// ```
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(smallvec::SmallVec<[u8; 64]>);

impl Key {
    /// Memcached's limit, the smallest of all stores'.
    pub const MAX_LEN: usize = 250;

    /// A key of exactly this text, or `None` if it is empty, over [`Key::MAX_LEN`] bytes, or has a byte outside `!` to `~`.
    ///
    /// ```
    /// # use cloakroom_core::Key;
    /// assert!(Key::new("line\nbreak").is_none());
    /// ```
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let valid = !bytes.is_empty()
            && bytes.len() <= Self::MAX_LEN
            && bytes.iter().all(u8::is_ascii_graphic);
        valid.then(|| Self(smallvec::SmallVec::from_slice(bytes)))
    }

    /// Moves the text out; what is left is no key.
    pub(crate) fn take(&mut self) -> Self {
        Self(std::mem::take(&mut self.0))
    }

    /// A key of bytes that are known to be valid.
    pub(crate) fn from_valid(text: smallvec::SmallVec<[u8; 64]>) -> Self {
        Self(text)
    }

    /// The key as text.
    ///
    /// ```
    /// # use cloakroom_core::Key;
    /// assert_eq!(Key::new("a").unwrap().as_str(), "a");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only `new` makes keys, and only of ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The key as bytes.
    ///
    /// ```
    /// # use cloakroom_core::Key;
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

/// A record as a load returned it. Goes back verbatim in `Replace` and `Delete`, which happen only if the store still has
/// this very record.
///
/// ```
/// use cloakroom_core::{Stored, UnixTime};
///
/// let stored = Stored::new(b"bytes".to_vec(), UnixTime::from_secs(1_700_000_000), 7);
/// assert_eq!(stored.version, 7);
/// assert!(!format!("{stored:?}").contains("bytes"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The record, as it was written.
    pub bytes: Bytes,
    /// When the record ends. A `touch` changes it; it is never part of the comparison.
    pub expires_at: UnixTime,
    /// The store's own mark of this version of the record: a counter, a version column, a compare-and-swap token. A store
    /// that compares the bytes leaves it 0.
    pub version: u64,
}

impl Stored {
    /// A record of these parts.
    ///
    /// ```
    /// # use cloakroom_core::{Stored, UnixTime};
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

/// What is to be written: the bytes, and, in the same atomic step, when they end and to whom they belong.
///
/// ```
/// use cloakroom_core::{UnixTime, Write};
///
/// let write = Write::new(b"bytes".to_vec(), UnixTime::from_secs(1_700_000_000), Some("ada".into()));
/// assert_eq!(write.subject.as_deref(), Some("ada"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The record.
    pub bytes: Bytes,
    /// When it ends: from this moment on (`now >= expires_at`) it counts as absent.
    pub expires_at: UnixTime,
    /// To whom the session belongs, for stores that can list by subject; others ignore it.
    pub subject: Option<Box<str>>,
}

impl Write {
    /// A write of these parts.
    ///
    /// ```
    /// # use cloakroom_core::{UnixTime, Write};
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
/// Exhaustive on purpose, as are the other three answers: a store can say nothing else, and a driver must deal with all of it.
///
/// ```
/// # use cloakroom_core::Created;
/// assert_ne!(Created::Stored, Created::Taken);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// Nothing living was under the key; the record is there now.
    Stored,
    /// A living record is under the key; it is as it was.
    Taken,
}

/// The answer to a replace.
///
/// ```
/// # use cloakroom_core::Replaced;
/// assert_ne!(Replaced::Changed, Replaced::Gone);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The record was the one given; the new one is there now.
    Stored,
    /// The record is another one; it is as it was.
    Changed,
    /// There is no (living) record; nothing was written.
    Gone,
}

/// The answer to a touch.
///
/// ```
/// # use cloakroom_core::Touched;
/// assert_ne!(Touched::Extended, Touched::Gone);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The record, whichever it is by now, ends at the given moment.
    Extended,
    /// There is no (living) record; nothing was written.
    Gone,
}

/// The answer to a delete.
///
/// ```
/// # use cloakroom_core::Deleted;
/// assert_ne!(Deleted::Deleted, Deleted::Changed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The record was the one given; it is gone now.
    Deleted,
    /// The record is another one; it is as it was.
    Changed,
    /// There was no (living) record.
    Gone,
}
