//! The numbers of the format.

/// The version of records that need no more than version 1 has.
pub(super) const PLAIN: u64 = 1;
pub(super) const PLAIN_FIELDS: usize = 9;
/// With the epoch, and how the subject signed in.
pub(super) const STANDING: u64 = 2;
pub(super) const STANDING_FIELDS: usize = 11;
/// How much higher the version of a record is whose values are sealed, and how many more fields it
/// has.
pub(super) const SEALED: u64 = 2;
pub(super) const MORE_SEALED_FIELDS: usize = 1;
pub(super) const NEWEST: u64 = STANDING + SEALED;
/// The first field of an epoch's record.
pub(super) const EPOCH: &str = "epoch";
pub(super) const NONCE_LEN: usize = 8;
/// How many of its last writers a record remembers. See `Record::written_by`.
pub(super) const RECENT: usize = 8;
pub(super) const MAX_NAME: usize = 255;

// Major types and simple values of CBOR (RFC 8949, sections 3.1 and 3.3).
pub(super) const UINT: u8 = 0;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const SIMPLE: u8 = 7;
pub(super) const FALSE: u64 = 20;
pub(super) const TRUE: u64 = 21;
pub(super) const NULL: u64 = 22;
