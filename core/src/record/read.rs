//! Decodes records.

use std::ops::Range;

use smallvec::SmallVec;

use crate::UnixTime;
use crate::assurance;
use crate::epoch::MAX_EPOCH;

use super::cbor::{ARRAY, BYTES, EPOCH, FALSE, NULL, SIMPLE, TEXT, TRUE, UINT};
use super::name::{NOT_ASCII, Name, STARTS};

/// Returns the number in an epoch's record.
pub(crate) fn decode_epoch(bytes: &[u8]) -> Option<u64> {
    let mut cursor = Cursor::new(bytes, 0);
    (cursor.len(ARRAY)? == 2 && cursor.text()? == EPOCH).then_some(())?;
    let number = cursor.uint().filter(|number| *number <= MAX_EPOCH)?;
    cursor.rest.is_empty().then_some(number)
}

/// Returns the level and the methods of a sign-in, from the part of a record that has them.
pub(crate) fn decode_assurance(bytes: &[u8]) -> Option<(u8, SmallVec<[&str; 4]>)> {
    let mut cursor = Cursor::new(bytes, 0);
    let methods = cursor.len(ARRAY)?.checked_sub(1)?;
    let level = cursor.uint()?.try_into().ok()?;
    let methods = (0..methods.min(assurance::MAX_METHODS)).map(|_| cursor.text());
    Some((level, methods.collect::<Option<_>>()?))
}

/// Where a value's entry is.
#[derive(Clone, Copy, Default)]
pub(super) struct Entry {
    /// The first four bytes of the name, with which most is decided. See `Name`.
    pub(super) start: u32,
    pub(super) at: u32,
}

/// Reads CBOR of definite lengths: all that `encode` writes. By hand, because it is the hot path of
/// every request that has a session.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    /// Of the whole record.
    len: usize,
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        let rest = bytes.get(at..).unwrap_or_default();
        Self {
            len: bytes.len(),
            rest,
        }
    }

    pub(super) fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Returns the argument of the next item, if that is of this major type (RFC 8949, section 3).
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

    pub(super) fn uint(&mut self) -> Option<u64> {
        self.item(UINT)
    }

    pub(super) fn time(&mut self) -> Option<UnixTime> {
        self.uint().map(UnixTime::from_secs)
    }

    #[inline(always)]
    pub(super) fn len(&mut self, major: u8) -> Option<usize> {
        self.item(major)?.try_into().ok()
    }

    pub(super) fn bool(&mut self) -> Option<bool> {
        match self.item(SIMPLE)? {
            TRUE => Some(true),
            FALSE => Some(false),
            _ => None,
        }
    }

    /// The bytes of a byte string, or of a text: those are not checked to be UTF-8.
    #[inline(always)]
    pub(super) fn string(&mut self, major: u8) -> Option<&'a [u8]> {
        let len = self.len(major)?;
        let (string, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(string)
    }

    /// The epoch's number, and where the sign-in's level and methods are.
    #[cold]
    pub(super) fn standing(&mut self) -> Option<(u64, Option<Range<usize>>)> {
        let epoch = self.uint().filter(|epoch| *epoch <= MAX_EPOCH)?;
        let assurance = self.optional(|cursor| {
            let (start, before) = (cursor.at(), cursor.rest);
            let mut methods = cursor.len(ARRAY)?.checked_sub(1)?;
            u8::try_from(cursor.uint()?).ok()?;
            (methods <= assurance::MAX_METHODS).then_some(())?;
            while methods > 0 {
                assurance::is_method(cursor.text()?).then_some(())?;
                methods -= 1;
            }
            let len = before.len() - cursor.rest.len();
            Some(start..start + len)
        })?;
        Some((epoch, assurance))
    }

    /// Checks all values, and finds where their entries begin.
    pub(super) fn entries(&mut self, count: usize) -> Option<SmallVec<[Entry; 16]>> {
        // Hostile counts get no memory: an entry has two bytes at least. And all that follows is
        // within four bytes' reach.
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

    /// Most entries: an ASCII name of at most eight bytes whose start is above this, and a value of
    /// less than 256 bytes. With what follows the entry.
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
    pub(super) fn name(&mut self) -> Option<Name<'a>> {
        if let Some((name, rest)) = self.short_name() {
            self.rest = rest;
            return Some(name);
        }
        self.string(TEXT).map(Name::new)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string(TEXT)?).ok()
    }

    /// Where the string is that was read last.
    pub(super) fn range(&self, string: &[u8]) -> Range<usize> {
        self.at() - string.len()..self.at()
    }

    /// `Some(None)` for null.
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.rest.split_first()? {
            (first, rest) if *first == (SIMPLE << 5 | NULL as u8) => {
                self.rest = rest;
                Some(None)
            }
            _ => read(self).map(Some),
        }
    }
}
