//! The contents of a record's file.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `cloakrm` and the version of this format, 1 |
//! | 8 | when the record ends, in seconds since 1970 |
//! | 4 | length of the key |
//! | 4 | length of the subject, or 2³² − 1: there is none |
//! | 4 | length of the record |
//! | … | the key, the subject, the record |
//! | 32 | SHA-256 of all before |
//!
//! Numbers are little-endian. A file never changes once it has its name.

use bytes::Bytes;
use cloakroom_store::{Key, UnixTime};
use sha2::{Digest, Sha256};

/// The maximum size of a record. A larger one is a mistake, and would cost that much memory at each
/// request.
pub(crate) const MAX_RECORD: usize = 16 * 1024 * 1024;
/// A file that is longer is none of ours, and is not read into memory.
pub(crate) const MAX_FILE: u64 = 2 * MAX_RECORD as u64;
/// How much of a file `ends_at` needs.
pub(crate) const PEEK: usize = 16;

const MAGIC: [u8; 7] = *b"cloakrm";
const VERSION: u8 = 1;
const HEADER: usize = 28;
const CHECKSUM: usize = 32;
const NO_SUBJECT: u32 = u32::MAX;

/// A record as its file holds it.
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) expires_at: UnixTime,
    pub(crate) bytes: Bytes,
}

impl Record {
    /// The contents of the file. `Err` is the length of what is too long.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, usize> {
        let key = self.key.as_bytes();
        let subject = self.subject.as_deref().unwrap_or_default().as_bytes();
        let variable = key.len() + subject.len() + self.bytes.len();
        if variable > MAX_RECORD {
            return Err(variable);
        }
        // No length exceeds MAX_RECORD any more.
        let len = |part: &[u8]| part.len() as u32;
        let subject_len = match self.subject {
            Some(_) => len(subject),
            None => NO_SUBJECT,
        };

        let mut file = Vec::with_capacity(HEADER + variable + CHECKSUM);
        file.extend(MAGIC);
        file.push(VERSION);
        file.extend(self.expires_at.as_secs().to_le_bytes());
        file.extend(len(key).to_le_bytes());
        file.extend(subject_len.to_le_bytes());
        file.extend(len(&self.bytes).to_le_bytes());
        file.extend(key);
        file.extend(subject);
        file.extend(&self.bytes);
        let checksum = Sha256::digest(&file);
        file.extend(checksum);
        Ok(file)
    }

    /// Decodes a file. `Err` names the fault in its contents.
    pub(crate) fn decode(file: Vec<u8>) -> Result<Self, &'static str> {
        let file = Bytes::from(file);
        let expires_at = ends_at(&file)?;
        let (signed, checksum) = file
            .len()
            .checked_sub(CHECKSUM)
            .map(|end| file.split_at(end))
            .ok_or("cut short")?;
        let header = signed.get(..HEADER).ok_or("cut short")?;
        let key_len = number(header, 16);
        let subject_len = number(header, 20);
        let record_len = number(header, 24) as usize;
        let has_subject = subject_len != NO_SUBJECT;

        let key_end = HEADER.checked_add(key_len as usize);
        let subject_end = match has_subject {
            true => key_end.and_then(|end| end.checked_add(subject_len as usize)),
            false => key_end,
        };
        let (Some(key_end), Some(subject_end)) = (key_end, subject_end) else {
            return Err("impossible length");
        };
        if subject_end.checked_add(record_len) != Some(signed.len()) {
            return Err("wrong length");
        }
        if Sha256::digest(signed)[..] != *checksum {
            return Err("wrong checksum");
        }
        let text = |from, to| std::str::from_utf8(&signed[from..to]).map_err(|_| "not text");
        let key = Key::new(text(HEADER, key_end)?).ok_or("impossible key")?;
        let subject = match has_subject {
            true => Some(text(key_end, subject_end)?.into()),
            false => None,
        };
        Ok(Self {
            key,
            subject,
            expires_at,
            bytes: file.slice(subject_end..subject_end + record_len),
        })
    }
}

/// When the record ends, by the first [`PEEK`] bytes of its file. Not covered by a checksum: a hint
/// where to look.
pub(crate) fn ends_at(start: &[u8]) -> Result<UnixTime, &'static str> {
    let Some((start, _)) = start.split_first_chunk::<PEEK>() else {
        return Err("cut short");
    };
    let [magic @ .., a, b, c, d, e, f, g, h] = start;
    match magic.strip_prefix(&MAGIC) {
        Some([VERSION]) => Ok(UnixTime::from_secs(u64::from_le_bytes([
            *a, *b, *c, *d, *e, *f, *g, *h,
        ]))),
        Some(_) => Err("another version of the format"),
        None => Err("no record of this store"),
    }
}

fn number(header: &[u8], at: usize) -> u32 {
    let bytes = header.get(at..at + 4).and_then(<[u8]>::first_chunk);
    u32::from_le_bytes(bytes.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(subject: Option<&str>) -> Vec<u8> {
        let record = Record {
            key: Key::new("session:abc").unwrap(),
            subject: subject.map(Into::into),
            expires_at: UnixTime::from_secs(7),
            bytes: Bytes::from_static(b"record"),
        };
        record.encode().unwrap()
    }

    #[test]
    fn encoded_values_are_decoded() {
        for subject in [None, Some(""), Some("ada")] {
            let record = Record::decode(sample(subject)).unwrap();
            assert_eq!(record.key.as_str(), "session:abc");
            assert_eq!(record.subject.as_deref(), subject);
            assert_eq!(record.expires_at.as_secs(), 7);
            assert_eq!(record.bytes, "record");
        }
    }

    // R52, R60: no torn, foreign or bent file is ever taken for a record.
    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let file = sample(Some("ada"));
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut bent = file.clone();
                bent[at] ^= 1 << bit;
                assert!(Record::decode(bent).is_err(), "bit {bit} of byte {at}");
            }
            assert!(Record::decode(file[..at].to_vec()).is_err(), "cut at {at}");
        }
        let mut longer = file;
        longer.push(0);
        assert!(Record::decode(longer).is_err());
    }
}
