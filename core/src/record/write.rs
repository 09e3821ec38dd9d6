//! Encodes records.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::limits::Limits;
use crate::{Error, UnixTime};

use super::cbor::{
    ARRAY, BYTES, EPOCH, FALSE, MAP, NONCE_LEN, NULL, PLAIN, PLAIN_FIELDS, RECENT, SIMPLE,
    STANDING, STANDING_FIELDS, TEXT, TRUE, UINT,
};
use super::view::{Head, Nonce, Record, Seed};

/// Names and their new values, in ascending order of the names' bytes.
pub(crate) type Changes<'a> = SmallVec<[(&'a [u8], Option<&'a [u8]>); 4]>;

/// Encodes a record: the values of `base` with these changes. Unchanged stretches are copied.
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
    let set = changes
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    let added: usize = set
        .map(|(name, value)| string_len(name.len()) + string_len(value.len()))
        .sum();
    let size = head_len(head, count) + (old.len() - first - cut) + added;
    if size > limits.record_bytes {
        return Err(Error::TooLarge {
            what: "the session's record is",
            limit: limits.record_bytes,
        });
    }
    // Of the exact size: a vector with room to spare costs another allocation when it is turned
    // into `Bytes`.
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

impl Record {
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
}

/// An empty record.
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
        epoch: 0,
        assurance: None,
        marked: false,
    };
    encode(&head, None, &Changes::new(), Limits::NONE)
}

/// Encodes how a subject signed in.
pub(crate) fn encode_assurance<'a>(
    level: u8,
    methods: impl ExactSizeIterator<Item = &'a str>,
) -> Box<[u8]> {
    let mut out = Output(Vec::new());
    out.len(ARRAY, 1 + methods.len());
    out.uint(level.into());
    for method in methods {
        out.name(method.as_bytes());
    }
    out.0.into_boxed_slice()
}

/// Encodes the record of an epoch.
pub(crate) fn encode_epoch(number: u64) -> Bytes {
    let mut out = Output(Vec::new());
    out.len(ARRAY, 2);
    out.name(EPOCH.as_bytes());
    out.uint(number);
    out.0.into()
}

/// How many bytes a value takes with its name.
pub(crate) fn entry_len(name: &str, value: &[u8]) -> usize {
    string_len(name.len()) + string_len(value.len())
}

/// How many bytes everything before the values takes.
pub(crate) fn head_len(head: &Head<'_>, count: usize) -> usize {
    let mut length = Output(Length(0));
    length.head(head, count);
    length.0.0
}

/// Returns how many bytes a string of this length takes.
pub(super) fn string_len(len: usize) -> usize {
    len + match len as u64 {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

pub(super) struct Output<B>(pub(super) B);

pub(super) trait Buffer {
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
        let plain = head.epoch == 0 && head.assurance.is_none();
        let (fields, version) = match plain {
            true => (PLAIN_FIELDS, PLAIN),
            false => (STANDING_FIELDS, STANDING),
        };
        self.len(ARRAY, fields);
        self.uint(version);
        self.len(BYTES, NONCE_LEN + older.len());
        self.0.append(&head.writer);
        self.0.append(older);
        self.uint(head.created.as_secs());
        self.optional(head.authenticated, |out, at| out.uint(at.as_secs()));
        self.optional(head.subject, |out, subject| out.name(subject.as_bytes()));
        self.optional(head.retired, |out, retired| {
            out.len(ARRAY, 3);
            out.name(retired.successor.as_bytes());
            out.uint(retired.until.as_secs());
            out.item(SIMPLE, if retired.signs_in { TRUE } else { FALSE });
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
        if !plain {
            self.uint(head.epoch);
            self.optional(head.assurance, |out, encoded| out.0.append(encoded));
        }
        self.bytes(&head.seed);
        self.len(MAP, count);
    }

    #[inline]
    pub(super) fn item(&mut self, major: u8, argument: u64) {
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

    pub(super) fn len(&mut self, major: u8, len: usize) {
        self.item(major, len as u64);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.len(BYTES, bytes.len());
        self.0.append(bytes);
    }

    /// Text that is known to be UTF-8.
    pub(super) fn name(&mut self, text: &[u8]) {
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
