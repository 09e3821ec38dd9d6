//! The record's bytes, format version 1: CBOR (RFC 8949), definite lengths only.
//!
//! ```text
//! [1, recent writers, created, authenticated / null, subject / null, [successor, until] / null,
//!  [idle / null, absolute / null, persistent] / null, seed, {name: encoded value, …}]
//! ```
//!
//! Values are byte strings that hold CBOR, so that a reader can step over those it does not want. Names are in ascending
//! order of their bytes, so that two records can be merged in one pass and no name stands twice.

use bytes::Bytes;
use ciborium_ll::{Decoder, Encoder, Header, simple};
use std::ops::Range;
use std::time::Duration;

use crate::config::Limits;
use crate::{Error, Expiry, Key, UnixTime};

const VERSION: u64 = 1;
const FIELDS: usize = 9;
const NONCE_LEN: usize = 8;
/// How many of its last writers a record remembers. See `Record::written_by`.
const RECENT: usize = 8;
const MAX_NAME: usize = 255;

/// Marks one write of one exchange.
pub(crate) type Nonce = [u8; NONCE_LEN];
/// What the CSRF token of a session is made from.
pub(crate) type Seed = [u8; 16];

/// A record, checked as a whole when it is decoded; values stay encoded.
#[derive(Clone)]
pub(crate) struct Record {
    bytes: Bytes,
    recent: Range<usize>,
    pub(crate) created: UnixTime,
    pub(crate) authenticated: Option<UnixTime>,
    subject: Option<Range<usize>>,
    pub(crate) retired: Option<Retired>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) seed: Seed,
    values: usize,
    count: usize,
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
}

impl Record {
    /// Checks the whole record, in one pass that allocates nothing.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let mut cursor = Cursor { bytes, at: 0 };
        let fields = cursor.array().ok_or(Error::Corrupt)?;
        let version = cursor.uint().ok_or(Error::Corrupt)?;
        if version > VERSION {
            return Err(Error::NewerRecord { version });
        }
        if fields != FIELDS || version != VERSION {
            return Err(Error::Corrupt);
        }
        Self::fields(&mut cursor, bytes).ok_or(Error::Corrupt)
    }

    fn fields(cursor: &mut Cursor<'_>, bytes: &Bytes) -> Option<Self> {
        let recent = cursor.bytes()?;
        if recent.is_empty() || recent.len() % NONCE_LEN != 0 || recent.len() > RECENT * NONCE_LEN {
            return None;
        }
        let created = cursor.time()?;
        let authenticated = cursor.optional(Cursor::time)?;
        let subject = cursor.optional(Cursor::text)?;
        let retired = cursor.optional(|cursor| {
            (cursor.array()? == 2).then_some(())?;
            let successor = cursor.text()?;
            let successor = Key::new(std::str::from_utf8(cursor.bytes.get(successor)?).ok()?)?;
            Some(Retired {
                successor,
                until: cursor.time()?,
            })
        })?;
        let expiry = cursor.optional(|cursor| {
            (cursor.array()? == 3).then_some(())?;
            let idle = cursor.optional(Cursor::uint)?.map(Duration::from_secs);
            let absolute = cursor.optional(Cursor::uint)?.map(Duration::from_secs);
            Some(Expiry {
                idle,
                absolute,
                persistent: cursor.bool()?,
            })
        })?;
        let seed = cursor.bytes.get(cursor.bytes()?)?.try_into().ok()?;
        let count = cursor.map()?;
        let values = cursor.at;
        let mut previous: &[u8] = &[];
        for _ in 0..count {
            let name = cursor.text()?;
            let name = cursor.bytes.get(name)?;
            // Strictly ascending: also rules out the empty name and doubles.
            if name <= previous || name.len() > MAX_NAME {
                return None;
            }
            previous = name;
            cursor.bytes()?;
        }
        (cursor.at == bytes.len()).then(|| Self {
            bytes: bytes.clone(),
            recent,
            created,
            authenticated,
            subject,
            retired,
            expiry,
            seed,
            values,
            count,
        })
    }

    /// Whether the bytes contain a write with this nonce among the last ones.
    pub(crate) fn written_by(&self, nonce: &Nonce) -> bool {
        self.recent()
            .chunks_exact(NONCE_LEN)
            .any(|recent| recent == nonce)
    }

    /// The nonce of the last write.
    pub(crate) fn writer(&self) -> Nonce {
        let mut nonce = Nonce::default();
        if let Some(first) = self.recent().get(..NONCE_LEN) {
            nonce.copy_from_slice(first);
        }
        nonce
    }

    fn recent(&self) -> &[u8] {
        self.bytes.get(self.recent.clone()).unwrap_or_default()
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        let range = self.subject.clone()?;
        std::str::from_utf8(self.bytes.get(range)?).ok()
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.values()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Names and encoded values, in ascending order of the names' bytes.
    pub(crate) fn values(&self) -> Values<'_> {
        Values {
            cursor: Cursor {
                bytes: &self.bytes,
                at: self.values,
            },
            left: self.count,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Values<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = self.cursor.text()?;
        let value = self.cursor.bytes()?;
        Some((
            std::str::from_utf8(self.cursor.bytes.get(name)?).ok()?,
            self.cursor.bytes.get(value)?,
        ))
    }
}

/// Encodes a record. `values` must be in ascending order of the names' bytes.
pub(crate) fn encode<'a>(
    head: &Head<'_>,
    values: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    limits: Limits,
) -> Result<Bytes, Error> {
    let (count, size) =
        values
            .clone()
            .fold((0, 0), |(count, size): (usize, usize), (name, value)| {
                (count + 1, size + name.len() + value.len() + 8)
            });
    if count > limits.values {
        return Err(Error::TooLarge {
            what: "the number of session values is",
            limit: limits.values,
        });
    }
    let older = head.after.map_or(&[][..], Record::recent);
    let older = older.get(..(RECENT - 1) * NONCE_LEN).unwrap_or(older);
    let subject = head.subject.map_or(0, str::len);
    let successor = head
        .retired
        .map_or(0, |retired| retired.successor.as_str().len() + 12);

    let mut out = Output(Vec::with_capacity(
        size + older.len() + subject + successor + 96,
    ));
    out.header(Header::Array(Some(FIELDS)));
    out.uint(VERSION);
    out.header(Header::Bytes(Some(NONCE_LEN + older.len())));
    out.0.extend_from_slice(&head.writer);
    out.0.extend_from_slice(older);
    out.uint(head.created.as_secs());
    out.optional(head.authenticated, |out, at| out.uint(at.as_secs()));
    out.optional(head.subject, Output::text);
    out.optional(head.retired, |out, retired| {
        out.header(Header::Array(Some(2)));
        out.text(retired.successor.as_str());
        out.uint(retired.until.as_secs());
    });
    out.optional(head.expiry, |out, expiry| {
        out.header(Header::Array(Some(3)));
        out.optional(expiry.idle, |out, idle| out.uint(idle.as_secs()));
        out.optional(expiry.absolute, |out, absolute| {
            out.uint(absolute.as_secs())
        });
        out.header(Header::Simple(if expiry.persistent {
            simple::TRUE
        } else {
            simple::FALSE
        }));
    });
    out.bytes(&head.seed);
    out.header(Header::Map(Some(count)));
    for (name, value) in values {
        out.text(name);
        out.bytes(value);
    }
    if out.0.len() > limits.record_bytes {
        return Err(Error::TooLarge {
            what: "the session's record is",
            limit: limits.record_bytes,
        });
    }
    Ok(Bytes::from(out.0))
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

struct Output(Vec<u8>);

impl Output {
    fn header(&mut self, header: Header) {
        // Writing to a `Vec` cannot fail.
        let _ = Encoder::from(&mut self.0).push(header);
    }

    fn uint(&mut self, value: u64) {
        self.header(Header::Positive(value));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.header(Header::Bytes(Some(bytes.len())));
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.header(Header::Text(Some(text.len())));
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.header(Header::Simple(simple::NULL)),
        }
    }
}

#[derive(Clone)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn header(&mut self) -> Option<Header> {
        let mut decoder = Decoder::from(self.bytes.get(self.at..)?);
        let header = decoder.pull().ok()?;
        self.at += decoder.offset();
        Some(header)
    }

    fn uint(&mut self) -> Option<u64> {
        match self.header()? {
            Header::Positive(value) => Some(value),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<UnixTime> {
        self.uint().map(UnixTime::from_secs)
    }

    fn bool(&mut self) -> Option<bool> {
        match self.header()? {
            Header::Simple(simple::TRUE) => Some(true),
            Header::Simple(simple::FALSE) => Some(false),
            _ => None,
        }
    }

    fn array(&mut self) -> Option<usize> {
        match self.header()? {
            Header::Array(len) => len,
            _ => None,
        }
    }

    fn map(&mut self) -> Option<usize> {
        match self.header()? {
            Header::Map(len) => len,
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<Range<usize>> {
        match self.header()? {
            Header::Bytes(len) => self.skip(len?),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Range<usize>> {
        match self.header()? {
            Header::Text(len) => {
                let range = self.skip(len?)?;
                std::str::from_utf8(self.bytes.get(range.clone())?).ok()?;
                Some(range)
            }
            _ => None,
        }
    }

    fn skip(&mut self, len: usize) -> Option<Range<usize>> {
        let end = self
            .at
            .checked_add(len)
            .filter(|end| *end <= self.bytes.len())?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }

    /// `Some(None)` for null.
    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        let start = self.at;
        if let Header::Simple(simple::NULL) = self.header()? {
            return Some(None);
        }
        self.at = start;
        read(self).map(Some)
    }
}
