//! SQLAlchemy's table: its rows as Flask writes them.
#![cfg(feature = "sqlite")]

use cloakroom_flask_stores::SqlAlchemyStore;
use cloakroom_store::{Created, Deleted, Key, Replaced, Store, Sweep, Touched, UnixTime, Write};
use sqlx::{Connection as _, Executor as _, Row as _, SqliteConnection};
use tempfile::TempDir;

const NOW: u64 = 1_700_000_000;

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn write(end: u64) -> Write {
    Write::new(&b"\x81\xa1a\x01"[..], UnixTime::from_secs(end), None)
}

async fn table(dir: &TempDir) -> (SqlAlchemyStore, SqliteConnection) {
    let path = dir.path().join("app.db");
    let store = SqlAlchemyStore::builder(&format!("sqlite:///{}", path.display()))
        .clock(|| UnixTime::from_secs(NOW));
    let store = store.connect().await.unwrap();
    let url = format!("sqlite:{}", path.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    // As SQLAlchemy makes it.
    let sql = "CREATE TABLE sessions (id INTEGER NOT NULL, session_id VARCHAR(255), data BLOB, expiry DATETIME, \
               PRIMARY KEY (id), UNIQUE (session_id))";
    other.execute(sql).await.unwrap();
    (store, other)
}

#[tokio::test]
async fn rows_are_written_as_sqlalchemy_writes_them() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut other) = table(&dir).await;
    store
        .create(&key("session:a"), &write(NOW + 60))
        .await
        .unwrap();
    let row = "SELECT id, session_id, typeof(data), data, expiry FROM sessions";
    let row = other.fetch_one(row).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 1);
    assert_eq!(row.get::<String, _>(1), "session:a");
    assert_eq!(row.get::<String, _>(2), "blob");
    assert_eq!(row.get::<Vec<u8>, _>(3), b"\x81\xa1a\x01");
    assert_eq!(row.get::<String, _>(4), "2023-11-14 22:14:20.000000");
}

#[tokio::test]
async fn rows_of_flask_are_read_with_their_fractions_and_end_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut other) = table(&dir).await;
    let rows = "INSERT INTO sessions (session_id, data, expiry) VALUES \
                ('session:a', x'81a16101', '2023-11-14 22:13:20.500000'), \
                ('session:b', x'81a16101', '2023-11-14 22:13:20.000000'), \
                ('session:c', x'81a16101', '2023-11-14 22:13:19.999999')";
    other.execute(rows).await.unwrap();
    let found = store.load(&key("session:a")).await.unwrap().unwrap();
    assert_eq!(found.expires_at, UnixTime::from_secs(NOW));
    assert!(store.load(&key("session:b")).await.unwrap().is_none());
    assert!(store.load(&key("session:c")).await.unwrap().is_none());
    assert_eq!(store.sweep(9).await.unwrap(), 2);
}

/// Flask-Session 0.5 writes none for a session that is not permanent.
#[tokio::test]
async fn a_row_without_an_expiry_counts_as_expired() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut other) = table(&dir).await;
    let row =
        "INSERT INTO sessions (session_id, data, expiry) VALUES ('session:a', x'81a16101', NULL)";
    other.execute(row).await.unwrap();
    assert!(store.load(&key("session:a")).await.unwrap().is_none());
    let touched = store.touch(&key("session:a"), UnixTime::MAX).await;
    assert_eq!(touched.unwrap(), Touched::Gone);
    let created = store.create(&key("session:a"), &write(NOW + 1)).await;
    assert_eq!(created.unwrap(), Created::Stored);
    assert!(store.load(&key("session:a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_concurrent_write_of_flask_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut other) = table(&dir).await;
    store
        .create(&key("session:a"), &write(NOW + 60))
        .await
        .unwrap();
    let old = store.load(&key("session:a")).await.unwrap().unwrap();
    let update = "UPDATE sessions SET data = x'81a16102' WHERE session_id = 'session:a'";
    other.execute(update).await.unwrap();
    let replaced = store
        .replace(&key("session:a"), &old, &write(NOW + 60))
        .await;
    assert_eq!(replaced.unwrap(), Replaced::Changed);
    let deleted = store.delete(&key("session:a"), &old).await;
    assert_eq!(deleted.unwrap(), Deleted::Changed);
    let now = store.load(&key("session:a")).await.unwrap().unwrap();
    assert_eq!(now.bytes, &b"\x81\xa1a\x02"[..]);
}

#[tokio::test]
async fn without_the_table_the_error_has_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:///{}", dir.path().join("app.db").display());
    let store = SqlAlchemyStore::connect(&url).await.unwrap();
    let error = store.load(&key("session:secret")).await.unwrap_err();
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(text.contains("create_table"), "{text}");
    // R11: the id is the token here.
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_table_name_that_is_more_than_a_name_is_refused() {
    for name in ["a b", "a\"", "1a", "", "a;b", &"a".repeat(64)] {
        let store = SqlAlchemyStore::builder("sqlite://").table(name);
        assert!(store.connect().await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn one_load_in_so_many_removes_expired_records() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut other) = table(&dir).await;
    let url = format!("sqlite:///{}", dir.path().join("app.db").display());
    let store = SqlAlchemyStore::builder(&url).cleanup_n_requests(2);
    let store = store.connect().await.unwrap();
    store.create(&key("session:a"), &write(1)).await.unwrap();
    let mut left = Vec::new();
    for _ in 0..2 {
        store.load(&key("session:b")).await.unwrap();
        let row = other.fetch_one("SELECT count(*) FROM sessions").await;
        left.push(row.unwrap().get::<i64, _>(0));
    }
    assert_eq!(left, [1, 0]);
}
