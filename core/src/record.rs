//! The record's bytes: CBOR (RFC 8949), definite lengths only.
//!
//! ```text
//! [1, recent writers, created, authenticated / null, subject / null,
//!  [successor, until, signs in] / null,
//!  [idle / null, absolute / null, persistent] / null, seed, {name: encoded value, …}]
//!
//! [2, …, epoch, [level, method, …] / null, seed, {name: encoded value, …}]
//! ```
//!
//! Version 2 has, before the seed, the number of the epoch and how the subject signed in. A record
//! whose number is 0 and that has no such sign-in is written as version 1.
//!
//! Values are byte strings that hold CBOR, so that a reader can step over those it does not want.
//! Names are in ascending order of their bytes, so that two records can be merged in one pass and
//! no name stands twice.
//!
//! Versions 3 and 4 are those whose values are sealed (`ConfigBuilder::seal_values`):
//!
//! ```text
//! [3 or 4, …, {public name: encoded value, …}, nonce, sealed]
//! ```
//!
//! Between the version and the public values stands the same as in versions 1 and 2 before the
//! seed. `sealed` is their encrypted rest (the seed, and all values), and everything before the
//! nonce is authenticated with it.

mod cbor;
mod name;
mod read;
mod sealed;
mod view;
mod write;

pub(crate) use read::{decode_assurance, decode_epoch};
pub(crate) use sealed::{MORE, SUCCESSOR, seal};
pub(crate) use view::{Foreign, Head, Nonce, Record, Retired, Seed, Values, check_name};
pub(crate) use write::{
    Changes, encode, encode_assurance, encode_epoch, entry_len, head_len, unmarked,
};

use crate::Stored;

/// The marker that `cloakroom-adopting` leaves in the place of a session that was signed out during
/// a move.
const ENDED: &[u8] = b"\0cloakroom: ended";

/// Returns the record, unless it is such a marker: there is no session.
#[inline]
pub(crate) fn not_ended(found: Option<Stored>) -> Option<Stored> {
    found.filter(|stored| stored.bytes != ENDED)
}
