//! Records whose values are sealed.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::seal::{self, NONCE_LEN, Secret, TAG_LEN};
use crate::{Error, Stored};

use super::cbor::{
    ARRAY, BYTES, MAP, MORE_SEALED_FIELDS, PLAIN, PLAIN_FIELDS, SEALED, STANDING_FIELDS, UINT,
};
use super::read::Cursor;
use super::view::{Fields, Record, Seed, Values};
use super::write::{Output, string_len};

/// The name under which a record that a plain rotation retired has the sealing key of its
/// successor. No handler can use it.
pub(crate) const SUCCESSOR: &str = "\u{3}successor";

/// How much longer sealing makes a record, at most, apart from its public values: the number of
/// those, the nonce, the length of the text, and the tag.
pub(crate) const MORE: usize = 3 + (2 + NONCE_LEN) + 5 + TAG_LEN;

/// A record's version, in its second byte, precedes the fields of the head.
const FIELDS_AT: usize = 2;

/// The sealed form of a record.
#[derive(Clone)]
pub(super) struct Sealed {
    /// As the store has it.
    pub(super) stored: Stored,
    /// Where the fields of the head end, and the public values begin.
    public: usize,
    nonce: Range<usize>,
    text: Range<usize>,
    /// The version of the record as if it were not sealed.
    layout: u64,
    is_open: bool,
}

impl Record {
    /// Whether the values are sealed, and nothing has opened them.
    pub(crate) fn is_locked(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| !sealed.is_open)
    }

    /// The sealing key of the session's next record, if a plain rotation retired this one.
    pub(crate) fn successor_secret(&self) -> Option<Secret> {
        let leads = self.leads_to_itself() && !self.is_locked() && self.sealed.is_some();
        Secret::of(self.value(SUCCESSOR).filter(|_| leads)?)
    }

    /// Reads all but what is sealed.
    #[cold]
    pub(super) fn sealed(stored: Stored, at: usize, layout: u64) -> Option<Self> {
        let mut cursor = Cursor::new(&stored.bytes, at);
        let fields = Fields::read(&mut cursor, layout)?;
        let public = cursor.at();
        let count = cursor.len(MAP)?;
        let entries = cursor.entries(count)?;
        let head = cursor.at();
        let nonce = cursor
            .string(BYTES)
            .filter(|nonce| nonce.len() == NONCE_LEN)?;
        let nonce = cursor.range(nonce);
        let text = cursor.string(BYTES).filter(|text| text.len() >= TAG_LEN)?;
        let text = cursor.range(text);
        cursor.rest.is_empty().then_some(())?;
        let locked = Stored::new(
            stored.bytes.slice(..head),
            stored.expires_at,
            stored.version,
        );
        let mut record = Self::of(locked, fields, Seed::default(), entries);
        record.sealed = Some(Box::new(Sealed {
            stored,
            public,
            nonce,
            text,
            layout,
            is_open: false,
        }));
        Some(record)
    }

    /// Opens the values, if they are sealed.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if this key has not sealed them together with this head.
    #[cold]
    pub(crate) fn open(self, secret: &Secret) -> Result<Self, Error> {
        let (head, Some(mut sealed)) = (self.stored.bytes, self.sealed) else {
            return Err(Error::ProtocolMisuse);
        };
        let bytes = &sealed.stored.bytes;
        let part = |range: Range<usize>| bytes.get(range).ok_or(Error::Corrupt);
        let text = part(sealed.text.clone())?;
        let (text, tag) = text.split_last_chunk::<TAG_LEN>().ok_or(Error::Corrupt)?;
        let (fields, nonce) = (part(FIELDS_AT..sealed.public)?, part(sealed.nonce.clone())?);
        let from = FIELDS_AT + fields.len();
        let mut plain = Output(Vec::with_capacity(from + text.len()));
        plain.len(ARRAY, fields_of(sealed.layout));
        plain.item(UINT, sealed.layout);
        plain.0.extend_from_slice(fields);
        plain.0.extend_from_slice(text);
        let text = plain.0.get_mut(from..).ok_or(Error::Corrupt)?;
        seal::open(secret, nonce, &head, text, tag)?;
        let stored = &sealed.stored;
        let plain = Stored::new(plain.0, stored.expires_at, stored.version);
        let mut record = Self::decode(plain)?;
        sealed.is_open = true;
        record.sealed = Some(sealed);
        Ok(record)
    }
}

fn fields_of(layout: u64) -> usize {
    match layout {
        PLAIN => PLAIN_FIELDS,
        _ => STANDING_FIELDS,
    }
}

/// Seals the values of a record of version 1 or 2. Those under the public names, which are in
/// ascending order, can also be read without the key.
pub(crate) fn seal(
    plain: &[u8],
    public: &[Box<str>],
    secret: &Secret,
    nonce: [u8; NONCE_LEN],
) -> Result<Bytes, Error> {
    let mut cursor = Cursor::new(plain, 0);
    cursor.len(ARRAY).ok_or(Error::Corrupt)?;
    let layout = cursor.uint().ok_or(Error::Corrupt)?;
    Fields::read(&mut cursor, layout).ok_or(Error::Corrupt)?;
    let seed_at = cursor.at();
    cursor.string(BYTES).ok_or(Error::Corrupt)?;
    let left = cursor.len(MAP).ok_or(Error::Corrupt)?;
    let values = Values { cursor, left };
    let is_public = |name: &[u8]| public.binary_search_by(|public| public.as_bytes().cmp(name));
    let values = values.filter(|(name, _)| !public.is_empty() && is_public(name).is_ok());
    let values: SmallVec<[_; 4]> = values.collect();
    let parts = plain.split_at_checked(seed_at);
    let (head, text) = parts.ok_or(Error::Corrupt)?;
    let entry_len =
        |(name, value): &(&[u8], &[u8])| string_len(name.len()) + string_len(value.len());
    let entries: usize = values.iter().map(entry_len).sum();
    let number = string_len(values.len()) - values.len();
    // Of the exact size, as in `encode`.
    let size =
        head.len() + number + entries + string_len(NONCE_LEN) + string_len(text.len() + TAG_LEN);
    let mut out = Output(Vec::with_capacity(size));
    out.len(ARRAY, fields_of(layout) + MORE_SEALED_FIELDS);
    out.item(UINT, layout + SEALED);
    out.0
        .extend_from_slice(head.get(FIELDS_AT..).ok_or(Error::Corrupt)?);
    out.len(MAP, values.len());
    for (name, value) in values {
        out.name(name);
        out.bytes(value);
    }
    let head = out.0.len();
    out.bytes(&nonce);
    out.len(BYTES, text.len() + TAG_LEN);
    let from = out.0.len();
    out.0.extend_from_slice(text);
    let (head, text) = match out.0.split_at_mut_checked(from) {
        Some((before, text)) => (before.get(..head).ok_or(Error::Corrupt)?, text),
        None => return Err(Error::Corrupt),
    };
    let tag = seal::seal(secret, nonce, head, text)?;
    out.0.extend_from_slice(&tag);
    Ok(Bytes::from(out.0))
}
