//! One record: its bytes in one shared allocation, and the shard's data about it.

use bytes::Bytes;
use cloakroom_store::{Key, Stored, UnixTime, Write};

/// No slot: the end of a list.
pub(crate) const NIL: u32 = u32::MAX;

/// A record's overhead, rounded up: its slot, its share of freshly grown tables, and its buffer's
/// reference count. `benches/memory.rs` measures it.
pub(crate) const OVERHEAD: usize = 128;

const LENGTH: usize = size_of::<u64>();

/// 56 bytes: there may be millions of them.
pub(crate) struct Record {
    /// Key, value, and, if there is a subject, the subject and its length. Shared: a load hands out
    /// a reference to the value inside it, and copies nothing.
    buffer: Bytes,
    /// No two writes of a store have the same. Zero until the shard sets it.
    pub(crate) version: u64,
    // Forty bits of seconds reach beyond `UnixTime::MAX`; a whole word would make the record 64
    // bytes.
    expires_low: u32,
    expires_high: u8,
    key_len: u8,
    has_subject: bool,
    /// The expiry list that the record is in, and its neighbours there.
    pub(crate) list: u8,
    pub(crate) previous: u32,
    pub(crate) next: u32,
}

impl Record {
    pub(crate) fn new(key: &Key, write: &Write) -> Self {
        let (key, subject) = (key.as_bytes(), write.subject.as_deref());
        let tail = subject.map_or(0, |subject| subject.len() + LENGTH);
        // Exactly this capacity: more would stay allocated as long as the record lives.
        let mut buffer = Vec::with_capacity(key.len() + write.bytes.len() + tail);
        buffer.extend_from_slice(key);
        buffer.extend_from_slice(&write.bytes);
        if let Some(subject) = subject {
            buffer.extend_from_slice(subject.as_bytes());
            buffer.extend_from_slice(&(subject.len() as u64).to_le_bytes());
        }
        let mut record = Self {
            buffer: buffer.into(),
            version: 0,
            expires_low: 0,
            expires_high: 0,
            // A key has at most `Key::MAX_LEN` bytes, 250.
            key_len: key.len() as u8,
            has_subject: subject.is_some(),
            list: 0,
            previous: NIL,
            next: NIL,
        };
        record.set_expires(write.expires_at.as_secs());
        record
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.buffer[..usize::from(self.key_len)]
    }

    pub(crate) fn subject(&self) -> Option<&[u8]> {
        if !self.has_subject {
            return None;
        }
        let (rest, length) = self.buffer.split_last_chunk::<LENGTH>()?;
        let length = u64::from_le_bytes(*length) as usize;
        Some(&rest[rest.len() - length..])
    }

    /// The record as a load returns it. Allocates at most once in the record's life (the count of
    /// references).
    pub(crate) fn stored(&self) -> Stored {
        let tail = self.subject().map_or(0, |subject| subject.len() + LENGTH);
        let value = usize::from(self.key_len)..self.buffer.len() - tail;
        let expires_at = UnixTime::from_secs(self.expires());
        Stored::new(self.buffer.slice(value), expires_at, self.version)
    }

    /// In seconds since the epoch.
    pub(crate) fn expires(&self) -> u64 {
        u64::from(self.expires_high) << 32 | u64::from(self.expires_low)
    }

    /// `seconds` come from a `UnixTime`, so they fit.
    pub(crate) fn set_expires(&mut self, seconds: u64) {
        self.expires_low = seconds as u32;
        self.expires_high = (seconds >> 32) as u8;
    }

    /// The record's share of `max_bytes`.
    pub(crate) fn cost(&self) -> usize {
        self.buffer.len() + OVERHEAD
    }
}
