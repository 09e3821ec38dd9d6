use cloakroom_memory::MemoryStore;
use cloakroom_store::{Deleted, Directory, Store, UnixTime, Write};

use crate::{FakeClock, after, key, load, now, write, write_for};

fn listed(store: &MemoryStore, subject: &str) -> Vec<String> {
    let records = now(store.list(subject)).unwrap();
    let mut names: Vec<_> = records
        .iter()
        .map(|(key, stored)| {
            assert_eq!(load(store, key.as_str()).as_ref(), Some(stored));
            key.as_str().to_owned()
        })
        .collect();
    names.sort();
    names
}

// R21
#[test]
fn a_subjects_records_are_listed_and_can_be_deleted_as_listed() {
    let clock = FakeClock::new();
    let store = clock.builder().build();
    let create = |name, write: &Write| now(store.create(&key(name), write)).unwrap();
    create("a", &write_for("ada", "1", after(60)));
    create("b", &write_for("ada", "2", after(90)));
    create("c", &write_for("bob", "3", after(60)));
    create("d", &write("4", after(60)));
    create("e", &write_for("", "5", after(60)));
    assert_eq!(listed(&store, "ada"), ["a", "b"]);
    assert_eq!(listed(&store, "bob"), ["c"]);
    assert_eq!(listed(&store, ""), ["e"]);
    assert_eq!(listed(&store, "eve"), [""; 0]);

    clock.set(after(60));
    assert_eq!(listed(&store, "ada"), ["b"]);
    assert_eq!(listed(&store, "bob"), [""; 0]);
    for (key, stored) in now(store.list("ada")).unwrap() {
        assert_eq!(now(store.delete(&key, &stored)).unwrap(), Deleted::Deleted);
    }
    assert_eq!(listed(&store, "ada"), [""; 0]);
}

#[test]
fn a_replace_sets_the_records_subject() {
    let store = MemoryStore::new();
    let a = key("a");
    now(store.create(&a, &write("0", UnixTime::MAX))).unwrap();
    for (subject, ada, bob) in [
        (Some("ada"), 1, 0),
        (Some("ada"), 1, 0),
        (Some("bob"), 0, 1),
        (None, 0, 0),
        (Some("ada"), 1, 0),
    ] {
        let old = load(&store, "a").unwrap();
        let write = Write::new(b"x".to_vec(), UnixTime::MAX, subject.map(Into::into));
        now(store.replace(&a, &old, &write)).unwrap();
        now(store.touch(&a, UnixTime::MAX)).unwrap();
        assert_eq!(
            (listed(&store, "ada").len(), listed(&store, "bob").len()),
            (ada, bob)
        );
    }
}

#[test]
fn a_subject_with_very_many_records_is_listed_whole() {
    let store = MemoryStore::new();
    for n in 0..5_000 {
        now(store.create(
            &key(&format!("{n}")),
            &write_for("guest", "x", UnixTime::MAX),
        ))
        .unwrap();
    }
    for n in (0..5_000).step_by(2) {
        let name = format!("{n}");
        let old = load(&store, &name).unwrap();
        now(store.delete(&key(&name), &old)).unwrap();
    }
    assert_eq!(listed(&store, "guest").len(), 2_500);
}
