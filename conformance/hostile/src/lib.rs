//! Feeds arbitrary bytes to everything that takes bytes from a client or a store. Each function
//! here takes some, and panics if a promise is broken. Fuzzers call them (`cargo conformance
//! fuzz`), and a test feeds them the corpora.
//!
//! The promises: no panic, memory in proportion to the input, and no more store calls than
//! documented. Written values are read back unchanged, and foreign bytes are never accepted as
//! ours.

#![allow(
    clippy::missing_panics_doc,
    reason = "to panic is what these functions are for"
)]

mod bound;
mod cookies;
mod files;
mod formats;
mod records;
mod sealed;
mod tokens;

use bound::bound_sessions;
use cookies::{cookies, set_cookie};
use files::files;
use formats::{flask_cookies, flask_formats, flask_signatures};
use records::records;
use sealed::sealed_cookies;
use tokens::tokens;

use cloakroom_simulator::{Bytes, Environment, Simulator};

/// A function that takes any bytes, and its memory limit in bytes, in addition to [`PER_BYTE`] for
/// each byte of the input.
struct Target(&'static str, fn(&[u8]), u64);

const PER_BYTE: u64 = 512;

/// The functions by the names of their corpora.
const TARGETS: [Target; 11] = [
    Target("cookies", cookies, 128 << 10),
    Target("set_cookie", set_cookie, 128 << 10),
    Target("tokens", tokens, 128 << 10),
    // The length that a list claims to have is believed up to 1 MiB, which is serde's bound.
    Target("records", records, 2 << 20),
    Target("sealed_cookies", sealed_cookies, 128 << 10),
    // A world of stores and requests.
    Target("schedules", schedules, 1 << 20),
    // A pickle may put one object in several places, and is let copy 65,536 of them.
    Target("flask_formats", flask_formats, 24 << 20),
    Target("flask_signatures", flask_signatures, 128 << 10),
    // A deflated value may have 65,536 bytes.
    Target("flask_cookies", flask_cookies, 2 << 20),
    Target("files", files, 128 << 10),
    Target("bound_sessions", bound_sessions, 128 << 10),
];

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|target| target.0)
}

/// Feeds bytes to a target, and sees to it that they do not make it take more memory than their
/// number allows.
pub fn feed(name: &str, data: &[u8]) {
    let mut targets = TARGETS.iter();
    let Some(Target(_, target, at_least)) = targets.find(|target| target.0 == name) else {
        panic!("there is no target {name}");
    };
    let used = allocation_counter::measure(|| target(data));
    let allowed = at_least + PER_BYTE * data.len() as u64;
    assert!(
        used.bytes_max <= allowed,
        "{name}: {} bytes of input take {} bytes of memory",
        data.len(),
        used.bytes_max
    );
}

/// Sequences of operations on the machine, with faults: see the simulator.
fn schedules(data: &[u8]) {
    let drawn = Simulator::new().draw(Environment::default(), &mut Bytes(data));
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
