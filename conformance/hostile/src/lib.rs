//! Everything that takes bytes from a client or from a store, fed with any bytes: each function here takes some, and panics if
//! a promise is broken. Fuzzers call them (`cargo conformance fuzz`), and a test feeds them the corpora.
//!
//! The promises: no panic, no more memory than the input's size allows, no more store calls than documented, what is written
//! can be read again and is the same, and what was not written by us is never taken for it.

#![allow(
    clippy::missing_panics_doc,
    reason = "to panic is what these functions are for"
)]

mod cookies;
mod files;
mod formats;
mod records;
mod sealed;
mod tokens;

pub use cookies::{cookies, set_cookie};
pub use files::files;
pub use formats::{flask_cookies, flask_formats, flask_signatures};
pub use records::records;
pub use sealed::sealed_cookies;
pub use tokens::tokens;

use cloakroom_simulator::{Bytes, Ground, Simulator};

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 10] = [
    ("cookies", cookies),
    ("set_cookie", set_cookie),
    ("tokens", tokens),
    ("records", records),
    ("sealed_cookies", sealed_cookies),
    ("schedules", schedules),
    ("flask_formats", flask_formats),
    ("flask_signatures", flask_signatures),
    ("flask_cookies", flask_cookies),
    ("files", files),
];

/// What a target may have allocated at one moment: this, and [`PER_BYTE`] for each byte of the input. Most of the first is what
/// the largest of them, the world of a schedule, takes whatever the input is.
const AT_LEAST: u64 = 512 << 10;
const PER_BYTE: u64 = 512;

/// Feeds bytes to a target, and sees to it that they do not make it take more memory than their number allows.
pub fn feed(target: Target, data: &[u8]) {
    let used = allocation_counter::measure(|| target(data));
    let allowed = AT_LEAST + PER_BYTE * data.len() as u64;
    assert!(
        used.bytes_max <= allowed,
        "{} bytes of input take {} bytes of memory",
        data.len(),
        used.bytes_max
    );
}

/// Sequences of operations on the machine, with faults: see the simulator.
pub fn schedules(data: &[u8]) {
    let drawn = Simulator::new().draw(Ground::default(), &mut Bytes(data));
    if let Err(violation) = drawn {
        panic!("{}: --trace '{}'", violation.wrong, violation.trace);
    }
}

/// Takes a number off the bytes.
fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
    let mut taken = [0; N];
    let n = N.min(data.len());
    taken[..n].copy_from_slice(&data[..n]);
    *data = &data[n..];
    taken
}
