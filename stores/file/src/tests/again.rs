//! A rename over a file need not be atomic to a reader: then a record that is there is not found
//! for a moment. Seen on bindfs, unionfs, gocryptfs, sshfs, exfat-fuse and ntfs-3g.

use std::time::Duration;

use cloakroom_store::{Directory, Key, Store, UnixTime, Write};

use super::TempDir;
use crate::FileStore;
use crate::layout::{Layout, Name};

// R92
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_being_replaced_is_found_on_such_a_file_system() {
    let dir = TempDir::new();
    let reader = FileStore::open(&dir.0).unwrap();
    // Another process.
    let writer = FileStore::open(&dir.0).unwrap();
    let layout = Layout::new(dir.0.clone());
    let key = Key::new("k").unwrap();
    let name = Name::of_key(&key);
    let write = Write::new(b"v".to_vec(), UnixTime::MAX, Some("ada".into()));
    reader.create(&key, &write).await.unwrap();

    for (list, torn) in [(false, false), (true, false), (false, true), (true, true)] {
        // The middle of such a rename.
        let engine = writer.engine();
        let lock = engine.lock(name.shard(), engine.deadline()).unwrap();
        let (record, aside) = (layout.record(&name), dir.0.join("aside"));
        std::fs::rename(&record, &aside).unwrap();
        if torn {
            // Seen on sshfs: an open file becomes another one.
            std::fs::write(&record, "a part of it").unwrap();
        }

        let (store, of) = (reader.clone(), key.clone());
        let found = tokio::spawn(async move {
            match list {
                true => store.list("ada").await.unwrap().len(),
                false => usize::from(store.load(&of).await.unwrap().is_some()),
            }
        });
        // Long enough for a reader that does not wait to have found nothing.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!found.is_finished());
        std::fs::rename(&aside, &record).unwrap();
        drop(lock);
        assert_eq!(found.await.unwrap(), 1, "list: {list}, torn: {torn}");
    }
}

#[tokio::test]
async fn a_missing_record_is_not_found_without_a_lock_file_either() {
    let dir = TempDir::new();
    let store = FileStore::open(&dir.0).unwrap();
    let key = Key::new("k").unwrap();
    std::fs::remove_file(Layout::new(dir.0.clone()).lock(Name::of_key(&key).shard())).unwrap();
    assert_eq!(store.load(&key).await.unwrap(), None);
}
