//! The bytes that have been written, and their limit.

use std::fmt;

use super::refusal::Refusal;
use crate::values::encoded::{Encoded, Order};

/// Where the bytes go.
pub(in crate::values) struct Sink {
    pub(in crate::values) out: Encoded,
    /// The most bytes.
    pub(in crate::values) limit: usize,
    /// Refuse forms that serde's buffers cannot read. The value is not read back to find out.
    pub(in crate::values) strict: bool,
    pub(in crate::values) order: Order,
    /// How many 128-bit integers there are.
    pub(in crate::values) wide: usize,
}

impl Sink {
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.len() > self.limit.saturating_sub(self.out.len()) {
            return Err(Refusal::TooLong);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    pub(super) fn head(&mut self, major: u8, argument: u64) -> Result<(), Refusal> {
        let (head, len) = head(major, argument);
        self.put(head.get(..len).unwrap_or_default())
    }

    pub(super) fn insert(&mut self, at: usize, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.len() > self.limit.saturating_sub(self.out.len()) {
            return Err(Refusal::TooLong);
        }
        self.out.insert_from_slice(at, bytes);
        Ok(())
    }

    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.out.get(start..).unwrap_or_default()
    }
}

#[inline]
pub(super) fn head(major: u8, argument: u64) -> ([u8; 9], usize) {
    let mut head = [major << 5; 9];
    let bytes = argument.to_be_bytes();
    let (short, len) = match argument {
        0..24 => (bytes[7], 0),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    head[0] |= short;
    for (to, from) in head.iter_mut().skip(1).zip(&bytes[8 - len..]) {
        *to = *from;
    }
    (head, 1 + len)
}

/// A text of limited length.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) room: usize,
    pub(super) is_full: bool,
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.is_full = part.len() > self.room - self.text.len();
        if self.is_full {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}
