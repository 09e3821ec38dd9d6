use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_memory::MemoryStore;
use cloakroom_store::{Store, UnixTime};

use crate::{START, after, key, now, write};

const SOON: Duration = Duration::from_millis(1);
/// Only a failing test waits this long.
const NEVER: Duration = Duration::from_secs(60);

/// A store whose clock reports each reading by the sweeper, and then returns `time`.
fn watched(
    rounds: SyncSender<usize>,
    time: impl Fn(usize) -> UnixTime + Send + Sync + 'static,
) -> MemoryStore {
    let readings = AtomicUsize::new(0);
    let rounds = Mutex::new(rounds);
    MemoryStore::builder()
        .clock(move || {
            if std::thread::current().name() != Some("session-sweeper") {
                return START;
            }
            let reading = readings.fetch_add(1, SeqCst);
            // After the test has ended, the clock does not wait.
            let _ = rounds
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .send(reading);
            time(reading)
        })
        .build()
}

#[test]
fn the_sweeper_removes_expired_records_without_any_operation() {
    let (sender, rounds) = sync_channel(0);
    let store = watched(sender, |_| after(60));
    for n in 0..100 {
        now(store.create(&key(&format!("{n}")), &write("x", after(60)))).unwrap();
    }
    let store = store.sweep_every(SOON).unwrap();
    // One reading for each lock; the second round begins when the first has ended.
    while store.entries() > 0 {
        rounds.recv_timeout(NEVER).unwrap();
    }
    drop(rounds);
}

// R59
#[test]
fn the_sweeper_survives_an_error_and_goes_on() {
    let (sender, rounds) = sync_channel(0);
    let store = watched(sender, |reading| {
        assert!(reading >= 3, "the clock is broken");
        after(60)
    });
    now(store.create(&key("a"), &write("x", after(60)))).unwrap();
    let store = store.sweep_every(SOON).unwrap();
    while store.entries() > 0 {
        rounds.recv_timeout(NEVER).unwrap();
    }
    drop(rounds);
}

#[test]
fn the_sweeper_ends_with_the_last_handle_and_leaves_nothing_behind() {
    let (sender, rounds) = sync_channel(1);
    let alive = Arc::new(());
    let witness = Arc::downgrade(&alive);
    let store = watched(sender, move |_| {
        let _ = &alive;
        START
    });
    let store = store.sweep_every(SOON).unwrap();
    let clone = store.clone();
    drop(store);
    // Still running for the clone: two readings came after the first handle had gone.
    for _ in 0..2 {
        rounds.recv_timeout(NEVER).unwrap();
    }
    // The thread may be waiting to report; it must not wait for us.
    let listener = std::thread::spawn(move || while rounds.recv().is_ok() {});
    drop(clone);
    // The drop has joined the thread, which was the last to hold the data, and with it the clock.
    assert!(witness.upgrade().is_none());
    listener.join().unwrap();
}

#[test]
fn an_older_handle_keeps_the_data_but_not_the_sweeper() {
    let (sender, rounds) = sync_channel(1_000_000);
    let alive = Arc::new(());
    let witness = Arc::downgrade(&alive);
    let plain = watched(sender, move |_| {
        let _ = &alive;
        START
    });
    now(plain.create(&key("a"), &write("x", after(60)))).unwrap();
    let sweeping = plain.clone().sweep_every(SOON).unwrap();
    rounds.recv_timeout(NEVER).unwrap();
    drop(sweeping);
    assert!(now(plain.load(&key("a"))).unwrap().is_some());
    // Were the thread still there, it would hold the data, and with it the clock.
    drop(plain);
    assert!(witness.upgrade().is_none());
}

#[test]
fn dropping_a_store_that_sweeps_rarely_does_not_wait_for_the_next_round() {
    let store = MemoryStore::new().sweep_every(Duration::MAX).unwrap();
    drop(store);
}
