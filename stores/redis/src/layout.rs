//! How a record is laid out in a Redis string, and what the keys are called.
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

/// What a write sends to the server.
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
        let mut bytes = Vec::with_capacity(HEADER + subject.len() + write.bytes.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&end(write.expires_at));
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&subject_len.to_be_bytes());
        bytes.extend_from_slice(subject);
        bytes.extend_from_slice(&write.bytes);
        Ok(Self { bytes })
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

/// The end as `PXAT` wants it: in milliseconds, and not zero.
pub(crate) fn milliseconds(expires_at: UnixTime) -> u64 {
    expires_at.as_secs().saturating_mul(1000).max(1)
}

/// What the keys of a store begin with.
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

    /// Where the keys of a subject's records are listed.
    pub(crate) fn list(&self, subject: &[u8]) -> Vec<u8> {
        [self.subjects.as_bytes(), subject].concat()
    }

    /// What the names of all lists begin with.
    pub(crate) fn lists(&self) -> &str {
        &self.subjects
    }
}
