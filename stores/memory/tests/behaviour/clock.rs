use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::SystemTime;

use cloakroom_memory::MemoryStore;
use cloakroom_store::{Created, Deleted, Directory, Replaced, Store, Sweep, Touched, UnixTime};

use crate::{FakeClock, START, after, key, load, now, write, write_for};

// R12, R14: the second before, the second itself, the second after.
#[test]
fn a_record_is_absent_from_the_second_it_expires() {
    for (second, living) in [(99, true), (100, false), (101, false)] {
        let clock = FakeClock::new();
        let store = clock.builder().build();
        let name = key("a");
        now(store.create(&name, &write_for("ada", "1", after(100)))).unwrap();
        let old = load(&store, "a").unwrap();
        clock.set(after(second));

        assert_eq!(load(&store, "a").is_some(), living);
        assert_eq!(now(store.list("ada")).unwrap().len(), usize::from(living));
        let touched = now(store.touch(&name, after(100))).unwrap();
        assert_eq!(touched == Touched::Extended, living);
        let replaced = now(store.replace(&name, &old, &write("2", after(100)))).unwrap();
        assert_eq!(
            replaced,
            if living {
                Replaced::Stored
            } else {
                Replaced::Gone
            }
        );
        assert_eq!(
            now(store.delete(&name, &old)).unwrap(),
            if living {
                Deleted::Changed
            } else {
                Deleted::Gone
            }
        );
        let created = now(store.create(&name, &write("3", after(200)))).unwrap();
        assert_eq!(
            created,
            if living {
                Created::Taken
            } else {
                Created::Stored
            }
        );
    }
}

#[test]
fn a_record_that_has_expired_when_it_is_written_is_never_seen() {
    let clock = FakeClock::new();
    let store = clock.builder().build();
    for expires_at in [UnixTime::default(), START] {
        assert_eq!(
            now(store.create(&key("a"), &write("1", expires_at))).unwrap(),
            Created::Stored
        );
        assert_eq!(load(&store, "a"), None);
    }
    assert_eq!(now(store.sweep(10)).unwrap(), 1);
    assert_eq!(store.entries(), 0);
}

#[test]
fn writes_remove_expired_records_in_passing() {
    let clock = FakeClock::new();
    let store = clock.builder().build();
    for n in 0..10_000 {
        now(store.create(&key(&format!("old-{n}")), &write("1", after(60)))).unwrap();
    }
    clock.set(after(60));
    for n in 0..10_000 {
        now(store.create(&key(&format!("new-{n}")), &write("1", after(120)))).unwrap();
    }
    assert_eq!(store.entries(), 10_000);
}

#[test]
fn a_sweep_removes_up_to_its_limit_and_returns_the_number() {
    let clock = FakeClock::new();
    let store = clock.builder().build();
    for n in 0..1_000_u64 {
        now(store.create(&key(&format!("{n}")), &write("1", after(1 + n)))).unwrap();
    }
    let sweep = |limit| now(store.sweep(limit)).unwrap();
    assert_eq!(sweep(10), 0);
    clock.set(after(500));
    assert_eq!(sweep(0), 0);
    assert_eq!(sweep(200), 200);
    assert_eq!(sweep(200), 200);
    assert_eq!(sweep(200), 100);
    assert_eq!(sweep(200), 0);
    assert_eq!(store.entries(), 500);
}

// R15
#[test]
fn a_clock_set_back_revives_nothing_that_was_removed_and_loses_nothing() {
    let clock = FakeClock::new();
    let store = clock.builder().build();
    for n in 1..1_000_u64 {
        now(store.create(&key(&format!("{n}")), &write("1", after(n)))).unwrap();
    }
    clock.set(after(500));
    assert_eq!(now(store.sweep(usize::MAX)).unwrap(), 500);
    for back in [499, 100, 0] {
        clock.set(after(back));
        now(store.touch(&key("999"), after(999))).unwrap();
        assert_eq!(now(store.sweep(usize::MAX)).unwrap(), 0);
        assert_eq!(
            (1..1_000)
                .filter(|n| load(&store, &n.to_string()).is_some())
                .count(),
            499
        );
    }
    clock.set(after(998));
    assert_eq!(now(store.sweep(usize::MAX)).unwrap(), 498);
    assert!(load(&store, "999").is_some());
}

// R15
#[test]
fn a_clock_at_an_extreme_breaks_nothing() {
    let clock = FakeClock::new();
    let store = clock.builder().build();
    let create =
        |name: &str, expires_at| now(store.create(&key(name), &write("1", expires_at))).unwrap();
    create("ends", after(60));
    create("never", UnixTime::MAX);
    // Reading alone removes nothing, so a glance at a wrong clock does no harm.
    clock.set(UnixTime::MAX);
    assert_eq!(load(&store, "never"), None);
    clock.set(START);
    assert!(load(&store, "ends").is_some() && load(&store, "never").is_some());

    clock.set(UnixTime::MAX);
    assert_eq!(now(store.sweep(usize::MAX)).unwrap(), 2);
    assert_eq!(create("at-the-end", UnixTime::MAX), Created::Stored);
    for time in [UnixTime::default(), START, UnixTime::from_secs(1)] {
        clock.set(time);
        let name = format!("at-{time}");
        create(&name, UnixTime::from_secs(time.as_secs() + 60));
        assert!(load(&store, &name).is_some());
    }
    clock.set(UnixTime::MAX);
    now(store.sweep(usize::MAX)).unwrap();
    assert_eq!((store.entries(), store.bytes()), (0, 0));
}

#[test]
fn a_clock_that_panics_in_any_operation_leaves_the_store_whole() {
    let (clock, broken) = (FakeClock::new(), Arc::new(AtomicBool::new(false)));
    let panics = Arc::clone(&broken);
    let store = MemoryStore::builder()
        .clock(move || {
            assert!(!panics.load(SeqCst), "the clock is broken");
            START
        })
        .build();
    drop(clock);
    let a = key("a");
    now(store.create(&a, &write_for("ada", "1", after(60)))).unwrap();
    let old = load(&store, "a").unwrap();

    broken.store(true, SeqCst);
    let write = write("2", after(60));
    let operations: [&dyn Fn(); 7] = [
        &|| drop(now(store.load(&a))),
        &|| drop(now(store.create(&a, &write))),
        &|| drop(now(store.replace(&a, &old, &write))),
        &|| drop(now(store.touch(&a, after(90)))),
        &|| drop(now(store.delete(&a, &old))),
        &|| drop(now(store.sweep(1))),
        &|| drop(now(store.list("ada"))),
    ];
    for operation in operations {
        assert!(catch_unwind(AssertUnwindSafe(operation)).is_err());
    }

    broken.store(false, SeqCst);
    assert_eq!(load(&store, "a").as_ref(), Some(&old));
    assert_eq!(now(store.delete(&a, &old)).unwrap(), Deleted::Deleted);
    assert_eq!((store.entries(), store.bytes()), (0, 0));
}

#[test]
fn without_a_clock_of_its_own_a_store_goes_by_the_systems() {
    let store = MemoryStore::new();
    let present = UnixTime::from(SystemTime::now());
    let hour = std::time::Duration::from_secs(3_600);
    now(store.create(&key("past"), &write("1", present))).unwrap();
    now(store.create(&key("future"), &write("1", present + hour))).unwrap();
    assert_eq!(load(&store, "past"), None);
    assert!(load(&store, "future").is_some());
}
