//! The whole store suite under a cache: over memory, files, and Redis.

mod local;
mod redis;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cloakroom_conformance::store::{self, Place};
use cloakroom_near::{Builder, Near};

use local::{Files, Memory};
use redis::OnRedis;

/// The shortest there is.
const LEASE: Duration = Duration::from_millis(100);

/// The caches' clocks run this many times as fast as the real one.
const SPEED: u32 = 20;

/// A lease as the cases wait for it.
const REAL_LEASE: Duration = Duration::from_millis(100 / SPEED as u64);

fn main() -> io::Result<ExitCode> {
    store::worker::<Files>();
    store::worker::<OnRedis<false>>();
    store::worker::<OnRedis<true>>();
    Ok(store::suite(Memory)
        .and(store::suite(Files::new()?))
        .and(store::suite(OnRedis::<false>::default()))
        .and(store::suite(OnRedis::<true>::default()))
        .main())
}

/// A cache on the case's clock, which also goes on with the real one, only faster.
fn with_clock<S>(builder: Builder<S>, place: &Place) -> Near<S> {
    let (clock, begin) = (place.clock().clone(), Instant::now());
    let start = clock.now();
    let wall = clock.clone();
    builder
        .lease(LEASE)
        .clocks(
            move || begin.elapsed() * SPEED + clock.now().since(start),
            move || std::time::SystemTime::from(wall.now()),
        )
        .build()
}
