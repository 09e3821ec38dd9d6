//! The record's bytes, format version 1: CBOR (RFC 8949), definite lengths only.
//!
//! ```text
//! [1, recent writers, created, authenticated / null, subject / null, [successor, until] / null,
//!  [idle / null, absolute / null, persistent] / null, seed, {name: encoded value, …}]
//! ```
//!
//! Values are byte strings that hold CBOR, so that a reader can step over those it does not want. Names are in ascending
//! order of their bytes, so that two records can be merged in one pass and no name stands twice.

mod name;
mod read;
mod write;

use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::{Error, Expiry, Key, Stored, UnixTime};

pub(crate) use self::write::{Changes, encode, map, unmarked};

use self::name::Name;
use self::read::Cursor;
use self::write::{Length, Output};

const VERSION: u64 = 1;
const FIELDS: usize = 9;
const NONCE_LEN: usize = 8;
/// How many of its last writers a record remembers. See `Record::written_by`.
const RECENT: usize = 8;
const MAX_NAME: usize = 255;

// Major types and simple values of CBOR (RFC 8949, sections 3.1 and 3.3).
const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;
const FALSE: u64 = 20;
const TRUE: u64 = 21;
const NULL: u64 = 22;

/// Marks one write of one exchange.
pub(crate) type Nonce = [u8; NONCE_LEN];
/// What the CSRF token of a session is made from.
pub(crate) type Seed = [u8; 16];

/// A record, checked as a whole when it is decoded; values stay encoded.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) stored: Stored,
    recent: Range<usize>,
    pub(crate) created: UnixTime,
    pub(crate) authenticated: Option<UnixTime>,
    subject: Option<Range<usize>>,
    pub(crate) retired: Option<Box<Retired>>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) seed: Seed,
    /// In ascending order of the names.
    entries: SmallVec<[Entry; 16]>,
    /// Set if `stored` is a translation of what the store has.
    pub(crate) foreign: Option<Box<Foreign>>,
}

/// Where a value's entry is.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// The first four bytes of the name, with which most is decided. See `Name`.
    start: u32,
    at: u32,
}

/// A record of another format.
#[derive(Clone)]
pub(crate) struct Foreign {
    /// As the store has it.
    pub(crate) stored: Stored,
    /// Whether this library's own part was in it.
    pub(crate) marked: bool,
}

/// What makes a record a retired one: who follows it, and until when its data can be read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) successor: Key,
    pub(crate) until: UnixTime,
}

/// Everything of a record but its values.
pub(crate) struct Head<'a> {
    pub(crate) writer: Nonce,
    /// The record that this one replaces, if any: its writers are remembered.
    pub(crate) after: Option<&'a Record>,
    pub(crate) created: UnixTime,
    pub(crate) authenticated: Option<UnixTime>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) retired: Option<&'a Retired>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) seed: Seed,
    /// Whether the record must be told apart from all others, in a format that has room for that only where it is needed.
    pub(crate) marked: bool,
}

impl Record {
    /// Checks the whole record, in one pass that allocates nothing.
    #[inline]
    pub(crate) fn decode(stored: Stored) -> Result<Self, Error> {
        let mut cursor = Cursor::new(&stored.bytes, 0);
        let fields = cursor.len(ARRAY).ok_or(Error::Corrupt)?;
        let version = cursor.uint().ok_or(Error::Corrupt)?;
        if version > VERSION {
            return Err(Error::NewerRecord { version });
        }
        if fields != FIELDS || version != VERSION {
            return Err(Error::Corrupt);
        }
        let at = cursor.at();
        Self::fields(stored, at).ok_or(Error::Corrupt)
    }

    #[inline(always)]
    fn fields(stored: Stored, at: usize) -> Option<Self> {
        let mut cursor = Cursor::new(&stored.bytes, at);
        let recent = cursor.string(BYTES)?;
        if recent.is_empty() || recent.len() % NONCE_LEN != 0 || recent.len() > RECENT * NONCE_LEN {
            return None;
        }
        let recent = cursor.range(recent);
        let created = cursor.time()?;
        let authenticated = cursor.optional(Cursor::time)?;
        let subject = cursor.optional(Cursor::text)?;
        let subject = subject.map(|subject| cursor.range(subject.as_bytes()));
        let retired = cursor.optional(|cursor| {
            (cursor.len(ARRAY)? == 2).then_some(())?;
            let successor = Key::new(cursor.text()?)?;
            let until = cursor.time()?;
            Some(Box::new(Retired { successor, until }))
        })?;
        let expiry = cursor.optional(|cursor| {
            (cursor.len(ARRAY)? == 3).then_some(())?;
            let idle = cursor.optional(Cursor::uint)?.map(Duration::from_secs);
            let absolute = cursor.optional(Cursor::uint)?.map(Duration::from_secs);
            // False is from before there were three of them.
            let persistent = cursor.optional(Cursor::bool)?;
            let persistent = persistent.map_or(Some(false), |known| known.then_some(true));
            Some(Expiry {
                idle,
                absolute,
                persistent,
            })
        })?;
        let seed = cursor.string(BYTES)?.try_into().ok()?;
        let count = cursor.len(MAP)?;
        let entries = cursor.entries(count)?;
        cursor.rest.is_empty().then_some(())?;
        Some(Self {
            stored,
            recent,
            created,
            authenticated,
            subject,
            retired,
            expiry,
            seed,
            entries,
            foreign: None,
        })
    }

    /// Whether the bytes contain a write with this nonce among the last ones.
    pub(crate) fn written_by(&self, nonce: &Nonce) -> bool {
        self.recent()
            .chunks_exact(NONCE_LEN)
            .any(|recent| recent == nonce)
    }

    /// Whether no write of this library that needs to be told apart can have been forgotten. In a format of its own, whose records
    /// may be written by others: a writer that overwrites blindly takes the marks away together with what they stand for, and
    /// writes that left none do the same if they happen again.
    pub(crate) fn knows_all(&self) -> bool {
        self.foreign.is_some() && self.recent.len() < RECENT * NONCE_LEN
    }

    /// The nonce of the last write.
    pub(crate) fn writer(&self) -> Nonce {
        let mut nonce = Nonce::default();
        if let Some(first) = self.recent().get(..NONCE_LEN) {
            nonce.copy_from_slice(first);
        }
        nonce
    }

    /// The record as the store has it.
    pub(crate) fn as_stored(&self) -> &Stored {
        self.foreign
            .as_ref()
            .map_or(&self.stored, |foreign| &foreign.stored)
    }

    pub(crate) fn into_stored(self) -> Stored {
        self.foreign.map_or(self.stored, |foreign| foreign.stored)
    }

    /// Whether writers, times and seed are known.
    pub(crate) fn is_marked(&self) -> bool {
        self.foreign.as_ref().is_none_or(|foreign| foreign.marked)
    }

    pub(crate) fn seed(&self) -> Option<Seed> {
        self.is_marked().then_some(self.seed)
    }

    pub(crate) fn forget_writers(&mut self) {
        self.recent = 0..0;
    }

    /// The bytes of this record if it had no values.
    pub(crate) fn without_values(&self) -> Vec<u8> {
        let mut header = Output(Length(0));
        header.len(MAP, self.count());
        let head = self.offset(0).checked_sub(header.0.0);
        let head = head.and_then(|head| self.stored.bytes.get(..head));
        let mut out = Output(head.unwrap_or_default().to_vec());
        out.len(MAP, 0);
        out.0
    }

    /// The bytes of this record, which has no values, with these.
    pub(crate) fn with_values(&self, values: &BTreeMap<String, Vec<u8>>) -> Bytes {
        let head = self.stored.bytes.len().saturating_sub(1);
        let head = self.stored.bytes.get(..head).unwrap_or_default();
        let mut out = Output(head.to_vec());
        out.len(MAP, values.len());
        for (name, value) in values {
            out.name(name.as_bytes());
            out.bytes(value);
        }
        out.0.into()
    }

    fn recent(&self) -> &[u8] {
        self.stored
            .bytes
            .get(self.recent.clone())
            .unwrap_or_default()
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        let range = self.subject.clone()?;
        std::str::from_utf8(self.stored.bytes.get(range)?).ok()
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        let at = self.offset(self.find(name.as_bytes()).ok()?);
        let mut cursor = Cursor::new(&self.stored.bytes, at);
        cursor.string(TEXT)?;
        cursor.string(BYTES)
    }

    /// The number of the entry with this name, or of the one before which it belongs.
    fn find(&self, wanted: &[u8]) -> Result<usize, usize> {
        let (bytes, wanted) = (&self.stored.bytes[..], Name::new(wanted));
        let start = wanted.first_half();
        self.entries.binary_search_by(|entry| {
            entry.start.cmp(&start).then_with(|| {
                let found = Cursor::new(bytes, entry.at as usize).name();
                found.unwrap_or_default().compare(&wanted)
            })
        })
    }

    /// Where the entry with this name is, or an empty place where it belongs.
    fn place(&self, name: &[u8]) -> Range<usize> {
        match self.find(name) {
            Ok(number) => self.offset(number)..self.offset(number + 1),
            Err(number) => self.offset(number)..self.offset(number),
        }
    }

    /// Where an entry begins; behind the last one is the end of the record.
    fn offset(&self, number: usize) -> usize {
        let end = self.stored.bytes.len();
        (self.entries.get(number)).map_or(end, |entry| entry.at as usize)
    }

    /// Names (UTF-8) and encoded values, in ascending order of the names' bytes.
    pub(crate) fn values(&self) -> Values<'_> {
        Values {
            cursor: Cursor::new(&self.stored.bytes, self.offset(0)),
            left: self.count(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Values<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.cursor.string(TEXT)?, self.cursor.string(BYTES)?))
    }
}

/// Whether a value may have this name.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let valid = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    if valid {
        Ok(())
    } else {
        Err(Error::InvalidName)
    }
}
