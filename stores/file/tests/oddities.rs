//! Foreign things in the places of the store's files and directories, and their owners.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cloakroom_file::FileStore;
use cloakroom_store::{Directory, Store, StoreError, Stored, Sweep, UnixTime};
use common::{FakeClock, TempDir, files, key, quick, write};

/// Everything that has a name and is no file.
const ODDITIES: [fn(&Path); 6] = [
    |path| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    },
    |path| {
        // The path of a socket may not be long, and tests of one process run side by side.
        let dir = TempDir::new();
        let short = dir.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&short).unwrap());
        fs::rename(short, path).unwrap();
    },
    |path| fs::create_dir(path).unwrap(),
    |path| symlink("/dev/zero", path).unwrap(),
    |path| symlink("nowhere", path).unwrap(),
    |path| symlink("/dev/tty", path).unwrap(),
];

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let soon = tokio::time::timeout(Duration::from_secs(60), what).await;
    soon.expect("it hangs")
}

fn only_file(dir: &Path) -> PathBuf {
    let mut all = files(dir);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

// Invariant 12
#[tokio::test(flavor = "multi_thread")]
async fn a_special_file_in_the_place_of_a_record_is_an_error_at_once() {
    for make in ODDITIES {
        let dir = TempDir::new();
        let store = quick(&dir, &FakeClock::at(1)).open().unwrap();
        let of = write("v", 9, Some("ada"));
        store.create(&key("k"), &of).await.unwrap();
        let record = only_file(&dir.store().join("records"));
        fs::remove_file(&record).unwrap();
        make(&record);
        let kind = fs::symlink_metadata(&record).unwrap().file_type();

        let old = Stored::new(b"v".to_vec(), UnixTime::MAX, 0);
        let answers: [Result<(), StoreError>; 7] = [
            soon(store.load(&key("k"))).await.map(drop),
            soon(store.create(&key("k"), &of)).await.map(drop),
            soon(store.replace(&key("k"), &old, &of)).await.map(drop),
            soon(store.touch(&key("k"), UnixTime::MAX)).await.map(drop),
            soon(store.delete(&key("k"), &old)).await.map(drop),
            soon(store.list("ada")).await.map(drop),
            soon(store.sweep(10)).await.map(drop),
        ];
        for answer in answers {
            let error = answer.unwrap_err();
            assert!(!error.is_transient(), "{kind:?}: {error}");
            let text = error.to_string();
            assert!(
                text.contains("not a file") && text.contains("remove it"),
                "{text}"
            );
            assert!(text.contains(record.to_str().unwrap()), "{text}");
        }
        let after = fs::symlink_metadata(&record).unwrap().file_type();
        assert_eq!(after, kind, "it was left as it is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_special_file_in_the_place_of_a_lock_is_an_error_at_once() {
    for make in ODDITIES {
        let dir = TempDir::new();
        let store = quick(&dir, &FakeClock::at(1)).open().unwrap();
        for lock in files(&dir.store().join("locks")) {
            fs::remove_file(&lock).unwrap();
            make(&lock);
        }
        let of = write("v", 9, None);
        let error = soon(store.create(&key("k"), &of)).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().contains("/locks/"), "{error}");
    }
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_is_not_opened() {
    for part in ["records", "records/00", "subjects/ff", "locks"] {
        let dir = TempDir::new();
        drop(quick(&dir, &FakeClock::at(1)).open().unwrap());
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(dir.store().join(part), &elsewhere).unwrap();
        symlink(&elsewhere, dir.store().join(part)).unwrap();
        let error = FileStore::open(dir.store()).unwrap_err();
        assert!(error.to_string().contains("not a directory"), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_directory_that_everybody_can_change_is_refused_with_the_way_out() {
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let dir = TempDir::new();
    let store = dir.store();
    fs::create_dir(&store).unwrap();
    let link = dir.path().join("link");
    symlink(&store, &link).unwrap();
    for mode in [0o777, 0o1777, 0o702] {
        set(&store, mode).unwrap();
        for path in [&store, &link] {
            let error = FileStore::open(path).unwrap_err();
            assert!(!error.is_transient());
            assert!(error.to_string().contains("chmod o-w"), "{error}");
        }
        assert_eq!(fs::read_dir(&store).unwrap().count(), 0);
    }
    set(&store, 0o750).unwrap();
    // The user's own link to the user's own directory is fine.
    drop(FileStore::open(&link).unwrap());
    set(&store.join("records/3f"), 0o777).unwrap();
    let error = FileStore::open(&store).unwrap_err();
    assert!(error.to_string().contains("records/3f"), "{error}");
    // An explicit mode allows it.
    drop(FileStore::builder(&store).mode(0o666).open().unwrap());
}

/// Some user who is not root.
const NOBODY: u32 = 65_534;

/// Only root can make files of others. As another user there is nothing to test.
fn is_root(dir: &TempDir) -> bool {
    fs::metadata(dir.path()).unwrap().uid() == 0
}

#[test]
fn a_link_of_another_user_is_refused() {
    let dir = TempDir::new();
    fs::create_dir(dir.store()).unwrap();
    let link = dir.path().join("link");
    symlink(dir.store(), &link).unwrap();
    if !is_root(&dir) {
        return;
    }
    lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    let error = FileStore::open(&link).unwrap_err();
    assert!(error.to_string().contains("another user"), "{error}");
}

#[tokio::test]
async fn roots_files_in_another_users_store_belong_to_that_user() {
    let dir = TempDir::new();
    fs::create_dir(dir.store()).unwrap();
    if !is_root(&dir) {
        return;
    }
    lchown(dir.store(), Some(NOBODY), Some(NOBODY)).unwrap();
    let store = quick(&dir, &FakeClock::at(1)).open().unwrap();
    for n in 0..20 {
        let of = write("v", 9, Some("ada"));
        store.create(&key(&n.to_string()), &of).await.unwrap();
    }
    let (mut left, mut seen) = (vec![dir.store()], 0);
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (NOBODY, NOBODY),
            "{path:?}"
        );
        if metadata.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        seen += 1;
    }
    assert!(seen > 800, "{seen}");
}
