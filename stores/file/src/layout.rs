use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use cloakroom_store::Key;
use sha2::{Digest, Sha256};

/// Where everything is. No name comes from a client: all are hashes in lower-case hex.
pub(crate) struct Layout {
    base: PathBuf,
}

impl Layout {
    pub(crate) fn new(base: PathBuf) -> Self {
        Self { base }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn parts(&self) -> [PathBuf; 3] {
        ["locks", "records", "subjects"].map(|part| self.base.join(part))
    }

    /// The directories of the shards, which exist as long as the store does.
    pub(crate) fn shards(&self) -> impl Iterator<Item = PathBuf> {
        (0..=u8::MAX).flat_map(|shard| {
            let [_, records, subjects] = self.parts();
            [records.join(hex(shard)), subjects.join(hex(shard))]
        })
    }

    pub(crate) fn lock(&self, shard: u8) -> PathBuf {
        self.path(&["locks", &hex(shard)])
    }

    pub(crate) fn shard(&self, shard: u8) -> PathBuf {
        self.path(&["records", &hex(shard)])
    }

    pub(crate) fn record(&self, name: &Name) -> PathBuf {
        self.path(&["records", &hex(name.shard()), name.as_str()])
    }

    /// The temporary file of a shard's next record, before it gets its name. One is enough, because
    /// its writer holds the shard's lock. A file that a writer finds there was left by a killed
    /// process.
    pub(crate) fn next(&self, shard: u8) -> PathBuf {
        self.path(&["records", &hex(shard), "next.tmp"])
    }

    pub(crate) fn subject_shard(&self, shard: u8) -> PathBuf {
        self.path(&["subjects", &hex(shard)])
    }

    pub(crate) fn subject(&self, subject: &Name) -> PathBuf {
        self.path(&["subjects", &hex(subject.shard()), subject.as_str()])
    }

    fn path(&self, parts: &[&str]) -> PathBuf {
        let rest: usize = parts.iter().map(|part| part.len() + 1).sum();
        let mut path = PathBuf::with_capacity(self.base.as_os_str().len() + rest);
        path.push(&self.base);
        path.extend(parts);
        path
    }
}

/// Returns whether a file in a shard is one that a writer was about to give a name.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".tmp")
}

/// SHA-256 of a key or a subject: the only thing that ever names a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    hex: [u8; 64],
}

impl Name {
    pub(crate) fn of_key(key: &Key) -> Self {
        Self::of(key.as_bytes())
    }

    pub(crate) fn of_subject(subject: &str) -> Self {
        Self::of(subject.as_bytes())
    }

    fn of(bytes: &[u8]) -> Self {
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(Sha256::digest(bytes)) {
            pair.copy_from_slice(&digits(byte));
        }
        Self { hex }
    }

    /// `None` for a file that no store of this kind has named.
    pub(crate) fn parse(name: &OsStr) -> Option<Self> {
        let hex: [u8; 64] = name.as_encoded_bytes().try_into().ok()?;
        let valid = hex.iter().all(|digit| DIGITS.contains(digit));
        valid.then_some(Self { hex })
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.hex).unwrap_or_default()
    }

    pub(crate) fn shard(&self) -> u8 {
        let value = |digit: u8| DIGITS.iter().position(|d| *d == digit).unwrap_or_default() as u8;
        value(self.hex[0]) << 4 | value(self.hex[1])
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)])
}

fn hex(shard: u8) -> String {
    digits(shard).map(char::from).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sha_256_in_hex_and_begin_with_their_shard() {
        let name = Name::of(b"abc");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(name.as_str(), expected);
        assert_eq!(name.shard(), 0xba);
        assert!(Name::parse(OsStr::new(expected)) == Some(name));
    }

    // R58
    #[test]
    fn nothing_else_is_taken_for_a_name() {
        let upper = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        for other in ["", "..", "next.tmp", ".DS_Store", upper] {
            assert!(Name::parse(OsStr::new(other)).is_none(), "{other}");
        }
    }
}
