//! The costs of a large store and of expiry, and how long requests wait while a tenth of the
//! records expires. Operations are measured in the thread's own time, from `/proc` (Linux), which
//! holds on a busy machine. Waits are by the clock, less the time that the thread waited for a
//! processor.
//!
//! `cargo bench -p cloakroom-memory --bench scale` runs 10,000 and 1,000,000 sessions; further
//! counts may be named: `… -- 5000000`. Lines of fields separated by tabs, for
//! `conformance/measured`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::alloc::System;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cloakroom_memory::MemoryStore;
use cloakroom_store::{Key, Store, Sweep, UnixTime, Write};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of a session with a user and two values.
const RECORD: usize = 160;
const START: u64 = 1_800_000_000;
/// Operations of each kind.
const MANY: usize = 100_000;
/// Longer than any request takes by itself.
const SLOW: Duration = Duration::from_micros(20);
/// For how long requests are watched while nothing expires.
const CALM: Duration = Duration::from_millis(500);

fn main() {
    // `cargo bench` itself passes `--bench`.
    let named: Vec<usize> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let counts = match named.is_empty() {
        true => vec![10_000, 1_000_000],
        false => named,
    };
    println!(
        "sessions\tbytes each\tload ns\tload and replace ns\tcreate ns\tload and delete ns\texpired\tns each\tlongest pause us\tthe same without expiry us"
    );
    counts.into_iter().for_each(scale);
}

fn scale(count: usize) {
    let clock = Arc::new(AtomicU64::new(START));
    let reader = Arc::clone(&clock);
    let region = Region::new(GLOBAL);
    let store = MemoryStore::builder()
        .max_entries(usize::MAX)
        .max_bytes(usize::MAX)
        .clock(move || UnixTime::from_secs(reader.load(Ordering::Relaxed)))
        .build();
    for n in 0..count {
        // Two tenths end early, one after the other, spread over what is there.
        let life = match n % 10 {
            0 => 600,
            5 => 1_200,
            _ => 7_200,
        };
        let write = Write::new(vec![7; RECORD], UnixTime::from_secs(START + life), None);
        drop(now(store.create(&key(n), &write)));
    }
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    clock.store(START + 700, Ordering::Relaxed);
    let (expired, each) = expiry(&store);
    let calm = pauses(&store, count, || std::thread::sleep(CALM));
    clock.store(START + 1_300, Ordering::Relaxed);
    let pause = pauses(&store, count, || {
        expiry(&store);
    });
    let [load, replace, create, delete] = operations(&store, count);
    println!(
        "{count}\t{:.0}\t{load:.0}\t{replace:.0}\t{create:.0}\t{delete:.0}\t{expired}\t{each:.0}\t{}\t{}",
        held as f64 / count as f64,
        pause.as_micros(),
        calm.as_micros(),
    );
}

/// Removes what has expired, as the store's own sweeper does: how many, and nanoseconds for each.
fn expiry(store: &MemoryStore) -> (usize, f64) {
    let begin = processor();
    let removed = now(store.sweep(usize::MAX)).unwrap_or(0);
    let spent = processor().saturating_sub(begin);
    (removed, spent as f64 / removed.max(1) as f64)
}

/// The longest wait of a request, a load and a replace of a living session, while something else
/// goes on in this thread.
fn pauses(store: &MemoryStore, count: usize, other: impl FnOnce()) -> Duration {
    let stop = AtomicBool::new(false);
    let write = Write::new(vec![8; RECORD], UnixTime::from_secs(START + 7_200), None);
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let (mut longest, mut end, mut waited) = (Duration::ZERO, Instant::now(), waited());
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Never one of those that end early.
                let key = key(7_919_usize.wrapping_mul(n) % count / 10 * 10 + 1);
                if let Ok(Some(old)) = now(store.load(&key)) {
                    drop(black_box(now(store.replace(&key, &old, &write))));
                }
                let (start, so_far) = (end, waited);
                end = Instant::now();
                if end - start > SLOW {
                    waited = self::waited();
                    longest = longest.max((end - start).saturating_sub(waited - so_far));
                    end = Instant::now();
                }
            }
            longest
        });
        other();
        stop.store(true, Ordering::Relaxed);
        requests.join().unwrap_or_default()
    })
}

fn operations(store: &MemoryStore, count: usize) -> [f64; 4] {
    // Neighbours in memory are not neighbours here. 7,919 is a prime.
    let keys: Vec<_> = (0..MANY)
        .map(|n| key(n.wrapping_mul(7_919) % count))
        .collect();
    let write = Write::new(vec![8; RECORD], UnixTime::from_secs(START + 7_200), None);
    let others: Vec<_> = (count..count + MANY).map(key).collect();
    let load = timed(&keys, |key| drop(black_box(now(store.load(key)))));
    let replace = timed(&keys, |key| {
        if let Ok(Some(old)) = now(store.load(key)) {
            drop(black_box(now(store.replace(key, &old, &write))));
        }
    });
    let create = timed(&others, |key| {
        drop(black_box(now(store.create(key, &write))));
    });
    let delete = timed(&others, |key| {
        if let Ok(Some(old)) = now(store.load(key)) {
            drop(black_box(now(store.delete(key, &old))));
        }
    });
    [load, replace, create, delete]
}

fn timed<T>(inputs: &[T], operation: impl FnMut(&T)) -> f64 {
    let begin = processor();
    inputs.iter().for_each(operation);
    processor().saturating_sub(begin) as f64 / inputs.len() as f64
}

/// Nanoseconds that this thread has spent on a processor.
fn processor() -> u64 {
    // A thread that has just slept has been counted up to now.
    std::thread::sleep(Duration::from_millis(1));
    schedule(0)
}

/// For how long this thread could have run, and had no processor.
fn waited() -> Duration {
    Duration::from_nanos(schedule(1))
}

fn schedule(field: usize) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let number = text
        .split(' ')
        .nth(field)
        .and_then(|number| number.parse().ok());
    number.unwrap_or(0)
}

fn key(n: usize) -> Key {
    let name = format!("session:{n:043}");
    Key::new(&name).unwrap_or_else(|| unreachable!("{name} is a key"))
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("this store never waits"),
    }
}
