//! Checks of each record that the machine writes.

use std::collections::BTreeMap;

use cloakroom_core::Write;

use crate::truth::Wrong;

/// The machine gets this where it asks for no secret. No record may contain it.
pub(crate) const NO_SECRET: u8 = 0xA5;

type Nonce = [u8; 24];

/// The records of a schedule that were sealed, by their nonces.
pub(crate) type Nonces = BTreeMap<Nonce, Vec<u8>>;

/// Checks a write. `sealed` is whether values are to be sealed.
pub(crate) fn check(write: &Write, sealed: bool, nonces: &mut Nonces) -> Result<(), Wrong> {
    has_secrets(write)?;
    match (nonce(&write.bytes), sealed) {
        (None, false) => Ok(()),
        (Some(nonce), true) => match nonces.get(&nonce) {
            // A write whose answer was lost is sent again as it is.
            Some(known) if known[..] == write.bytes[..] => Ok(()),
            Some(_) => Err("two records are sealed with one nonce"),
            None => {
                nonces.insert(nonce, write.bytes.to_vec());
                Ok(())
            }
        },
        _ => Err("a record is not sealed as the configuration asks"),
    }
}

/// No write may contain a seed that is made of public bytes.
fn has_secrets(write: &Write) -> Result<(), Wrong> {
    let mut runs = write.bytes.windows(16);
    match runs.any(|run| run.iter().all(|byte| *byte == NO_SECRET)) {
        true => Err("a secret was made of bytes that are none"),
        false => Ok(()),
    }
}

/// The nonce of a sealed record: the last but one of the items of its array (`record.rs` of core).
fn nonce(record: &[u8]) -> Option<Nonce> {
    let (mut rest, before) = match record {
        [0x8A, 3, rest @ ..] => (rest, 7),
        [0x8C, 4, rest @ ..] => (rest, 9),
        _ => return None,
    };
    for _ in 0..before {
        rest = skip(rest)?;
    }
    // A byte string of 24 bytes.
    rest.strip_prefix(&[0x58, 24])?.first_chunk().copied()
}

/// Steps over one item of CBOR (RFC 8949, section 3).
fn skip(item: &[u8]) -> Option<&[u8]> {
    let (first, rest) = item.split_first()?;
    let (argument, mut rest) = match first & 31 {
        short @ 0..24 => (u64::from(short), rest),
        long @ 24..28 => {
            let len = 1 << (long - 24);
            let (argument, rest) = rest.split_at_checked(len)?;
            let digits = argument.iter();
            (
                digits.fold(0, |all, byte| all << 8 | u64::from(*byte)),
                rest,
            )
        }
        _ => return None,
    };
    match first >> 5 {
        2 | 3 => rest.get(usize::try_from(argument).ok()?..),
        4 | 5 => {
            for _ in 0..argument * u64::from(first >> 5 == 5) + argument {
                rest = skip(rest)?;
            }
            Some(rest)
        }
        _ => Some(rest),
    }
}
