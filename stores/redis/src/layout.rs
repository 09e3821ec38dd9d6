//! The layout of a record in a Redis string, and the names of the keys.
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 3 | `crm` and the number 1 |
//! | 4 to 11 | when the record ends, in seconds since 1970, big-endian; a touch changes it in place |
//! | 12 to 19 | a number that each write has of its own: what replace and delete compare |
//! | 20 to 23 | the length of the subject, big-endian; 2³² − 1 means none |
//! | 24 … | the subject, then the record |

use bytes::Bytes;
use cloakroom_store::{Key, StoreError, Stored, UnixTime, Write};

use crate::failure;

const MAGIC: [u8; 4] = *b"crm\x01";
const HEADER: usize = 24;
const NO_SUBJECT: u32 = u32::MAX;

/// The bytes that a write sends to the server.
pub(crate) struct Draft {
    pub(crate) bytes: Vec<u8>,
}

impl Draft {
    pub(crate) fn new(write: &Write, version: u64) -> Result<Self, StoreError> {
        let subject = write.subject.as_deref();
        let subject_len = match subject.map(str::len) {
            None => NO_SUBJECT,
            Some(len) => match u32::try_from(len) {
                Ok(len) if len != NO_SUBJECT => len,
                _ => return Err(failure::too_large()),
            },
        };
        let subject = subject.unwrap_or_default().as_bytes();
        let head = (write.expires_at, version, subject_len);
        Ok(Self::put(head, subject, &write.bytes))
    }

    /// The server's bytes of a record without a subject that nobody has changed.
    pub(crate) fn of(old: &Stored) -> Self {
        Self::put((old.expires_at, old.version, NO_SUBJECT), &[], &old.bytes)
    }

    fn put(head: (UnixTime, u64, u32), subject: &[u8], record: &[u8]) -> Self {
        let (expires_at, version, subject_len) = head;
        let mut bytes = Vec::with_capacity(HEADER + subject.len() + record.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&end(expires_at));
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&subject_len.to_be_bytes());
        bytes.extend_from_slice(subject);
        bytes.extend_from_slice(record);
        Self { bytes }
    }
}

/// A record as the server has it.
pub(crate) struct Found {
    pub(crate) subject: Option<Bytes>,
    pub(crate) stored: Stored,
}

impl Found {
    pub(crate) fn parse(value: Bytes) -> Result<Self, StoreError> {
        Self::parsed(value).ok_or_else(failure::foreign)
    }

    fn parsed(value: Bytes) -> Option<Self> {
        let header: &[u8; HEADER] = value.first_chunk()?;
        let (magic, rest) = header.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let len = u32::from_be_bytes(*rest.first_chunk()?);
        if *magic != MAGIC {
            return None;
        }
        let expires_at = UnixTime::from_secs(u64::from_be_bytes(*expires_at));
        let version = u64::from_be_bytes(*version);
        let (subject, begin) = match len {
            NO_SUBJECT => (None, HEADER),
            len => {
                let begin = HEADER.checked_add(usize::try_from(len).ok()?)?;
                if begin > value.len() {
                    return None;
                }
                (Some(value.slice(HEADER..begin)), begin)
            }
        };
        let stored = Stored::new(value.slice(begin..), expires_at, version);
        Some(Self { subject, stored })
    }
}

/// The end as the header has it.
pub(crate) fn end(expires_at: UnixTime) -> [u8; 8] {
    expires_at.as_secs().to_be_bytes()
}

/// The expiry for `PXAT`: in milliseconds, and not zero.
pub(crate) fn milliseconds(expires_at: UnixTime) -> u64 {
    expires_at.as_secs().saturating_mul(1000).max(1)
}

/// The prefix of a store's keys.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: Box<str>,
    subjects: Box<str>,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        // No key of a record has a space in it, so that no record can have the name of a list.
        Self {
            prefix: prefix.into(),
            subjects: format!("{prefix}subject ").into(),
        }
    }

    /// Where a record is.
    pub(crate) fn record(&self, key: &Key) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }

    /// Returns the key of the record that is there, if it can be one.
    pub(crate) fn key(&self, name: &[u8]) -> Option<Key> {
        let key = name.strip_prefix(self.prefix.as_bytes())?;
        Key::new(std::str::from_utf8(key).ok()?)
    }

    /// Returns what all names of records match, as `SCAN` reads it.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + 1);
        for letter in self.prefix.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('*');
        pattern
    }

    /// Where the keys of a subject's records are listed.
    pub(crate) fn list(&self, subject: &[u8]) -> Vec<u8> {
        [self.subjects.as_bytes(), subject].concat()
    }

    /// A key that the check at the start uses. It has a space, as no key of a record has.
    ///
    /// A proxy may hash so that keys which differ at their end are neighbours.
    pub(crate) fn probe(&self, run: u64, number: usize) -> Vec<u8> {
        format!("{}probe {number} {run:016x}", self.prefix).into_bytes()
    }

    /// The prefix of all names.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The prefix of all lists.
    pub(crate) fn lists(&self) -> &str {
        &self.subjects
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_prefix_with_wildcards_matches_itself_only() {
        let names = Names::new("a*[b]?^\\:");
        assert_eq!(names.pattern(), "a\\*\\[b\\]\\?\\^\\\\:*");
        assert_eq!(names.key(b"a*[b]?^\\:x").unwrap().as_str(), "x");
        assert!(names.key(b"aXb:x").is_none());
        assert!(names.key(b"a*[b]?^\\:subject ada").is_none());
    }
}
