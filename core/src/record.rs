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
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::config::Limits;
use crate::{Error, Expiry, Key, Stored, UnixTime};

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

/// A name in the order of the bytes, and the first eight of them, with which most is decided.
#[derive(Clone, Copy, Default)]
struct Name<'a> {
    /// As a number in the order of the bytes; what a short name lacks is zero.
    start: u64,
    text: &'a [u8],
}

/// For each length below 24 the bytes of the start that belong to the name.
const STARTS: [u64; 24] = {
    let mut starts = [u64::MAX; 24];
    let mut len = 0;
    while len < 8 {
        starts[len] = !(u64::MAX >> (8 * len));
        len += 1;
    }
    starts
};

/// The bits that no ASCII has.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

impl<'a> Name<'a> {
    fn new(text: &'a [u8]) -> Self {
        let start = match text.first_chunk() {
            Some(chunk) => u64::from_be_bytes(*chunk),
            // From the last byte to the first.
            None => (text.iter().rev()).fold(0, |start, byte| start >> 8 | u64::from(*byte) << 56),
        };
        Self { start, text }
    }

    #[inline(always)]
    fn first_half(&self) -> u32 {
        (self.start >> 32) as u32
    }

    #[inline(always)]
    fn compare(&self, other: &Self) -> Ordering {
        match self.start.cmp(&other.start) {
            Ordering::Equal => self.text.cmp(other.text),
            unequal => unequal,
        }
    }

    #[inline(always)]
    fn follows(&self, previous: &Self) -> bool {
        self.start > previous.start || (self.start == previous.start && self.text > previous.text)
    }

    #[inline(always)]
    fn is_valid(&self) -> bool {
        // Most names are short and ASCII.
        (self.text.len() <= 8 && self.start & NOT_ASCII == 0) || self.is_long_valid()
    }

    fn is_long_valid(&self) -> bool {
        self.text.len() <= MAX_NAME && std::str::from_utf8(self.text).is_ok()
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

/// Names and what they are set to, in ascending order of the names' bytes.
pub(crate) type Changes<'a> = SmallVec<[(&'a [u8], Option<&'a [u8]>); 4]>;

/// Encodes a record: the values of `base` with these changes. What lies between changes is copied as it is.
pub(crate) fn encode(
    head: &Head<'_>,
    base: Option<&Record>,
    changes: &Changes<'_>,
    limits: Limits,
) -> Result<Bytes, Error> {
    let (old, first) = base.map_or((&[][..], 0), |base| {
        (&base.stored.bytes[..], base.offset(0))
    });
    let (mut count, mut cut) = (base.map_or(0, Record::count), 0);
    let mut cuts: SmallVec<[Range<usize>; 4]> = SmallVec::new();
    for (name, value) in changes {
        let place = base.map_or(first..first, |base| base.place(name));
        count = count + usize::from(value.is_some()) - usize::from(!place.is_empty());
        cut += place.len();
        cuts.push(place);
    }
    if count > limits.values {
        return Err(Error::TooLarge {
            what: "the number of session values is",
            limit: limits.values,
        });
    }
    let mut length = Output(Length(0));
    length.head(head, count);

    let set = changes
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    let added: usize = set
        .map(|(name, value)| string_len(name.len()) + string_len(value.len()))
        .sum();
    let size = length.0.0 + (old.len() - first - cut) + added;
    if size > limits.record_bytes {
        return Err(Error::TooLarge {
            what: "the session's record is",
            limit: limits.record_bytes,
        });
    }
    // Of the exact size: a vector with room to spare costs another allocation when it is turned into `Bytes`.
    let (mut out, mut from) = (Output(Vec::with_capacity(size)), first);
    out.head(head, count);
    for ((name, value), cut) in changes.iter().zip(&cuts) {
        out.0
            .extend_from_slice(old.get(from..cut.start).unwrap_or_default());
        from = cut.end;
        if let Some(value) = value {
            out.name(name);
            out.bytes(value);
        }
    }
    out.0.extend_from_slice(old.get(from..).unwrap_or_default());
    Ok(Bytes::from(out.0))
}

/// A record that says nothing.
pub(crate) fn unmarked() -> Result<Bytes, Error> {
    let head = Head {
        writer: Nonce::default(),
        after: None,
        created: UnixTime::default(),
        authenticated: None,
        subject: None,
        retired: None,
        expiry: None,
        seed: Seed::default(),
        marked: false,
    };
    encode(&head, None, &Changes::new(), Limits::NONE)
}

/// Names and encoded values as one CBOR map.
pub(crate) fn map<'a>(values: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Vec<u8> {
    let mut out = Output(Vec::new());
    out.len(MAP, values.clone().count());
    for (name, value) in values {
        out.name(name);
        out.0.extend_from_slice(value);
    }
    out.0
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

/// How many bytes a string of this length takes.
fn string_len(len: usize) -> usize {
    len + match len as u64 {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

struct Output<B>(B);

trait Buffer {
    fn append(&mut self, bytes: &[u8]);
}

impl Buffer for Vec<u8> {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// How much would be written.
struct Length(usize);

impl Buffer for Length {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

impl<B: Buffer> Output<B> {
    /// Everything before the values.
    fn head(&mut self, head: &Head<'_>, count: usize) {
        let older = head.after.map_or(&[][..], Record::recent);
        let older = older.get(..(RECENT - 1) * NONCE_LEN).unwrap_or(older);
        self.len(ARRAY, FIELDS);
        self.uint(VERSION);
        self.len(BYTES, NONCE_LEN + older.len());
        self.0.append(&head.writer);
        self.0.append(older);
        self.uint(head.created.as_secs());
        self.optional(head.authenticated, |out, at| out.uint(at.as_secs()));
        self.optional(head.subject, |out, subject| out.name(subject.as_bytes()));
        self.optional(head.retired, |out, retired| {
            out.len(ARRAY, 2);
            out.name(retired.successor.as_bytes());
            out.uint(retired.until.as_secs());
        });
        self.optional(head.expiry, |out, expiry| {
            out.len(ARRAY, 3);
            out.optional(expiry.idle, |out, idle| out.uint(idle.as_secs()));
            out.optional(expiry.absolute, |out, absolute| {
                out.uint(absolute.as_secs());
            });
            let persistent = match expiry.persistent {
                Some(true) => TRUE,
                Some(false) => NULL,
                None => FALSE,
            };
            out.item(SIMPLE, persistent);
        });
        self.bytes(&head.seed);
        self.len(MAP, count);
    }

    #[inline]
    fn item(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        let bytes = argument.to_be_bytes();
        let (short, len) = match argument {
            0..24 => {
                self.0.append(&[major | bytes[7]]);
                return;
            }
            24..0x100 => {
                self.0.append(&[major | 24, bytes[7]]);
                return;
            }
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        self.0.append(&[major | short]);
        self.0.append(bytes.get(8 - len..).unwrap_or_default());
    }

    fn uint(&mut self, value: u64) {
        self.item(UINT, value);
    }

    fn len(&mut self, major: u8, len: usize) {
        self.item(major, len as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.len(BYTES, bytes.len());
        self.0.append(bytes);
    }

    /// Text that is known to be UTF-8.
    fn name(&mut self, text: &[u8]) {
        self.len(TEXT, text.len());
        self.0.append(text);
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.item(SIMPLE, NULL),
        }
    }
}

/// Reads CBOR of definite lengths: all that `encode` writes. By hand, because it is the hot path of every request that has
/// a session.
#[derive(Clone)]
struct Cursor<'a> {
    /// Of the whole record.
    len: usize,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        let rest = bytes.get(at..).unwrap_or_default();
        Self {
            len: bytes.len(),
            rest,
        }
    }

    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// The argument of the next item, if that is of this major type (RFC 8949, section 3).
    #[inline(always)]
    fn item(&mut self, major: u8) -> Option<u64> {
        let (first, rest) = self.rest.split_first()?;
        let short = first ^ (major << 5);
        if short < 24 {
            self.rest = rest;
            return Some(u64::from(short));
        }
        if short == 24 {
            let (argument, rest) = rest.split_first()?;
            self.rest = rest;
            return Some(u64::from(*argument));
        }
        self.long_item(short, rest)
    }

    fn long_item(&mut self, short: u8, rest: &'a [u8]) -> Option<u64> {
        let (argument, len) = match short {
            25 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            26 => (u64::from(u32::from_be_bytes(*rest.first_chunk()?)), 4),
            27 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            // Another type, or no definite length.
            _ => return None,
        };
        self.rest = rest.get(len..)?;
        Some(argument)
    }

    fn uint(&mut self) -> Option<u64> {
        self.item(UINT)
    }

    fn time(&mut self) -> Option<UnixTime> {
        self.uint().map(UnixTime::from_secs)
    }

    #[inline(always)]
    fn len(&mut self, major: u8) -> Option<usize> {
        self.item(major)?.try_into().ok()
    }

    fn bool(&mut self) -> Option<bool> {
        match self.item(SIMPLE)? {
            TRUE => Some(true),
            FALSE => Some(false),
            _ => None,
        }
    }

    /// The bytes of a byte string, or of a text: those are not checked to be UTF-8.
    #[inline(always)]
    fn string(&mut self, major: u8) -> Option<&'a [u8]> {
        let len = self.len(major)?;
        let (string, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(string)
    }

    /// Checks all values, and finds where their entries begin.
    fn entries(&mut self, count: usize) -> Option<SmallVec<[Entry; 16]>> {
        // Hostile counts get no memory: an entry has two bytes at least. And all that follows is within four bytes' reach.
        if count > self.rest.len() / 2 || u32::try_from(self.len).is_err() {
            return None;
        }
        let mut entries = SmallVec::<[Entry; 16]>::from_elem(Entry::default(), count);
        let mut previous = Name::default();
        for entry in &mut entries {
            entry.at = self.at() as u32;
            if let Some((name, rest)) = self.short_entry(previous.start) {
                (previous, self.rest) = (name, rest);
            } else {
                let name = self.name()?;
                // Strictly ascending: also rules out the empty name and doubles.
                if !name.follows(&previous) || !name.is_valid() {
                    return None;
                }
                previous = name;
                self.string(BYTES)?;
            }
            entry.start = previous.first_half();
        }
        Some(entries)
    }

    /// Most entries: an ASCII name of at most eight bytes whose start is above this, and a value of less than 256 bytes. With what
    /// follows the entry.
    #[inline(always)]
    fn short_entry(&self, previous: u64) -> Option<(Name<'a>, &'a [u8])> {
        let (name, rest) = self.short_name()?;
        if name.start <= previous || name.start & NOT_ASCII != 0 || name.text.len() > 8 {
            return None;
        }
        let (head, rest) = rest.split_first()?;
        let rest = match head ^ (BYTES << 5) {
            len @ 0..24 => rest.get(usize::from(len)..)?,
            24 => {
                let (len, rest) = rest.split_first()?;
                rest.get(usize::from(*len)..)?
            }
            _ => return None,
        };
        Some((name, rest))
    }

    /// A name of less than 24 bytes, if there are nine bytes at hand.
    #[inline(always)]
    fn short_name(&self) -> Option<(Name<'a>, &'a [u8])> {
        let (head, chunk) = self.rest.first_chunk::<9>()?.split_first()?;
        let len = usize::from(head ^ (TEXT << 5));
        let start = u64::from_be_bytes(*chunk.first_chunk()?) & STARTS.get(len)?;
        let (text, rest) = self.rest.get(1..)?.split_at_checked(len)?;
        Some((Name { start, text }, rest))
    }

    /// A text that is not checked to be UTF-8.
    #[inline(always)]
    fn name(&mut self) -> Option<Name<'a>> {
        if let Some((name, rest)) = self.short_name() {
            self.rest = rest;
            return Some(name);
        }
        self.string(TEXT).map(Name::new)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string(TEXT)?).ok()
    }

    /// Where the string is that was read last.
    fn range(&self, string: &[u8]) -> Range<usize> {
        self.at() - string.len()..self.at()
    }

    /// `Some(None)` for null.
    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.rest.split_first()? {
            (first, rest) if *first == (SIMPLE << 5 | NULL as u8) => {
                self.rest = rest;
                Some(None)
            }
            _ => read(self).map(Some),
        }
    }
}
