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
    // Existing records are still found.
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

    // It may grow up to the share of those without a subject, shrink, and grow again.
    for size in [1_621, 10, 1_621, 0] {
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
fn records_without_a_subject_do_not_grow_into_the_share_of_the_others() {
    let clock = FakeClock::new();
    let store = clock.builder().max_bytes(16_000).build();
    let replace = |name: &str, write| {
        let old = load(&store, name).unwrap();
        now(store.replace(&key(name), &old, &write))
    };
    // A flood of small records, each of which is then filled as far as it goes.
    for n in 0..40 {
        now(store.create(&key(&format!("{n:02}")), &write("x", after(60)))).unwrap();
    }
    let mut full = 0;
    for n in 0..40 {
        let mut size = 0;
        while replace(&format!("{n:02}"), write(&"x".repeat(size + 10), after(60))).is_ok() {
            size += 10;
            assert!(store.bytes() <= 14_000, "{}", store.bytes());
        }
        full += 1;
    }
    assert!(full == 40 && store.bytes() > 13_900);

    // A sign-in creates one record, and retires the one before, which grows a little.
    let user = write_for("ada", &"x".repeat(500), after(60));
    assert_eq!(
        now(store.create(&key("ada"), &user)).unwrap(),
        Created::Stored
    );
    let retired = write(&"x".repeat(200), after(30));
    assert_eq!(replace("39", retired).unwrap(), Replaced::Stored);
    // A rotation of the user's session: the new record, and the old one without a subject.
    assert_eq!(
        now(store.create(&key("eva"), &user)).unwrap(),
        Created::Stored
    );
    let retired = write(&"x".repeat(560), after(60));
    assert_eq!(replace("ada", retired).unwrap(), Replaced::Stored);
    // A record with a subject may grow up to the whole bound and no further.
    let grown = |size| write_for("ada", &"x".repeat(size), after(60));
    assert_eq!(replace("eva", grown(600)).unwrap(), Replaced::Stored);
    assert_full(replace("eva", grown(2_000)));
    assert!(store.bytes() <= 16_000);
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
    let large = write(&"x".repeat(80_000), after(120));
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
