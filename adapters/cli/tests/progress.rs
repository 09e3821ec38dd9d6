//! Long work on a terminal shows its progress.
#![cfg(unix)]

mod common;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use common::{Place, command};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A terminal: the end that a person sees, and the end of the program.
fn terminal() -> (File, OwnedFd) {
    let seen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&seen).unwrap();
    unlockpt(&seen).unwrap();
    let name = ptsname(&seen, Vec::new()).unwrap();
    let program = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (seen.into(), program)
}

// R90
#[tokio::test]
async fn a_move_shows_what_is_done_its_rate_and_the_time_left() {
    let (from, to) = (Place::new("file").await, Place::new("sqlite").await);
    let mut tokens = Vec::new();
    for _ in 0..300 {
        tokens.push(from.sign_in("ada").await);
    }
    let (mut seen, program) = terminal();
    let mut child = command(&["--from", &from.url, "--to", &to.url, "migrate"])
        .env("TERM", "xterm")
        .stderr(program)
        .spawn()
        .unwrap();
    let mut shown = Vec::new();
    let mut part = [0; 4096];
    // When nobody holds the other end any more, it is an error (EIO) or the end.
    while let Ok(length @ 1..) = seen.read(&mut part) {
        shown.extend_from_slice(&part[..length]);
    }
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown);
    for part in ["/300 records, ", "/s, ", " left"] {
        assert!(shown.contains(part), "no {part:?} in {shown:?}");
    }
    for token in tokens {
        assert!(!shown.contains(&token));
    }
    assert_eq!(to.records().await, 300);
}
