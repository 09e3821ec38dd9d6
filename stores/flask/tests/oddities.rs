//! Foreign things in the place of a file of Flask's, and the owner of files that root makes.
#![cfg(all(unix, feature = "filesystem"))]

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloakroom_flask_stores::{FileSystemStore, JsonFileStore};
use cloakroom_store::{Key, Store, Sweep, UnixTime, Write};

const ODDITIES: [fn(&Path); 4] = [
    |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
    |path| fs::create_dir(path).unwrap(),
    |path| symlink("/dev/zero", path).unwrap(),
    |path| symlink("nowhere", path).unwrap(),
];

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let soon = tokio::time::timeout(Duration::from_secs(60), what).await;
    soon.expect("it hangs")
}

fn key() -> Key {
    Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap()
}

fn write() -> Write {
    Write::new(&b"\x80\x02}."[..], UnixTime::from_secs(4_000_000_000), None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_special_file_is_an_error_at_once() {
    for make in ODDITIES {
        for lock in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let store = FileSystemStore::builder(dir.path())
                .threshold(0)
                .open()
                .unwrap();
            store.create(&key(), &write()).await.unwrap();
            for entry in fs::read_dir(dir.path()).unwrap() {
                let path = entry.unwrap().path();
                if path.to_str().unwrap().ends_with("__wz_cache") == lock {
                    fs::remove_file(&path).unwrap();
                    make(&path);
                }
            }
            let error = soon(store.create(&key(), &write())).await.unwrap_err();
            assert!(
                !error.is_transient() && error.to_string().contains("remove it"),
                "{error}"
            );
            if !lock {
                assert!(soon(store.load(&key())).await.is_err());
                drop(soon(store.sweep(1)).await);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.json");
        make(&path);
        let store = JsonFileStore::open(&path);
        assert!(soon(store.load(&key())).await.is_err());
    }
}

#[tokio::test]
async fn roots_files_in_another_users_directory_belong_to_that_user() {
    let dir = tempfile::tempdir().unwrap();
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        return; // Only root can give files away.
    }
    lchown(dir.path(), Some(65_534), Some(65_534)).unwrap();
    let store = FileSystemStore::open(dir.path()).unwrap();
    store.create(&key(), &write()).await.unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), 65_534, "{entry:?}");
        seen += 1;
    }
    assert!(seen >= 2);
}
