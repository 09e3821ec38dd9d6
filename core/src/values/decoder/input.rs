//! The input of a decoder: the bytes that are left, and the next item.

use super::form::{Reading, Seen};
use crate::values::item::{self, BIG_NEGATIVE, BIG_POSITIVE, Head, MAX_READ_DEPTH, UUID};
use crate::values::reason::Reason;

pub(in crate::values) struct Decoder<'de, 'a> {
    pub(super) rest: &'de [u8],
    pub(super) depth: usize,
    pub(super) reading: Reading,
    pub(super) seen: &'a Seen,
    /// The next item is the key of a map.
    pub(super) key: bool,
}

impl<'de, 'a> Decoder<'de, 'a> {
    pub(in crate::values) fn new(bytes: &'de [u8], reading: Reading, seen: &'a Seen) -> Self {
        Self {
            rest: bytes,
            depth: MAX_READ_DEPTH,
            reading,
            seen,
            key: false,
        }
    }

    /// Whether all has been read.
    pub(in crate::values) fn end(&self) -> Result<(), Reason> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Reason::new("more is stored than was read"))
        }
    }

    #[inline]
    pub(super) fn peek(&self) -> Result<(Head, &'de [u8]), Reason> {
        item::head(self.rest).ok_or_else(Reason::malformed)
    }

    pub(super) fn enter<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Reason>,
    ) -> Result<T, Reason> {
        let deeper = self.depth.checked_sub(1);
        self.depth = deeper.ok_or_else(|| Reason::new("it nests too deeply"))?;
        self.key = false;
        let read = read(self)?;
        self.depth += 1;
        Ok(read)
    }

    /// Steps over tags, to what a plain type reads.
    #[inline]
    pub(super) fn untagged(&mut self) -> Result<(Head, &'de [u8]), Reason> {
        loop {
            let (head, rest) = self.peek()?;
            match head {
                Head::Tag(tag) if self.big(tag, rest).is_none() => self.rest = rest,
                _ => return Ok((head, rest)),
            }
        }
    }

    /// Returns the magnitude of an integer beyond 64 bits, and the rest of the input.
    pub(super) fn big(&self, tag: u64, rest: &'de [u8]) -> Option<(u128, &'de [u8])> {
        let (BIG_POSITIVE | BIG_NEGATIVE, (Head::Bytes(Some(len)), rest)) =
            (tag, item::head(rest)?)
        else {
            return None;
        };
        let (bytes, rest) = rest.split_at_checked(len)?;
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(len);
        let digits = bytes.get(start..).filter(|digits| digits.len() <= 16)?;
        let value = digits
            .iter()
            .fold(0, |value, byte| value << 8 | u128::from(*byte));
        Some((value, rest))
    }

    /// A string of indefinite length.
    pub(super) fn chunks(
        &mut self,
        mut rest: &'de [u8],
        len: impl Fn(Head) -> Option<usize>,
    ) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::new();
        loop {
            let (head, after) = item::head(rest).ok_or_else(Reason::malformed)?;
            if head == Head::Break {
                self.rest = after;
                return Ok(bytes);
            }
            let chunk = len(head).and_then(|len| after.split_at_checked(len));
            let (chunk, after) = chunk.ok_or_else(Reason::malformed)?;
            bytes.extend_from_slice(chunk);
            rest = after;
        }
    }
}

/// Returns the text of a tagged UUID.
pub(super) fn uuid(tag: u64, rest: &[u8]) -> Option<(String, &[u8])> {
    let (UUID, (Head::Bytes(Some(16)), rest)) = (tag, item::head(rest)?) else {
        return None;
    };
    let (bytes, rest) = rest.split_first_chunk::<16>()?;
    Some((uuid::Uuid::from_bytes(*bytes).to_string(), rest))
}
