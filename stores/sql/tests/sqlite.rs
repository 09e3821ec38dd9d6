//! SQLite beyond the store suite: the table, names and URLs, the application's pool, foreign
//! writers.
#![cfg(feature = "sqlite")]

use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::{Duration, Instant};

use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::{
    self, Connection as _, Executor as _, Row as _, SqliteConnection, SqlitePool,
};
use cloakroom_store::{
    Created, Deleted, Directory as _, Key, Replaced, Store as _, Sweep as _, UnixTime, Write,
};
use tempfile::TempDir;

const NOW: u64 = 1_700_000_000;

fn url(directory: &TempDir) -> String {
    format!("sqlite:{}/sessions.db", directory.path().display())
}

async fn open(directory: &TempDir) -> SqlStore {
    let builder = SqlStore::builder()
        .clock(|| UnixTime::from_secs(NOW))
        .timeout(Duration::from_secs(1));
    let store = builder.connect(&url(directory)).await.unwrap();
    store.migrate().await.unwrap();
    store
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn write(bytes: &str) -> Write {
    Write::new(bytes.to_owned(), UnixTime::from_secs(NOW + 60), None)
}

fn expired() -> Write {
    Write::new("expired", UnixTime::from_secs(NOW), Some("ada".into()))
}

#[tokio::test]
async fn migrating_again_or_at_the_same_time_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    store.create(&key("kept"), &write("kept")).await.unwrap();
    let others = (0..8).map(|_| {
        let url = url(&directory);
        tokio::spawn(async move { SqlStore::connect(&url).await.unwrap().migrate().await })
    });
    for other in others.collect::<Vec<_>>() {
        other.await.unwrap().unwrap();
    }
    assert_eq!(
        store.load(&key("kept")).await.unwrap().unwrap().bytes,
        "kept"
    );
}

#[tokio::test]
async fn a_scheme_may_be_in_capitals() {
    let store = SqlStore::connect("SQLite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    store.create(&key("a"), &write("a")).await.unwrap();
}

#[tokio::test]
async fn the_sql_as_text_makes_the_same_table() {
    let [by_hand, by_itself] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let sql = open(&by_itself).await.schema_sql();
    SqlStore::connect(&url(&by_hand)).await.unwrap();
    let mut tables = Vec::new();
    for directory in [&by_hand, &by_itself] {
        let mut connection = SqliteConnection::connect(&url(directory)).await.unwrap();
        if std::ptr::eq(directory, &raw const by_hand) {
            connection
                .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())))
                .await
                .unwrap();
        }
        let rows = connection
            .fetch_all("SELECT sql FROM sqlite_schema ORDER BY name")
            .await
            .unwrap();
        let sql = rows.iter().map(|row| row.get::<Option<String>, _>(0));
        tables.push(sql.collect::<Vec<_>>());
    }
    assert_eq!(tables[0], tables[1]);
    assert_eq!(tables[0].len(), 4, "a table, its key's index and two more");
}

#[tokio::test]
async fn a_foreign_table_is_refused_and_stays() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    pool.execute("CREATE TABLE cloakroom_sessions (id INTEGER, expires_at INTEGER, subject TEXT)")
        .await
        .unwrap();
    let store = SqlStore::builder().with_pool(pool.clone()).unwrap();
    let error = store.migrate().await.unwrap_err();
    assert!(!error.is_transient());
    assert!(error.to_string().contains("session_key"), "{error}");
    let there = pool
        .fetch_all("SELECT name FROM sqlite_schema")
        .await
        .unwrap();
    assert_eq!(
        there.len(),
        1,
        "the table alone, without an index of the store's"
    );
}

#[tokio::test]
async fn a_column_of_another_type_is_named_with_what_it_must_be() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let store = SqlStore::builder().with_pool(pool.clone()).unwrap();
    let right = store.schema_sql();
    for (column, found) in [
        ("expires_at", "TEXT"),
        ("version", "REAL"),
        ("created_at", "VARCHAR(20)"),
    ] {
        let wrong = format!("{column} {found}");
        let made = right.replace(&format!("{column} INTEGER"), &wrong);
        pool.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(made)))
            .await
            .unwrap();
        let error = store.migrate().await.unwrap_err();
        assert!(!error.is_transient());
        let error = error.to_string();
        let said = format!("the column {column} of the table is {found}, and must be INTEGER");
        assert!(error.contains(&said), "{error}");
        pool.execute("DROP TABLE cloakroom_sessions").await.unwrap();
    }
    // Column types that keep values intact under other names, and a further column of the
    // application's.
    let other = right
        .replace("version INTEGER", "version BIGINT")
        .replace("value BLOB", "note TEXT,\n  value");
    pool.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(other)))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.create(&key("a"), &write("kept")).await.unwrap();
}

// R58: a name can be nothing but a name.
#[tokio::test]
async fn names_are_letters_digits_and_underscores() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let too_long = "x".repeat(49);
    for name in [
        "", "1a", "a b", "a\"b", "a`b", "a;b", "a.b", "a-b", "ä", "a\0", "a'b", &too_long,
    ] {
        let builder = SqlStore::builder;
        assert!(
            builder().table(name).with_pool(pool.clone()).is_err(),
            "table {name:?}"
        );
        assert!(
            builder().schema(name).with_pool(pool.clone()).is_err(),
            "schema {name:?}"
        );
    }
    for name in ["select", "_", "Sessions_2", &too_long[1..]] {
        let builder = SqlStore::builder().schema("main").table(name);
        let store = builder.with_pool(pool.clone()).unwrap();
        store.migrate().await.unwrap();
        assert_eq!(
            store
                .create(&key("a"), &Write::new("a", UnixTime::MAX, None))
                .await
                .unwrap(),
            Created::Stored
        );
    }
}

// R11: a URL holds a password.
#[tokio::test]
async fn an_error_does_not_repeat_the_url() {
    for url in [
        "redis://:hunter2@localhost",
        "hunter2",
        "hunter2:hunter2",
        "sqlite:/hunter2/hunter2/hunter2.db",
        "sqlite:x?mode=hunter2",
        "sqlite:x?hunter2=hunter2",
        "postgres://u:hunter2@[/x",
        "postgres://u:hunter2@localhost:port/x",
        "postgres://u:hunter2@127.0.0.1:1/x?sslmode=hunter2",
        "mysql://u:hunter2@127.0.0.1:1/x?ssl-mode=hunter2",
        "mysql://u:hunter2@localhost:port/x",
        "postgres://u:hunter2@127.0.0.1:1/x",
        "mysql://u:hunter2@127.0.0.1:1/x",
    ] {
        let builder = SqlStore::builder().timeout(Duration::from_millis(300));
        let error = builder.connect(url).await.unwrap_err();
        let mut text = format!("{error} {error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text += &format!("{error} {error:?}");
            cause = error.source();
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn two_stores_share_the_applications_pool_and_not_their_records() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let [users, admins] = ["users", "admins"].map(|table| {
        SqlStore::builder()
            .table(table)
            .with_pool(pool.clone())
            .unwrap()
    });
    users.migrate().await.unwrap();
    admins.migrate().await.unwrap();
    let write = Write::new("user", UnixTime::MAX, None);
    users.create(&key("a"), &write).await.unwrap();
    assert!(admins.load(&key("a")).await.unwrap().is_none());
}

// R53: a version is never used again, whatever the bytes are.
#[tokio::test]
async fn a_record_made_again_with_the_same_bytes_is_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    store.create(&key("a"), &write("same")).await.unwrap();
    let first = store.load(&key("a")).await.unwrap().unwrap();
    store.delete(&key("a"), &first).await.unwrap();
    store.create(&key("a"), &write("same")).await.unwrap();
    assert_eq!(
        store
            .replace(&key("a"), &first, &write("new"))
            .await
            .unwrap(),
        Replaced::Changed
    );
    assert_eq!(
        store.delete(&key("a"), &first).await.unwrap(),
        Deleted::Changed
    );
}

#[tokio::test]
async fn a_create_takes_an_expired_row_over_with_all_its_columns() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    store.create(&key("a"), &expired()).await.unwrap();
    assert_eq!(
        store.create(&key("a"), &write("new")).await.unwrap(),
        Created::Stored
    );
    assert_eq!(
        store.create(&key("a"), &write("newer")).await.unwrap(),
        Created::Taken
    );
    assert_eq!(store.load(&key("a")).await.unwrap().unwrap().bytes, "new");
    assert!(store.list("ada").await.unwrap().is_empty());
    assert_eq!(store.sweep(10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_sweep_of_more_than_a_batch_keeps_its_limit_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    for index in 0..600 {
        store
            .create(&key(&format!("old-{index}")), &expired())
            .await
            .unwrap();
    }
    store
        .create(&key("living"), &write("living"))
        .await
        .unwrap();
    assert_eq!(store.sweep(300).await.unwrap(), 300);
    assert_eq!(store.sweep(usize::MAX).await.unwrap(), 300);
    assert!(store.load(&key("living")).await.unwrap().is_some());
}

// By then no operation uses the store's connections.
#[test]
fn a_store_that_was_used_may_be_dropped_after_its_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(async {
        let store = open(&directory).await;
        store.create(&key("a"), &write("a")).await.unwrap();
        store
    });
    drop(runtime);
    drop(store);
}

#[tokio::test]
async fn a_database_in_memory_outlives_operations_that_are_given_up() {
    let store = SqlStore::connect("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    let write = Write::new("kept", UnixTime::MAX, None);
    store.create(&key("kept"), &write).await.unwrap();
    for _ in 0..20 {
        let key = key("kept");
        let mut load = std::pin::pin!(store.load(&key));
        // The statement is under way, and its caller goes.
        let _ = poll_fn(|context| Poll::Ready(load.as_mut().poll(context))).await;
    }
    assert_eq!(
        store.load(&key("kept")).await.unwrap().unwrap().bytes,
        "kept"
    );
}

// R54, R59: a long transaction of another writer.
#[tokio::test]
async fn while_a_foreign_writer_holds_the_database_loads_go_on_and_writes_end_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    store.create(&key("a"), &write("old")).await.unwrap();
    let old = store.load(&key("a")).await.unwrap().unwrap();
    let mut foreign = SqliteConnection::connect(&url(&directory)).await.unwrap();
    foreign.execute("BEGIN IMMEDIATE").await.unwrap();

    let begin = Instant::now();
    let waiting = (0..200).map(|index| {
        let (store, old) = (store.clone(), old.clone());
        tokio::spawn(async move {
            assert!(store.load(&key("a")).await.unwrap().is_some());
            match index % 2 {
                0 => store
                    .replace(&key("a"), &old, &write("new"))
                    .await
                    .map(drop),
                _ => store.sweep(10).await.map(drop),
            }
        })
    });
    for write in waiting.collect::<Vec<_>>() {
        assert!(write.await.unwrap().unwrap_err().is_transient());
    }
    // One after the other they would take 200 seconds.
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{:?}",
        begin.elapsed()
    );

    foreign.execute("ROLLBACK").await.unwrap();
    let mut now = store.load(&key("a")).await.unwrap().unwrap();
    while store.replace(&key("a"), &now, &write("new")).await.unwrap() != Replaced::Stored {
        // An abandoned write may still have happened.
        now = store.load(&key("a")).await.unwrap().unwrap();
    }
}

// R54: a file that is removed while it is open.
#[cfg(unix)]
#[tokio::test]
async fn without_its_file_the_store_fails_and_makes_no_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    store.create(&key("a"), &write("old")).await.unwrap();
    let old = store.load(&key("a")).await.unwrap().unwrap();

    for file in std::fs::read_dir(directory.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let failures = [
        store.load(&key("a")).await.map(drop),
        store.create(&key("b"), &write("new")).await.map(drop),
        store
            .replace(&key("a"), &old, &write("new"))
            .await
            .map(drop),
        store.touch(&key("a"), UnixTime::MAX).await.map(drop),
        store.delete(&key("a"), &old).await.map(drop),
    ];
    for failure in failures {
        assert!(failure.unwrap_err().is_transient());
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

// R54: a backup that is put back while the application runs.
#[cfg(unix)]
#[tokio::test]
async fn a_file_put_in_the_place_of_the_open_one_is_taken_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    store.create(&key("kept"), &write("old")).await.unwrap();
    let backup = directory.path().join("backup");
    let mut foreign = SqliteConnection::connect(&url(&directory)).await.unwrap();
    foreign
        .execute(sqlx::AssertSqlSafe(format!(
            "VACUUM INTO '{}'",
            backup.display()
        )))
        .await
        .unwrap();
    foreign.close().await.unwrap();
    store.create(&key("later"), &write("new")).await.unwrap();
    // Several connections, each with the old file open.
    let loads = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.load(&key("later")).await })
    });
    for load in loads.collect::<Vec<_>>() {
        assert!(load.await.unwrap().unwrap().is_some());
    }

    for old in ["sessions.db-wal", "sessions.db-shm"] {
        std::fs::remove_file(directory.path().join(old)).unwrap();
    }
    std::fs::rename(&backup, directory.path().join("sessions.db")).unwrap();
    for _ in 0..8 {
        assert!(store.load(&key("later")).await.unwrap().is_none());
        let kept = store.load(&key("kept")).await.unwrap().unwrap();
        let replaced = store.replace(&key("kept"), &kept, &write("again")).await;
        assert_eq!(replaced.unwrap(), Replaced::Stored);
    }
    let another = open(&directory).await;
    assert_eq!(
        another.load(&key("kept")).await.unwrap().unwrap().bytes,
        "again"
    );
}
