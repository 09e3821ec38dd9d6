//! The tutorials' single file.
#![cfg(feature = "filesystem")]

use std::fs;

use cloakroom_flask_stores::JsonFileStore;
use cloakroom_store::{Created, Key, Replaced, Store, UnixTime, Write};

const NOW: u64 = 1_700_000_000;

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn write(bytes: &'static [u8], end: u64) -> Write {
    Write::new(bytes, UnixTime::from_secs(end), None)
}

#[tokio::test]
async fn other_sessions_stay_as_they_are_spelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.json");
    let others = r#""x": {"big": 123456789012345678901234567890, "f": 1.50, "n": "Zo\u00eb", "permanent": 1}"#;
    fs::write(
        &path,
        format!(r#"{{{others}, "a": {{"n": 1, "permanent": 1700000009.75}}}}"#),
    )
    .unwrap();
    let store = JsonFileStore::with_clock(&path, || UnixTime::from_secs(NOW));
    let old = store.load(&key("a")).await.unwrap().unwrap();
    assert_eq!(old.bytes, &br#"{"n":1}"#[..]);
    assert_eq!(old.expires_at, UnixTime::from_secs(NOW + 9));
    let replaced = store
        .replace(&key("a"), &old, &write(br#"{"n":2}"#, NOW + 60))
        .await;
    assert_eq!(replaced.unwrap(), Replaced::Stored);
    let file = fs::read_to_string(&path).unwrap();
    assert_eq!(
        file,
        r#"{"x":{"big": 123456789012345678901234567890, "f": 1.50, "n": "Zo\u00eb", "permanent": 1},"a":{"n":2,"permanent":1700000060}}"#
    );
}

#[tokio::test]
async fn only_objects_without_an_entry_for_the_end_can_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.json");
    let store = JsonFileStore::open(&path);
    for bytes in [
        &b"[1]"[..],
        b"\x81\xa1a\x01",
        b"{\"a\":1} 2",
        b"{",
        br#"{"permanent":1}"#,
    ] {
        let error = store
            .create(&key("a"), &write(bytes, u64::MAX))
            .await
            .unwrap_err();
        assert!(!error.is_transient());
        assert!(!path.exists());
    }
    let created = store.create(&key("a"), &write(b"{}", 4_000_000_000)).await;
    assert_eq!(created.unwrap(), Created::Stored);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        r#"{"a":{"permanent":4000000000}}"#
    );
}

// R52: an unreadable record is an error, and stays as it is.
#[tokio::test]
async fn a_file_that_is_no_json_object_is_an_error_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.json");
    let store = JsonFileStore::open(&path);
    for hostile in [&b""[..], b"[]", b"{\"a\": {\"n\": 1}", b"\x80\x04}."] {
        fs::write(&path, hostile).unwrap();
        assert!(store.load(&key("a")).await.is_err());
        assert!(store.create(&key("a"), &write(b"{}", NOW)).await.is_err());
        assert_eq!(fs::read(&path).unwrap(), hostile);
    }
    // A member that is no object is no session.
    fs::write(&path, br#"{"a": 1, "b": null}"#).unwrap();
    assert!(store.load(&key("a")).await.unwrap().is_none());
}

// R53: on a file that each of them rewrites.
#[tokio::test]
async fn no_update_of_two_stores_on_one_file_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.json");
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = JsonFileStore::open(&path);
        tasks.spawn(async move {
            let name = key(&format!("session{n}"));
            store.create(&name, &write(b"{}", 4_000_000_000)).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done.unwrap().unwrap(), Created::Stored);
    }
    let store = JsonFileStore::open(&path);
    for n in 0..20 {
        let name = key(&format!("session{n}"));
        assert!(store.load(&name).await.unwrap().is_some(), "{n}");
    }
}
