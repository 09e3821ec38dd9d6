use cloakroom_store::{Created, Deleted, Replaced, Store, StoreError, UnixTime};

use crate::{FakeClock, after, key, load, now, write, write_for};

#[test]
fn a_full_store_refuses_new_records_and_keeps_the_living_ones() {
    let clock = FakeClock::new();
    let store = clock.builder().max_entries(80).build();
    let create = |n: u64| now(store.create(&key(&format!("{n}")), &write("x", after(60))));
    for n in 0..70 {
        assert_eq!(create(n).unwrap(), Created::Stored);
    }
    assert_full(create(70));
    assert_eq!(store.entries(), 70);
    assert!((0..70).all(|n| load(&store, &n.to_string()).is_some()));
    // What is there is still said to be there.
    assert_eq!(create(0).unwrap(), Created::Taken);

    let old = load(&store, "0").unwrap();
    assert_eq!(
        now(store.delete(&key("0"), &old)).unwrap(),
        Deleted::Deleted
    );
    assert_eq!(create(70).unwrap(), Created::Stored);
}

#[test]
fn the_last_eighth_is_for_records_with_a_subject() {
    let clock = FakeClock::new();
    let store = clock.builder().max_entries(80).build();
    for n in 0..70 {
        now(store.create(&key(&format!("flood-{n}")), &write("x", after(60)))).unwrap();
    }
    for n in 0..10 {
        assert_full(now(store.create(&key("one-more"), &write("x", after(60)))));
        let user = write_for("ada", "x", after(60));
        assert_eq!(
            now(store.create(&key(&format!("{n}")), &user)).unwrap(),
            Created::Stored
        );
    }
    assert_full(now(
        store.create(&key("one-more"), &write_for("ada", "x", after(60)))
    ));
}

#[test]
fn expired_records_make_room_wherever_they_are() {
    let clock = FakeClock::new();
    let store = clock.builder().max_entries(1_000).build();
    for n in 0..875 {
        now(store.create(&key(&format!("old-{n}")), &write("x", after(60)))).unwrap();
    }
    clock.set(after(60));
    for n in 0..875 {
        let created = now(store.create(&key(&format!("new-{n}")), &write("x", after(120))));
        assert_eq!(created.unwrap(), Created::Stored);
    }
    assert_eq!(store.entries(), 875);
    assert_full(now(store.create(&key("one-more"), &write("x", after(120)))));
}

#[test]
fn a_replace_that_does_not_fit_leaves_the_old_record() {
    let clock = FakeClock::new();
    let store = clock.builder().max_bytes(2_000).build();
    let (a, small, large) = (key("a"), "s".repeat(500), "l".repeat(1_900));
    now(store.create(&a, &write(&small, after(60)))).unwrap();
    let old = load(&store, "a").unwrap();
    let bytes = store.bytes();
    assert_eq!(bytes, 1 + 500 + 128);
    assert_full(now(store.replace(&a, &old, &write(&large, after(60)))));
    assert_eq!(
        (load(&store, "a").as_ref(), store.bytes()),
        (Some(&old), bytes)
    );

    // A record may grow beyond the share of new ones, shrink, and grow again.
    for size in [1_800, 10, 1_800, 0] {
        let old = load(&store, "a").unwrap();
        let write = write(&"x".repeat(size), after(60));
        assert_eq!(
            now(store.replace(&a, &old, &write)).unwrap(),
            Replaced::Stored
        );
        assert_eq!(store.bytes(), 1 + size + 128);
    }
}

#[test]
fn a_replace_removes_expired_records_to_make_room() {
    let clock = FakeClock::new();
    let store = clock.builder().max_bytes(100_000).build();
    for n in 0..80 {
        now(store.create(
            &key(&format!("old-{n}")),
            &write(&"x".repeat(900), after(60)),
        ))
        .unwrap();
    }
    now(store.create(&key("a"), &write("x", after(120)))).unwrap();
    let old = load(&store, "a").unwrap();
    clock.set(after(60));
    let large = write(&"x".repeat(90_000), after(120));
    assert_eq!(
        now(store.replace(&key("a"), &old, &large)).unwrap(),
        Replaced::Stored
    );
}

#[test]
fn the_bounds_hold_while_many_threads_write() {
    let clock = FakeClock::new();
    let store = clock.builder().max_entries(800).build();
    let stored: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let store = store.clone();
                scope.spawn(move || {
                    let create = |n| {
                        now(store
                            .create(&key(&format!("{thread}-{n}")), &write("x", UnixTime::MAX)))
                    };
                    (0..500).filter(|n| create(*n).is_ok()).count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!((stored, store.entries()), (700, 700));
}

#[track_caller]
fn assert_full<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(error.store(), "memory");
    assert!(error.to_string().contains("full: "), "{error}");
}
