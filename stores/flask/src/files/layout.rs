use cloakroom_store::{Key, UnixTime};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::number;

/// The suffix of a cache's own files. Every version leaves files with this suffix alone: temporary
/// files, and this store's lock.
pub(super) const OWN: &str = ".__wz_cache";

/// Under which key a cache counts its files.
const COUNT: &[u8] = b"__wz_cache_count";

/// The names of the session files and their first bytes. Each variant is the layout of one family
/// of versions. All processes on a directory must use the same.
///
/// ```
/// use cloakroom_flask_stores::FileLayout;
///
/// // Flask-Session 0.3.1 and before: `werkzeug.contrib.cache`.
/// let layout = FileLayout::Werkzeug;
/// assert_ne!(layout, FileLayout::CacheLib);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileLayout {
    /// werkzeug's `FileSystemCache` (Flask-Session up to 0.3.2): names by MD5, the expiry as a
    /// pickled number, then the pickled dict.
    Werkzeug,
    /// cachelib up to 0.15: names by MD5, the expiry as four native bytes, then the pickled dict.
    CacheLibMd5,
    /// cachelib from 0.16 on: names by SHA-256, otherwise as before.
    CacheLib,
}

impl FileLayout {
    /// The newest first: that is the order in which a directory is searched for signs of them.
    pub(super) const ALL: [Self; 3] = [Self::CacheLib, Self::CacheLibMd5, Self::Werkzeug];

    pub(super) fn name(self, key: &Key) -> String {
        self.hash(key.as_bytes())
    }

    /// The name of the file with the number of files.
    pub(super) fn counter(self) -> String {
        self.hash(COUNT)
    }

    fn hash(self, key: &[u8]) -> String {
        match self {
            Self::Werkzeug | Self::CacheLibMd5 => hex(&Md5::digest(key)),
            Self::CacheLib => hex(&Sha256::digest(key)),
        }
    }

    /// A file of this expiry and contents. In each layout an expiry of 0 means never.
    pub(super) fn encode(self, expires_at: UnixTime, bytes: &[u8]) -> Vec<u8> {
        let end = match expires_at {
            UnixTime::MAX => 0,
            // An expiry in 1970 must not mean a record without an end.
            end => end.as_secs().max(1),
        };
        let mut file = match self {
            Self::Werkzeug => number::write(end),
            // 32 bits end in 2106. Sessions that are to end later end then.
            Self::CacheLibMd5 | Self::CacheLib => {
                let end = u32::try_from(end).unwrap_or(u32::MAX);
                end.to_ne_bytes().to_vec()
            }
        };
        file.extend_from_slice(bytes);
        file
    }

    /// When a file's record ends, and where its contents begin; `None` if it does not begin as
    /// files of this layout do.
    pub(super) fn decode(self, file: &[u8]) -> Option<(UnixTime, usize)> {
        let (end, at) = match self {
            Self::Werkzeug => {
                let (end, at) = number::read(file)?;
                (u64::try_from(end).unwrap_or(1), at)
            }
            Self::CacheLibMd5 | Self::CacheLib => {
                (u64::from(u32::from_ne_bytes(*file.first_chunk()?)), 4)
            }
        };
        let end = match end {
            0 => UnixTime::MAX,
            end => UnixTime::from_secs(end),
        };
        Some((end, at))
    }

    /// Returns whether a file of this name can be a session's.
    pub(super) fn is_record(self, name: &str) -> bool {
        !name.ends_with(OWN) && name != self.counter()
    }

    /// How many bytes of a file are enough to read its expiry.
    pub(super) const HEAD: usize = 64;
}

fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(digest.len() * 2);
    for byte in digest {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
