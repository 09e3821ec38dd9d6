//! A disk without space or inodes for one more file: existing records can be read and removed.

use std::sync::Arc;

use cloakroom_store::{Created, Deleted, Directory, Key, Store, Sweep, UnixTime, Write};

use super::TempDir;
use super::faults::{Fault, Faults};
use crate::FileStore;
use crate::layout::{Layout, Name};

const NOW: u64 = 1_000;

fn open(dir: &TempDir, faults: &Arc<Faults>) -> FileStore {
    let builder = FileStore::builder(&dir.0).clock(|| UnixTime::from_secs(NOW));
    builder.faults(Arc::clone(faults)).open().unwrap()
}

#[tokio::test]
async fn a_store_that_is_there_opens_and_sessions_can_be_signed_out() {
    for without_lock in [false, true] {
        let dir = TempDir::new();
        let sound = open(&dir, &Arc::default());
        let end = UnixTime::from_secs(2_000);
        let keys = ["a", "b"].map(|name| Key::new(name).unwrap());
        for key in &keys {
            let write = Write::new(b"v".to_vec(), end, Some("ada".into()));
            assert_eq!(sound.create(key, &write).await.unwrap(), Created::Stored);
        }
        let over = Write::new(b"v".to_vec(), UnixTime::from_secs(1), None);
        sound
            .create(&Key::new("over").unwrap(), &over)
            .await
            .unwrap();
        let layout = Layout::new(dir.0.clone());
        if without_lock {
            // Of a store that an earlier version made.
            let lock = layout.lock(Name::of_key(&keys[0]).shard());
            std::fs::remove_file(lock).unwrap();
        }

        let faults = Arc::new(Faults::default());
        faults.arm(Fault::Full, 0);
        let store = open(&dir, &faults);
        let old = store.load(&keys[0]).await.unwrap().unwrap();
        assert_eq!(store.list("ada").await.unwrap().len(), 2);
        let new = Write::new(b"w".to_vec(), end, None);
        let error = store.replace(&keys[0], &old, &new).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().contains("free some space"), "{error}");
        let error = store
            .create(&Key::new("c").unwrap(), &new)
            .await
            .unwrap_err();
        assert!(!error.is_transient(), "{error}");
        let gone = store.delete(&keys[0], &old).await.unwrap();
        assert_eq!(gone, Deleted::Deleted, "without a lock: {without_lock}");
        assert_eq!(store.sweep(10).await.unwrap(), 1);
        assert_eq!(store.list("ada").await.unwrap().len(), 1);
        assert!(faults.disarm());
    }
}

#[test]
fn a_store_that_is_not_there_does_not_open() {
    let dir = TempDir::new();
    let faults = Arc::new(Faults::default());
    faults.arm(Fault::Full, 0);
    let opened = FileStore::builder(&dir.0).faults(faults).open();
    assert!(opened.unwrap_err().to_string().contains("free some space"));
}
