//! The names of the values, and their order.

use std::cmp::Ordering;

use super::cbor::MAX_NAME;

/// A name in the order of the bytes, and the first eight of them, with which most is decided.
#[derive(Clone, Copy, Default)]
pub(super) struct Name<'a> {
    /// The first eight bytes as a big-endian number. A short name is padded with zeros.
    pub(super) start: u64,
    pub(super) text: &'a [u8],
}

/// For each length below 24 the bytes of the start that belong to the name.
pub(super) const STARTS: [u64; 24] = {
    let mut starts = [u64::MAX; 24];
    let mut len = 0;
    while len < 8 {
        starts[len] = !(u64::MAX >> (8 * len));
        len += 1;
    }
    starts
};

/// The bits that no ASCII has.
pub(super) const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

impl<'a> Name<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let start = match text.first_chunk() {
            Some(chunk) => u64::from_be_bytes(*chunk),
            // From the last byte to the first.
            None => (text.iter().rev()).fold(0, |start, byte| start >> 8 | u64::from(*byte) << 56),
        };
        Self { start, text }
    }

    #[inline(always)]
    pub(super) fn first_half(&self) -> u32 {
        (self.start >> 32) as u32
    }

    #[inline(always)]
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match self.start.cmp(&other.start) {
            Ordering::Equal => self.text.cmp(other.text),
            unequal => unequal,
        }
    }

    #[inline(always)]
    pub(super) fn follows(&self, previous: &Self) -> bool {
        self.start > previous.start || (self.start == previous.start && self.text > previous.text)
    }

    #[inline(always)]
    pub(super) fn is_valid(&self) -> bool {
        // Most names are short and ASCII.
        (self.text.len() <= 8 && self.start & NOT_ASCII == 0) || self.is_long_valid()
    }

    fn is_long_valid(&self) -> bool {
        self.text.len() <= MAX_NAME && std::str::from_utf8(self.text).is_ok()
    }
}
