use cloakroom_memory::MemoryStore;
use cloakroom_store::{Created, Deleted, Key, Replaced, Store, Touched, UnixTime, Write};

use crate::{FakeClock, after, key, load, now, write};

// R05: the other record stays as it was.
#[test]
fn create_never_overwrites_a_living_record() {
    let store = MemoryStore::new();
    let create = |bytes| now(store.create(&key("a"), &write(bytes, UnixTime::MAX))).unwrap();
    assert_eq!(create("first"), Created::Stored);
    let first = load(&store, "a").unwrap();
    assert_eq!(create("second"), Created::Taken);
    assert_eq!(load(&store, "a").unwrap(), first);
}

#[test]
fn replace_and_delete_act_only_on_the_record_that_was_loaded() {
    let store = MemoryStore::new();
    let a = key("a");
    now(store.create(&a, &write("1", UnixTime::MAX))).unwrap();
    let first = load(&store, "a").unwrap();
    let replace = |old, bytes| now(store.replace(&a, old, &write(bytes, UnixTime::MAX))).unwrap();
    assert_eq!(replace(&first, "2"), Replaced::Stored);
    assert_eq!(replace(&first, "3"), Replaced::Changed);
    assert_eq!(now(store.delete(&a, &first)).unwrap(), Deleted::Changed);
    let second = load(&store, "a").unwrap();
    assert_eq!(second.bytes, "2");
    assert_eq!(now(store.delete(&a, &second)).unwrap(), Deleted::Deleted);
    assert_eq!(now(store.delete(&a, &second)).unwrap(), Deleted::Gone);
    assert_eq!(replace(&second, "4"), Replaced::Gone);
    assert_eq!(load(&store, "a"), None);
}

#[test]
fn the_same_bytes_again_are_another_version() {
    let store = MemoryStore::new();
    let a = key("a");
    let same = write("same", UnixTime::MAX);
    now(store.create(&a, &same)).unwrap();
    let first = load(&store, "a").unwrap();

    now(store.replace(&a, &first, &write("other", UnixTime::MAX))).unwrap();
    let other = load(&store, "a").unwrap();
    now(store.replace(&a, &other, &same)).unwrap();
    assert_eq!(now(store.delete(&a, &first)).unwrap(), Deleted::Changed);

    let third = load(&store, "a").unwrap();
    now(store.delete(&a, &third)).unwrap();
    now(store.create(&a, &same)).unwrap();
    for old in [first, other, third] {
        let replaced = now(store.replace(&a, &old, &same)).unwrap();
        assert_eq!(replaced, Replaced::Changed);
    }
}

#[test]
fn a_touch_changes_when_the_record_ends_and_nothing_that_is_compared() {
    let clock = FakeClock::new();
    let store = clock.builder().build();
    let a = key("a");
    now(store.create(&a, &write("1", after(10)))).unwrap();
    let before = load(&store, "a").unwrap();
    let touch = |seconds| now(store.touch(&a, after(seconds))).unwrap();
    assert_eq!(touch(100), Touched::Extended);
    clock.set(after(50));
    let touched = load(&store, "a").unwrap();
    assert_eq!(touched.expires_at, after(100));
    assert_eq!(
        (&touched.bytes, touched.version),
        (&before.bytes, before.version)
    );
    assert_eq!(
        now(store.replace(&a, &before, &write("2", after(60)))).unwrap(),
        Replaced::Stored
    );
    assert_eq!(touch(50), Touched::Extended);
    assert_eq!(touch(100), Touched::Gone);
    assert_eq!(load(&store, "a"), None);
}

#[test]
fn a_loaded_record_stays_as_it_was() {
    let store = MemoryStore::new();
    now(store.create(&key("a"), &write("kept", UnixTime::MAX))).unwrap();
    let stored = load(&store, "a").unwrap();
    now(store.delete(&key("a"), &stored)).unwrap();
    drop(store);
    assert_eq!(stored.bytes, "kept");
}

// R58: every byte that a key may have, in keys of every length.
#[test]
fn hostile_keys_reach_only_their_own_record() {
    let store = MemoryStore::new();
    let graphic: String = (b'!'..=b'~').map(char::from).collect();
    let mut names = vec![
        "../a".to_owned(),
        "a/../a".to_owned(),
        "%61".to_owned(),
        "$ne".to_owned(),
    ];
    names.extend((1..=Key::MAX_LEN).map(|len| graphic.chars().cycle().take(len).collect()));
    for name in &names {
        // An empty record too: key and value lie side by side.
        let bytes = if name.len() % 7 == 0 { "" } else { name };
        let created = now(store.create(&key(name), &write(bytes, UnixTime::MAX))).unwrap();
        assert_eq!(created, Created::Stored);
    }
    for name in &names {
        let bytes = if name.len() % 7 == 0 { "" } else { name };
        assert_eq!(load(&store, name).unwrap().bytes, bytes);
    }
    assert_eq!(load(&store, "a"), None);
}

// R53
#[test]
fn concurrent_increments_through_many_handles_are_all_counted() {
    let store = MemoryStore::new();
    let count = |n: u64| Write::new(n.to_le_bytes().to_vec(), UnixTime::MAX, None);
    let keys = [key("a"), key("b")];
    for key in &keys {
        now(store.create(key, &count(0))).unwrap();
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (store, keys, count) = (store.clone(), &keys, &count);
            scope.spawn(move || {
                for n in 0..1_000 {
                    let key = &keys[n % 2];
                    loop {
                        let old = now(store.load(key)).unwrap().unwrap();
                        let sum = u64::from_le_bytes(old.bytes[..].try_into().unwrap()) + 1;
                        match now(store.replace(key, &old, &count(sum))).unwrap() {
                            Replaced::Stored => break,
                            Replaced::Changed => {}
                            Replaced::Gone => panic!("nobody deletes"),
                        }
                    }
                }
            });
        }
    });
    for key in &keys {
        let stored = now(store.load(key)).unwrap().unwrap();
        assert_eq!(stored.bytes[..], 4_000_u64.to_le_bytes());
    }
}

#[test]
fn of_concurrent_creates_one_wins_and_of_concurrent_deletes_one_deletes() {
    let store = MemoryStore::new();
    let win = |n: usize| {
        let key = key(&format!("race-{n}"));
        let created = now(store.create(&key, &write("x", UnixTime::MAX))).unwrap();
        let old = now(store.load(&key)).unwrap();
        let deleted = old.map(|old| now(store.delete(&key, &old)).unwrap());
        (
            created == Created::Stored,
            deleted == Some(Deleted::Deleted),
        )
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..2_000).map(win).collect::<Vec<_>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let created = all.iter().filter(|(created, _)| *created).count();
    let deleted = all.iter().filter(|(_, deleted)| *deleted).count();
    assert_eq!(created - deleted, store.entries());
}

// R11
#[test]
fn debug_shows_neither_keys_nor_values() {
    let store = MemoryStore::new();
    now(store.create(&key("the-key"), &write("the-value", UnixTime::MAX))).unwrap();
    let shown = format!("{store:?} {:?}", MemoryStore::builder().max_entries(5));
    assert!(
        shown.contains("entries: 1") && !shown.contains("the-"),
        "{shown}"
    );
}

#[test]
fn a_future_that_is_never_polled_does_nothing() {
    let store = MemoryStore::new();
    let (key, write) = (key("a"), write("x", UnixTime::MAX));
    drop(store.create(&key, &write));
    assert_eq!(store.entries(), 0);
}
