//! The steps of each operation and their order, which decide its durability and its cost.

use std::sync::Arc;

use cloakroom_store::{Directory, Key, Store, Stored, UnixTime, Write};

use super::TempDir;
use super::faults::Faults;
use crate::FileStore;

#[tokio::test]
async fn a_record_is_flushed_before_it_has_its_name_and_the_name_before_the_answer() {
    let expected = Expected {
        create: "open lock, lock, open, stat, create, write, sync, create, make directory, sync names, create, \
                 sync names, rename, sync names",
        replace: "open lock, lock, open, stat, read, create, write, sync, create, rename, sync names",
        replace_subject: "open lock, lock, open, stat, read, create, write, sync, rename, remove, remove directory, sync names",
        touch: "open lock, lock, open, stat, read, create, write, sync, rename, sync names",
        delete: "open lock, lock, open, stat, read, remove, sync names",
    };
    check(true, expected).await;
}

#[tokio::test]
async fn without_fsync_the_same_steps_are_taken_but_for_the_flushing() {
    let expected = Expected {
        create: "open lock, lock, open, stat, create, write, create, make directory, create, rename",
        replace: "open lock, lock, open, stat, read, create, write, create, rename",
        replace_subject: "open lock, lock, open, stat, read, create, write, rename, remove, remove directory",
        touch: "open lock, lock, open, stat, read, create, write, rename",
        delete: "open lock, lock, open, stat, read, remove",
    };
    check(false, expected).await;
}

struct Expected {
    create: &'static str,
    replace: &'static str,
    replace_subject: &'static str,
    touch: &'static str,
    delete: &'static str,
}

async fn check(fsync: bool, expected: Expected) {
    let dir = TempDir::new();
    let faults = Arc::new(Faults::default());
    let builder = FileStore::builder(&dir.0).fsync(fsync);
    let store = builder.faults(Arc::clone(&faults)).open().unwrap();
    let taken = || faults.taken().join(", ");
    taken();

    let key = Key::new("k").unwrap();
    let end = UnixTime::from_secs(200_000_000_000);
    let adas = Write::new(b"v".to_vec(), end, Some("ada".into()));
    let nobodys = Write::new(b"v".to_vec(), end, None);
    let old = Stored::new(b"v".to_vec(), end, 0);

    store.create(&key, &adas).await.unwrap();
    assert_eq!(taken(), expected.create);
    store.load(&key).await.unwrap();
    assert_eq!(taken(), "open, stat, read");
    store.list("ada").await.unwrap();
    assert_eq!(taken(), "read directory, open, stat, read");
    store.replace(&key, &old, &adas).await.unwrap();
    assert_eq!(taken(), expected.replace);
    store.replace(&key, &old, &nobodys).await.unwrap();
    assert_eq!(taken(), expected.replace_subject);
    store.touch(&key, UnixTime::MAX).await.unwrap();
    assert_eq!(taken(), expected.touch);
    store.touch(&key, UnixTime::MAX).await.unwrap();
    assert_eq!(
        taken(),
        "open lock, lock, open, stat, read",
        "nothing to change"
    );
    store.delete(&key, &old).await.unwrap();
    assert_eq!(taken(), expected.delete);
    store.load(&key).await.unwrap();
    assert_eq!(taken(), "open, stat, open lock, lock, open, stat");
}
