//! A decoded record.

use smallvec::SmallVec;
use std::ops::Range;
use std::time::Duration;

use crate::{Error, Expiry, Key, Stored, UnixTime};

use super::cbor::{
    ARRAY, BYTES, MAP, MAX_NAME, MORE_SEALED_FIELDS, NEWEST, NONCE_LEN, PLAIN, PLAIN_FIELDS,
    RECENT, SEALED, STANDING, STANDING_FIELDS, TEXT,
};
use super::name::Name;
use super::read::{Cursor, Entry};
use super::sealed::Sealed;

/// Marks one write of one exchange.
pub(crate) type Nonce = [u8; NONCE_LEN];
/// The seed that a session's CSRF token is derived from.
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
    /// The number of the epoch that it was created or authenticated in.
    pub(crate) epoch: u64,
    /// How the subject signed in, if it is known.
    assurance: Option<Range<usize>>,
    /// In ascending order of the names.
    entries: SmallVec<[Entry; 16]>,
    /// Set if `stored` is a translation of what the store has.
    pub(crate) foreign: Option<Box<Foreign>>,
    /// Set if the store has the values sealed. `stored` is then the record as if they were not or,
    /// without what opens them, the record with its public values alone.
    pub(super) sealed: Option<Box<Sealed>>,
}

/// Everything before the seed.
pub(super) struct Fields {
    pub(super) recent: Range<usize>,
    pub(super) created: UnixTime,
    pub(super) authenticated: Option<UnixTime>,
    pub(super) subject: Option<Range<usize>>,
    pub(super) retired: Option<Box<Retired>>,
    pub(super) expiry: Option<Expiry>,
    pub(super) epoch: u64,
    pub(super) assurance: Option<Range<usize>>,
}

/// A record of another format.
#[derive(Clone)]
pub(crate) struct Foreign {
    /// As the store has it.
    pub(crate) stored: Stored,
    /// Whether this library's own part was in it.
    pub(crate) marked: bool,
    /// Whom its values name, in the other system's way.
    pub(crate) subject: Option<Box<str>>,
}

/// The data of a retired record: its successor, and the end of the grace in which it can be read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) successor: Key,
    pub(crate) until: UnixTime,
    /// A sign-in retired it. Otherwise the successor is the same session under another token.
    pub(crate) signs_in: bool,
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
    /// The number of the epoch, or 0.
    pub(crate) epoch: u64,
    /// How the subject signed in, encoded.
    pub(crate) assurance: Option<&'a [u8]>,
    /// Whether the record needs a mark that distinguishes it from all others. Some formats have
    /// room for it only where it is needed.
    pub(crate) marked: bool,
}

impl Record {
    /// Checks the whole record, in one pass that allocates nothing.
    #[inline]
    pub(crate) fn decode(stored: Stored) -> Result<Self, Error> {
        let mut cursor = Cursor::new(&stored.bytes, 0);
        let fields = cursor.len(ARRAY).ok_or(Error::Corrupt)?;
        let version = cursor.uint().ok_or(Error::Corrupt)?;
        let at = cursor.at();
        if version > NEWEST {
            return Err(Error::NewerRecord { version });
        }
        let (layout, more) = match version > STANDING {
            false => (version, 0),
            true => (version - SEALED, MORE_SEALED_FIELDS),
        };
        if !matches!(
            (layout, fields.checked_sub(more)),
            (PLAIN, Some(PLAIN_FIELDS)) | (STANDING, Some(STANDING_FIELDS))
        ) {
            return Err(Error::Corrupt);
        }
        let record = match more {
            0 => Self::open_values(stored, at, layout),
            _ => Self::sealed(stored, at, layout),
        };
        record.ok_or(Error::Corrupt)
    }

    #[inline(always)]
    fn open_values(stored: Stored, at: usize, layout: u64) -> Option<Self> {
        let mut cursor = Cursor::new(&stored.bytes, at);
        let fields = Fields::read(&mut cursor, layout)?;
        let seed = cursor.string(BYTES)?.try_into().ok()?;
        let count = cursor.len(MAP)?;
        let entries = cursor.entries(count)?;
        cursor.rest.is_empty().then_some(())?;
        Some(Self::of(stored, fields, seed, entries))
    }

    #[inline(always)]
    pub(super) fn of(
        stored: Stored,
        fields: Fields,
        seed: Seed,
        entries: SmallVec<[Entry; 16]>,
    ) -> Self {
        Self {
            stored,
            recent: fields.recent,
            created: fields.created,
            authenticated: fields.authenticated,
            subject: fields.subject,
            retired: fields.retired,
            expiry: fields.expiry,
            seed,
            epoch: fields.epoch,
            assurance: fields.assurance,
            entries,
            foreign: None,
            sealed: None,
        }
    }

    /// Returns how the subject signed in, encoded.
    pub(crate) fn assurance(&self) -> Option<&[u8]> {
        self.stored.bytes.get(self.assurance.clone()?)
    }

    /// Whether the bytes contain a write with this nonce among the last ones.
    pub(crate) fn written_by(&self, nonce: &Nonce) -> bool {
        self.recent()
            .chunks_exact(NONCE_LEN)
            .any(|recent| recent == nonce)
    }

    /// Whether a plain rotation retired this record, so that its successor is the same session.
    pub(crate) fn leads_to_itself(&self) -> bool {
        self.retired
            .as_ref()
            .is_some_and(|retired| !retired.signs_in)
    }

    /// Returns whether the marks name every write of this library that must be recognized. This
    /// concerns foreign formats, whose records other programs write too. A blind overwrite removes
    /// the marks together with their changes. Repeating a write without a mark has the same effect.
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
        match (&self.sealed, &self.foreign) {
            (None, None) => &self.stored,
            (Some(sealed), _) => &sealed.stored,
            (None, Some(foreign)) => &foreign.stored,
        }
    }

    pub(crate) fn into_stored(self) -> Stored {
        match (self.sealed, self.foreign) {
            (None, None) => self.stored,
            (Some(sealed), _) => sealed.stored,
            (None, Some(foreign)) => foreign.stored,
        }
    }

    /// Whether writers, times and seed are known.
    pub(crate) fn is_marked(&self) -> bool {
        self.foreign.as_ref().is_none_or(|foreign| foreign.marked)
    }

    pub(crate) fn seed(&self) -> Option<Seed> {
        (self.is_marked() && !self.is_locked()).then_some(self.seed)
    }

    /// Forgets the sign-in: the record has become another subject's.
    pub(crate) fn forget_authentication(&mut self) {
        (self.authenticated, self.assurance) = (None, None);
    }

    pub(crate) fn forget_writers(&mut self) {
        self.recent = 0..0;
    }

    pub(super) fn recent(&self) -> &[u8] {
        self.stored
            .bytes
            .get(self.recent.clone())
            .unwrap_or_default()
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        let foreign = self.foreign.as_ref();
        if let Some(subject) = foreign.and_then(|foreign| foreign.subject.as_deref()) {
            return Some(subject);
        }
        let range = self.subject.clone()?;
        std::str::from_utf8(self.stored.bytes.get(range)?).ok()
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes the names and values take.
    pub(crate) fn values_len(&self) -> usize {
        self.stored.bytes.len() - self.offset(0)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        let at = self.offset(self.find(name.as_bytes()).ok()?);
        let mut cursor = Cursor::new(&self.stored.bytes, at);
        cursor.string(TEXT)?;
        cursor.string(BYTES)
    }

    /// Returns the number of the entry with this name, or of the one before which it belongs.
    fn find(&self, wanted: &[u8]) -> Result<usize, usize> {
        let (bytes, wanted) = (&self.stored.bytes[..], Name::new(wanted));
        let start = wanted.first_half();
        // Most names differ in their first four bytes, which are at hand.
        let first = self.entries.partition_point(|entry| entry.start < start);
        let rest = self.entries.get(first..).unwrap_or_default();
        let alike = rest.partition_point(|entry| entry.start == start);
        let alike = rest.get(..alike).unwrap_or_default();
        let found = alike.binary_search_by(|entry| {
            let found = Cursor::new(bytes, entry.at as usize).name();
            found.unwrap_or_default().compare(&wanted)
        });
        match found {
            Ok(number) => Ok(first + number),
            Err(number) => Err(first + number),
        }
    }

    /// Where the entry with this name is, or an empty place where it belongs.
    pub(super) fn place(&self, name: &[u8]) -> Range<usize> {
        match self.find(name) {
            Ok(number) => self.offset(number)..self.offset(number + 1),
            Err(number) => self.offset(number)..self.offset(number),
        }
    }

    /// Where an entry begins; behind the last one is the end of the record.
    pub(super) fn offset(&self, number: usize) -> usize {
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

impl Fields {
    #[inline(always)]
    pub(super) fn read(cursor: &mut Cursor<'_>, layout: u64) -> Option<Self> {
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
            (cursor.len(ARRAY)? == 3).then_some(())?;
            let successor = Key::new(cursor.text()?)?;
            let until = cursor.time()?;
            let signs_in = cursor.bool()?;
            Some(Box::new(Retired {
                successor,
                until,
                signs_in,
            }))
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
        let (epoch, assurance) = match layout {
            PLAIN => (0, None),
            _ => cursor.standing()?,
        };
        Some(Self {
            recent,
            created,
            authenticated,
            subject,
            retired,
            expiry,
            epoch,
            assurance,
        })
    }
}

#[derive(Clone)]
pub(crate) struct Values<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) left: usize,
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
