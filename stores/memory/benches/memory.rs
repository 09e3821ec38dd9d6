//! The store's costs: heap per record, and allocations and time per operation.
//!
//! `cargo bench -p cloakroom-memory` prints a table. `… -- OPERATION COUNT` runs one operation
//! only, to be put under callgrind: the difference between two counts is what the operations cost.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::alloc::System;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use cloakroom_memory::MemoryStore;
use cloakroom_store::{Directory, Key, Store, Stored, Sweep, UnixTime, Write};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of a session with ten values.
const RECORD: usize = 1_040;

fn main() {
    // `cargo bench` itself passes `--bench`.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if let [operation, count] = &arguments[..] {
        single(operation, count.parse().unwrap_or(0));
        return;
    }
    println!(
        "heap per record of {RECORD} bytes and a key of 51 (requested sizes, everything included)"
    );
    // Just before, at, and after the sizes where the tables grow.
    for count in [1_000, 100_000, 200_000, 225_000, 235_000] {
        heap(count);
    }
    println!("\noperation        allocations  ns      (200,000 records)");
    operations(200_000);
    println!("\nremoving a tenth of the records");
    for count in [50_000, 100_000, 200_000] {
        expiry(count);
    }
}

fn heap(count: usize) {
    let region = Region::new(GLOBAL);
    let store = MemoryStore::new();
    let empty = held(&region);
    fill(&store, count, 0);
    let written = held(&region);
    for n in 0..count {
        black_box(load(&store, n));
    }
    let loaded = held(&region);
    assert!(
        loaded <= count * 1_200 || count < 10_000,
        "the goal is 1,200 bytes"
    );
    println!(
        "{count:>9}: {:.1} as written, {:.1} once each has been loaded (empty store: {empty})",
        written as f64 / count as f64,
        loaded as f64 / count as f64,
    );
}

fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    // These two include what reallocations add and give back.
    change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated)
}

fn operations(count: usize) {
    let store = MemoryStore::new();
    fill(&store, count, 0);
    let write = Write::new(vec![7; RECORD], later(1_800), None);
    let keys: Vec<_> = (0..count).map(key).collect();
    let unknown: Vec<_> = (count..count + 20_000).map(key).collect();
    let some = || keys.iter().step_by(count / 20_000);
    measure("load, first", some(), |key| drop(now(store.load(key))));
    measure("load", some(), |key| drop(now(store.load(key))));
    measure("load, unknown", unknown.iter(), |key| {
        drop(now(store.load(key)));
    });
    measure("touch", some(), |key| {
        drop(now(store.touch(key, later(3_600))));
    });
    let loaded: Vec<(&Key, Stored)> = some()
        .filter_map(|key| Some((key, now(store.load(key)).ok()??)))
        .collect();
    measure("replace", loaded.iter(), |(key, old)| {
        drop(now(store.replace(key, old, &write)));
    });
    measure("create", unknown.iter(), |key| {
        drop(now(store.create(key, &write)));
    });
    let created: Vec<(&Key, Stored)> = unknown
        .iter()
        .filter_map(|key| Some((key, now(store.load(key)).ok()??)))
        .collect();
    measure("delete", created.iter(), |(key, old)| {
        drop(now(store.delete(key, old)));
    });
    let owned = Write::new(vec![7; RECORD], later(1_800), Some("ada".into()));
    for key in &unknown[..3] {
        let _ = now(store.create(key, &owned));
    }
    measure("list of three", 0..10_000, |_| drop(now(store.list("ada"))));
    measure("sweep, nothing", 0..10_000, |_| drop(now(store.sweep(100))));
}

fn measure<T>(name: &str, inputs: impl Iterator<Item = T>, mut operation: impl FnMut(T)) {
    let region = Region::new(GLOBAL);
    let start = Instant::now();
    let mut count = 0_u32;
    for input in inputs {
        operation(black_box(input));
        count += 1;
    }
    let time = start.elapsed();
    let change = region.change();
    let allocations = (change.allocations + change.reallocations) as f64 / f64::from(count);
    println!(
        "{name:<16} {allocations:>11.2}  {:.0}",
        time.as_nanos() as f64 / f64::from(count)
    );
}

fn expiry(count: usize) {
    let clock = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(later(0).as_secs()));
    let reader = std::sync::Arc::clone(&clock);
    let store = MemoryStore::builder()
        .clock(move || UnixTime::from_secs(reader.load(std::sync::atomic::Ordering::Relaxed)))
        .build();
    fill(&store, count, 18_000);
    clock.fetch_add(1_800, std::sync::atomic::Ordering::Relaxed);
    let start = Instant::now();
    let removed = now(store.sweep(usize::MAX)).unwrap_or(0);
    let time = start.elapsed();
    println!(
        "{count:>9}: {removed} removed, {:.0} ns each",
        time.as_nanos() as f64 / removed as f64
    );
}

/// Expiring evenly within `spread` seconds from now, or, without a spread, in half an hour.
fn fill(store: &MemoryStore, count: usize, spread: usize) {
    for n in 0..count {
        let life = if spread == 0 {
            1_800
        } else {
            1 + n * spread / count
        };
        let write = Write::new(vec![7; RECORD], later(life as u64), None);
        let _ = now(store.create(&key(n), &write));
    }
}

/// One operation, many times, on a store of 10,000 records.
fn single(operation: &str, count: usize) {
    const RECORDS: usize = 10_000;
    let store = MemoryStore::new();
    fill(&store, RECORDS, 0);
    let keys: Vec<_> = (0..RECORDS).map(key).collect();
    let write = Write::new(vec![7; RECORD], later(1_800), None);
    for n in 0..RECORDS {
        black_box(load(&store, n));
    }
    let other = key(RECORDS);
    for key in keys.iter().cycle().take(count) {
        match operation {
            "load" => drop(black_box(now(store.load(key)))),
            "unknown" => drop(black_box(now(store.load(&other)))),
            "touch" => drop(black_box(now(store.touch(key, later(3_600))))),
            "load-replace" => {
                if let Ok(Some(old)) = now(store.load(key)) {
                    drop(black_box(now(store.replace(key, &old, &write))));
                }
            }
            "create-load-delete" => {
                drop(black_box(now(store.create(&other, &write))));
                if let Ok(Some(old)) = now(store.load(&other)) {
                    drop(black_box(now(store.delete(&other, &old))));
                }
            }
            _ => println!("load, unknown, touch, load-replace, create-load-delete"),
        }
    }
}

fn load(store: &MemoryStore, n: usize) -> Option<Stored> {
    now(store.load(&key(n))).ok()?
}

fn key(n: usize) -> Key {
    let name = format!("session:{n:043}");
    Key::new(&name).unwrap_or_else(|| unreachable!("{name} is a key"))
}

fn later(seconds: u64) -> UnixTime {
    UnixTime::from(SystemTime::now()) + Duration::from_secs(seconds)
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("this store never waits"),
    }
}
