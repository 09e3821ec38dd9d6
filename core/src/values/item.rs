//! Data items of CBOR (RFC 8949, section 3): their heads, their ends, and whether two are equal.

use std::cmp::Ordering;

pub(super) const UINT: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;
pub(super) const SIMPLE: u8 = 7;

pub(super) const FALSE: u8 = 0xf4;
pub(super) const TRUE: u8 = 0xf5;
pub(super) const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
const BREAK: u8 = 0xff;

/// Tags of integers beyond 64 bits (RFC 8949, section 3.4.3).
pub(super) const BIG_POSITIVE: u64 = 2;
pub(super) const BIG_NEGATIVE: u64 = 3;
/// The registered tag of a UUID's 16 bytes.
pub(super) const UUID: u64 = 37;
/// Marks an `Option` that holds nothing, or a unit, inside another `Option`. From the range where
/// anybody may register: "Some".
pub(super) const SOME: u64 = 0x536f_6d65;
/// The head of an item with that tag.
pub(super) const SOME_HEAD: [u8; 5] = [0xda, 0x53, 0x6f, 0x6d, 0x65];

/// Containers within containers, in what is written.
pub(super) const MAX_DEPTH: usize = 256;
/// The same in what is read. Another system's record may have a tag on its innermost value.
pub(super) const MAX_READ_DEPTH: usize = MAX_DEPTH + 8;

/// The head of an item. A length of `None` is an indefinite one.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Head {
    Uint(u64),
    /// -1 - n.
    Negative(u64),
    Bytes(Option<usize>),
    Text(Option<usize>),
    Array(Option<usize>),
    Map(Option<usize>),
    Tag(u64),
    Bool(bool),
    Null,
    Float(f64),
    Break,
}

/// Reads the head of an item, and returns what follows it.
#[inline]
pub(super) fn head(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, short) = (first >> 5, first & 31);
    if major == SIMPLE {
        return simple(*first, rest);
    }
    let (argument, rest) = match short {
        0..24 => (Some(u64::from(short)), rest),
        24 => {
            let (argument, rest) = rest.split_first()?;
            (Some(u64::from(*argument)), rest)
        }
        31 => (None, rest),
        _ => long_argument(short, rest)?,
    };
    let len = || match argument {
        Some(argument) => Some(Some(usize::try_from(argument).ok()?)),
        None => Some(None),
    };
    let head = match major {
        UINT => Head::Uint(argument?),
        NEGATIVE => Head::Negative(argument?),
        BYTES => Head::Bytes(len()?),
        TEXT => Head::Text(len()?),
        ARRAY => Head::Array(len()?),
        MAP => Head::Map(len()?),
        _ => Head::Tag(argument?),
    };
    Some((head, rest))
}

fn long_argument(short: u8, rest: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let (argument, len) = match short {
        25 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        26 => (u64::from(u32::from_be_bytes(*rest.first_chunk()?)), 4),
        27 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        _ => return None,
    };
    Some((Some(argument), rest.get(len..)?))
}

fn simple(first: u8, rest: &[u8]) -> Option<(Head, &[u8])> {
    let (head, len) = match first {
        FALSE => (Head::Bool(false), 0),
        TRUE => (Head::Bool(true), 0),
        NULL | UNDEFINED => (Head::Null, 0),
        0xf9 => (
            Head::Float(half(u16::from_be_bytes(*rest.first_chunk()?))),
            2,
        ),
        0xfa => {
            let bits = u32::from_be_bytes(*rest.first_chunk()?);
            (Head::Float(f32::from_bits(bits).into()), 4)
        }
        0xfb => {
            let bits = u64::from_be_bytes(*rest.first_chunk()?);
            (Head::Float(f64::from_bits(bits)), 8)
        }
        BREAK => (Head::Break, 0),
        _ => return None,
    };
    Some((head, rest.get(len..)?))
}

/// Returns a half-precision number (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (bits >> 10 & 31, f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1_024.0) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Returns what follows the first item. `None` if there is no well-formed one.
pub(super) fn skip(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    let (mut head, mut rest) = self::head(bytes)?;
    while let Head::Tag(_) = head {
        (head, rest) = self::head(rest)?;
    }
    let inner = || depth.checked_sub(1);
    match head {
        Head::Bytes(Some(len)) => rest.get(len..),
        Head::Text(Some(len)) => {
            let (text, rest) = rest.split_at_checked(len)?;
            std::str::from_utf8(text).ok()?;
            Some(rest)
        }
        Head::Bytes(None) | Head::Text(None) => loop {
            match (self::head(rest)?, head) {
                ((Head::Break, after), _) => break Some(after),
                ((Head::Bytes(Some(len)), after), Head::Bytes(_))
                | ((Head::Text(Some(len)), after), Head::Text(_)) => rest = after.get(len..)?,
                _ => break None,
            }
        },
        Head::Array(Some(len)) => skip_many(rest, len, inner()?),
        Head::Map(Some(len)) => skip_many(rest, len.checked_mul(2)?, inner()?),
        Head::Array(None) | Head::Map(None) => {
            let inner = inner()?;
            loop {
                if let (Head::Break, after) = self::head(rest)? {
                    break Some(after);
                }
                rest = skip(rest, inner)?;
                if matches!(head, Head::Map(_)) {
                    rest = skip(rest, inner)?;
                }
            }
        }
        Head::Break => None,
        _ => Some(rest),
    }
}

fn skip_many(mut rest: &[u8], count: usize, depth: usize) -> Option<&[u8]> {
    // Each has a byte at least: a hostile count ends here.
    if count > rest.len() {
        return None;
    }
    for _ in 0..count {
        rest = skip(rest, depth)?;
    }
    Some(rest)
}

/// Takes the first item off.
fn split<'a>(bytes: &mut &'a [u8], depth: usize) -> Option<&'a [u8]> {
    let rest = skip(bytes, depth)?;
    let item = bytes.get(..bytes.len() - rest.len())?;
    *bytes = rest;
    Some(item)
}

/// Iterates over the items of a container of definite or indefinite length. A map yields its keys
/// and values in turn. Afterwards `rest` holds the input behind the container.
fn items<'a>(rest: &mut &'a [u8], count: Option<usize>, depth: usize) -> Option<Vec<&'a [u8]>> {
    let mut items = Vec::new();
    while count.is_none_or(|count| items.len() < count) {
        if let (Head::Break, after) = head(rest)?
            && count.is_none()
        {
            *rest = after;
            break;
        }
        items.push(split(rest, depth)?);
    }
    Some(items)
}

/// The entries of an item that is a map, in its order.
pub(super) fn entries(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (Head::Map(count), mut rest) = head(bytes)? else {
        return None;
    };
    map_entries(&mut rest, count, MAX_READ_DEPTH)
}

fn map_entries<'a>(
    rest: &mut &'a [u8],
    count: Option<usize>,
    depth: usize,
) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let count = match count {
        Some(count) => Some(count.checked_mul(2)?),
        None => None,
    };
    let items = items(rest, count, depth)?;
    let pairs = items.chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    Some(pairs.map(|pair| (pair[0], pair[1])).collect())
}

/// The text that an item is, if it is one of definite length.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    match head(bytes)? {
        (Head::Text(Some(len)), rest) => std::str::from_utf8(rest.get(..len)?).ok(),
        _ => None,
    }
}

/// Whether two values are equal: neither the order of a map's entries nor the width of a float
/// counts. Other systems' formats have floats of one width.
pub(crate) fn equal(left: &[u8], right: &[u8]) -> bool {
    left == right
        || (has_spellings(left) && same(&mut &*left, &mut &*right, MAX_READ_DEPTH) == Some(true))
}

/// Whether an equal value may have other bytes. Most values have one spelling.
fn has_spellings(bytes: &[u8]) -> bool {
    let first = bytes.first();
    first.is_some_and(|first| {
        matches!(first >> 5, ARRAY | MAP | TAG) || matches!(first, 0xf9..=0xfb)
    })
}

/// Compares the first items, and takes them off.
fn same(left: &mut &[u8], right: &mut &[u8], depth: usize) -> Option<bool> {
    let (a, left_rest) = head(left)?;
    let (b, right_rest) = head(right)?;
    match (a, b) {
        (Head::Map(count), Head::Map(other)) => {
            let depth = depth.checked_sub(1)?;
            (*left, *right) = (left_rest, right_rest);
            let mut entries = map_entries(left, count, depth)?;
            let mut others = map_entries(right, other, depth)?;
            if entries.len() != others.len() {
                return Some(false);
            }
            let by_key = |a: &(&[u8], &[u8]), b: &(&[u8], &[u8])| -> Ordering { a.0.cmp(b.0) };
            entries.sort_by(by_key);
            others.sort_by(by_key);
            for ((mut key, mut value), (mut other_key, mut other)) in
                entries.into_iter().zip(others)
            {
                if !same(&mut key, &mut other_key, depth)? || !same(&mut value, &mut other, depth)?
                {
                    return Some(false);
                }
            }
            Some(true)
        }
        (Head::Array(Some(count)), Head::Array(Some(other))) if count == other => {
            let depth = depth.checked_sub(1)?;
            (*left, *right) = (left_rest, right_rest);
            for _ in 0..count {
                if !same(left, right, depth)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        (Head::Float(a), Head::Float(b)) => {
            (*left, *right) = (left_rest, right_rest);
            Some(a.to_bits() == b.to_bits())
        }
        (Head::Tag(tag), Head::Tag(other)) if tag == other => {
            (*left, *right) = (left_rest, right_rest);
            same(left, right, depth.checked_sub(1)?)
        }
        _ => Some(split(left, depth)? == split(right, depth)?),
    }
}
