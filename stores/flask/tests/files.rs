//! The files of werkzeug and cachelib: their bytes, their names, and Flask's use of the directory.
#![cfg(feature = "filesystem")]

use std::fs;
use std::path::Path;

use cloakroom_flask_stores::{FileLayout, FileSystemBuilder, FileSystemStore};
use cloakroom_store::{Created, Key, Replaced, Store, Stored, Sweep, Touched, UnixTime, Write};
use tempfile::TempDir;

const NOW: u64 = 1_700_000_000;
/// `pickle.dumps({"a": 1}, 2)`
const PICKLED: &[u8] = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s.";

fn builder(dir: &TempDir) -> FileSystemBuilder {
    FileSystemStore::builder(dir.path()).clock(|| UnixTime::from_secs(NOW))
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn write(end: u64) -> Write {
    Write::new(PICKLED, UnixTime::from_secs(end), None)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.contains('.')).collect();
    names.sort();
    names
}

/// The real caches' file names for `session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11` and for their
/// counter, and the files' first bytes.
async fn check(layout: FileLayout, file: &str, counter: &str, begins: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let store = builder(&dir).layout(layout).open().unwrap();
    let key = key("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11");
    let created = store.create(&key, &write(NOW + 60)).await.unwrap();
    assert_eq!(created, Created::Stored);
    let mut expected = [file.to_owned(), counter.to_owned()];
    expected.sort();
    assert_eq!(names(dir.path()), expected);
    let bytes = fs::read(dir.path().join(file)).unwrap();
    assert_eq!(bytes, [begins, PICKLED].concat());
}

#[tokio::test]
async fn files_are_named_and_begin_as_those_of_each_cache() {
    let native = 1_700_000_060_u32.to_ne_bytes();
    check(
        FileLayout::Werkzeug,
        "fa8cc0d83797d1bb70aa6c4efd84ab6c",
        "2029240f6d1128be89ddc32729463129",
        b"J\x3c\xf1\x53\x65.",
    )
    .await;
    check(
        FileLayout::CacheLibMd5,
        "fa8cc0d83797d1bb70aa6c4efd84ab6c",
        "2029240f6d1128be89ddc32729463129",
        &native,
    )
    .await;
    check(
        FileLayout::CacheLib,
        "7974202f7b7e694bb5852f49fb3c816502900e8ca64166bc680ef3c19aacdd89",
        "79bc207ee04a581ab2348ca1f3494e64cd0ec36128735b8c6bc85ddd8fe1938c",
        &native,
    )
    .await;
}

#[tokio::test]
async fn the_layout_is_found_by_the_counter_that_each_cache_keeps() {
    for layout in [
        FileLayout::Werkzeug,
        FileLayout::CacheLibMd5,
        FileLayout::CacheLib,
    ] {
        let dir = tempfile::tempdir().unwrap();
        drop(builder(&dir).layout(layout).open().unwrap());
        assert_eq!(builder(&dir).open().unwrap().layout(), layout);
    }
    let dir = tempfile::tempdir().unwrap();
    drop(builder(&dir).layout(FileLayout::Werkzeug).open().unwrap());
    drop(builder(&dir).layout(FileLayout::CacheLib).open().unwrap());
    let error = builder(&dir).open().unwrap_err();
    assert!(error.to_string().contains("two versions"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn files_have_the_mode_that_was_asked_for_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;

    for mode in [0o600, 0o666] {
        let dir = tempfile::tempdir().unwrap();
        let store = builder(&dir).mode(mode).open().unwrap();
        store.create(&key("a"), &write(NOW + 60)).await.unwrap();
        for name in names(dir.path()) {
            let metadata = fs::metadata(dir.path().join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, mode);
        }
    }
}

#[tokio::test]
async fn over_the_threshold_the_expired_go_first_and_then_those_that_end_soonest() {
    let dir = tempfile::tempdir().unwrap();
    let store = builder(&dir).threshold(3).open().unwrap();
    let ends = [("expired", 0), ("soon", 10), ("later", 30), ("last", 40)];
    for (name, rest) in ends {
        store.create(&key(name), &write(NOW + rest)).await.unwrap();
    }
    // Four are more than three.
    store.create(&key("more"), &write(NOW + 20)).await.unwrap();
    for name in ["soon", "later", "last", "more"] {
        assert!(store.load(&key(name)).await.unwrap().is_some(), "{name}");
    }
    store.create(&key("again"), &write(NOW + 50)).await.unwrap();
    let mut living = Vec::new();
    for name in ["soon", "more", "later", "last", "again"] {
        if store.load(&key(name)).await.unwrap().is_some() {
            living.push(name);
        }
    }
    assert_eq!(living, ["more", "later", "last", "again"]);
    // Without a limit nothing goes, and nothing is counted.
    let dir = tempfile::tempdir().unwrap();
    let store = builder(&dir).threshold(0).open().unwrap();
    for n in 0..20 {
        store
            .create(&key(&format!("n{n}")), &write(NOW + 9))
            .await
            .unwrap();
    }
    assert_eq!(names(dir.path()).len(), 20);
}

#[tokio::test]
async fn the_counter_counts_as_flask_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = builder(&dir)
        .layout(FileLayout::CacheLibMd5)
        .open()
        .unwrap();
    let counter = dir.path().join("2029240f6d1128be89ddc32729463129");
    let count = || fs::read(&counter).unwrap();
    assert_eq!(count(), b"\0\0\0\0K\x00.");
    store.create(&key("a"), &write(NOW + 9)).await.unwrap();
    store.create(&key("b"), &write(NOW + 9)).await.unwrap();
    let old = store.load(&key("a")).await.unwrap().unwrap();
    store
        .replace(&key("a"), &old, &write(NOW + 9))
        .await
        .unwrap();
    assert_eq!(count(), b"\0\0\0\0K\x02.");
    store.delete(&key("b"), &old).await.unwrap();
    assert_eq!(count(), b"\0\0\0\0K\x01.");
    // As Python 3.11 pickles 500 in protocol 5.
    fs::write(
        &counter,
        b"\0\0\0\0\x80\x05\x95\x04\0\0\0\0\0\0\0M\xf4\x01.",
    )
    .unwrap();
    store.create(&key("c"), &write(NOW + 9)).await.unwrap();
    assert_eq!(count(), b"\0\0\0\0M\xf5\x01.");
}

#[tokio::test]
async fn a_session_without_an_end_is_one_in_the_file_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = builder(&dir).open().unwrap();
    let write = Write::new(PICKLED, UnixTime::MAX, None);
    store.create(&key("a"), &write).await.unwrap();
    let found = store.load(&key("a")).await.unwrap().unwrap();
    assert_eq!(found.expires_at, UnixTime::MAX);
    // 32 bits end in 2106.
    let touched = store
        .touch(&key("a"), UnixTime::from_secs(9_000_000_000))
        .await;
    assert_eq!(touched.unwrap(), Touched::Extended);
    let found = store.load(&key("a")).await.unwrap().unwrap();
    assert_eq!(found.expires_at, UnixTime::from_secs(u64::from(u32::MAX)));
}

// R52: an unreadable record is an error, and stays as it is.
#[tokio::test]
async fn a_file_of_another_layout_is_an_error_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = builder(&dir).layout(FileLayout::Werkzeug).open().unwrap();
    store.create(&key("a"), &write(NOW + 9)).await.unwrap();
    let path = dir.path().join(
        names(dir.path())
            .into_iter()
            .find(|name| name != "2029240f6d1128be89ddc32729463129")
            .unwrap(),
    );
    for hostile in [
        &b""[..],
        b"cos\nsystem\n(S'true'\ntR.",
        b"\xff\xff\xff\xff",
        b"J\x01",
    ] {
        fs::write(&path, hostile).unwrap();
        let error = store.load(&key("a")).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert!(store.create(&key("a"), &write(NOW + 9)).await.is_err());
        let old = Stored::new(PICKLED, UnixTime::MAX, 0);
        assert!(store.replace(&key("a"), &old, &write(NOW)).await.is_err());
        assert_eq!(fs::read(&path).unwrap(), hostile);
        assert_eq!(store.sweep(9).await.unwrap(), 0);
    }
}

// R54: an outage is an error, and never a visitor without a session.
#[tokio::test]
async fn without_its_directory_the_store_answers_with_errors() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("sessions");
    let store = FileSystemStore::open(&inner).unwrap();
    store
        .create(&key("a"), &write(4_000_000_000))
        .await
        .unwrap();
    fs::rename(&inner, dir.path().join("away")).unwrap();
    assert!(store.load(&key("a")).await.is_err());
    assert!(store.create(&key("b"), &write(NOW)).await.is_err());
    fs::rename(dir.path().join("away"), &inner).unwrap();
    assert!(store.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_concurrent_write_of_flask_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = builder(&dir)
        .layout(FileLayout::CacheLibMd5)
        .open()
        .unwrap();
    store.create(&key("a"), &write(NOW + 9)).await.unwrap();
    let old = store.load(&key("a")).await.unwrap().unwrap();
    let name = names(dir.path())
        .into_iter()
        .find(|name| name != "2029240f6d1128be89ddc32729463129")
        .unwrap();
    // As `os.replace` would have put it there.
    fs::write(dir.path().join(name), b"\xff\xff\xff\x7f\x80\x04}\x94.").unwrap();
    let replaced = store.replace(&key("a"), &old, &write(NOW + 9)).await;
    assert_eq!(replaced.unwrap(), Replaced::Changed);
    let now = store.load(&key("a")).await.unwrap().unwrap();
    assert_eq!(now.bytes, &b"\x80\x04}\x94."[..]);
}
