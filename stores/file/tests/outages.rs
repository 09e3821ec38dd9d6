//! Failures are visible and leave the record as it was. The tests do not rely on permissions, which
//! root ignores.

mod common;

use std::fs::{self, File};
use std::time::Duration;

use cloakroom_file::FileStore;
use cloakroom_store::{Directory, Replaced, Store, StoreError, Stored, Sweep, UnixTime};
use common::{FakeClock, TempDir, key, quick, write};

/// Runs every operation on an existing record, and one on a key without a record.
async fn all(store: &FileStore) -> Vec<Result<(), StoreError>> {
    let old = Stored::new(b"v".to_vec(), UnixTime::MAX, 0);
    let new = write("new", 9, Some("ada"));
    vec![
        store.load(&key("k")).await.map(drop),
        store.load(&key("unknown")).await.map(drop),
        store.create(&key("new"), &new).await.map(drop),
        store.replace(&key("k"), &old, &new).await.map(drop),
        store.touch(&key("k"), UnixTime::MAX).await.map(drop),
        store.delete(&key("k"), &old).await.map(drop),
        store.list("ada").await.map(drop),
        store.sweep(1).await.map(drop),
    ]
}

async fn opened(dir: &TempDir) -> FileStore {
    let store = quick(dir, &FakeClock::at(1)).open().unwrap();
    store
        .create(&key("k"), &write("v", 9, Some("ada")))
        .await
        .unwrap();
    store
}

// R54
#[tokio::test]
async fn a_directory_that_is_gone_is_an_error_and_not_an_empty_store() {
    let dir = TempDir::new();
    let store = opened(&dir).await;
    let aside = dir.path().join("aside");
    fs::rename(dir.store(), &aside).unwrap();
    for answer in all(&store).await {
        let error = answer.unwrap_err();
        assert!(!error.is_transient());
        assert!(
            error
                .to_string()
                .contains("has it been removed, or its volume unmounted?"),
            "{error}"
        );
        assert!(
            error.to_string().contains(dir.store().to_str().unwrap()),
            "{error}"
        );
    }
    // An unmounted volume leaves an empty directory.
    fs::create_dir(dir.store()).unwrap();
    for answer in all(&store).await {
        assert!(!answer.unwrap_err().is_transient());
    }
    assert_eq!(
        fs::read_dir(dir.store()).unwrap().count(),
        0,
        "nothing was created again"
    );

    fs::remove_dir(dir.store()).unwrap();
    fs::rename(&aside, dir.store()).unwrap();
    assert_eq!(store.load(&key("k")).await.unwrap().unwrap().bytes, "v");
    for answer in all(&store).await {
        answer.unwrap();
    }
}

// R54
#[tokio::test]
async fn a_file_where_a_directory_should_be_is_an_error_for_all_it_concerns() {
    for part in ["records", "subjects", "locks"] {
        let dir = TempDir::new();
        let store = opened(&dir).await;
        let (there, aside) = (dir.store().join(part), dir.path().join("aside"));
        fs::rename(&there, &aside).unwrap();
        fs::write(&there, "").unwrap();
        let answers = all(&store).await;
        assert!(
            answers[2].is_err() && answers[3].is_err(),
            "{part}: no write succeeds"
        );
        if part == "records" {
            assert!(answers.iter().all(Result::is_err));
        }
        fs::remove_file(&there).unwrap();
        fs::rename(&aside, &there).unwrap();
        if part != "subjects" {
            // With the index broken only what needs it fails; the delete did not.
            assert_eq!(store.load(&key("k")).await.unwrap().unwrap().bytes, "v");
        }
        assert_eq!(store.load(&key("new")).await.unwrap(), None, "{part}");
        store
            .create(&key("new"), &write("new", 9, Some("ada")))
            .await
            .unwrap();
    }
}

#[test]
fn a_failed_opening_names_the_cause() {
    let dir = TempDir::new();
    fs::write(dir.store(), "a file").unwrap();
    for path in [dir.store(), dir.store().join("below")] {
        let error = FileStore::open(&path).unwrap_err();
        assert!(!error.is_transient());
        let text = error.to_string();
        assert!(
            text.starts_with("the file store failed: cannot open a store in "),
            "{text}"
        );
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .source()
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_lock_that_is_never_given_back_is_a_transient_error_after_the_time_allowed() {
    let dir = TempDir::new();
    let builder = quick(&dir, &FakeClock::at(1)).lock_timeout(Duration::from_millis(20));
    let store = builder.open().unwrap();
    store.create(&key("k"), &write("v", 9, None)).await.unwrap();
    // As a process would that is stopped while it writes.
    let locks = dir.store().join("locks");
    let held: Vec<File> = (0..=255_u8)
        .map(|shard| {
            let path = locks.join(format!("{shard:02x}"));
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .unwrap();
            file.lock().unwrap();
            file
        })
        .collect();

    let old = store
        .load(&key("k"))
        .await
        .unwrap()
        .expect("loads need no lock");
    let new = write("w", 9, None);
    let (k, l) = (key("k"), key("l"));
    let both = tokio::join!(store.replace(&k, &old, &new), store.replace(&k, &old, &new));
    let created = store.create(&l, &new).await;
    for error in [
        both.0.unwrap_err(),
        both.1.unwrap_err(),
        created.unwrap_err(),
    ] {
        assert!(error.is_transient());
        assert!(
            error.to_string().contains("another process held a lock"),
            "{error}"
        );
    }

    drop(held);
    store.replace(&key("k"), &old, &new).await.unwrap();
    assert_eq!(store.load(&key("k")).await.unwrap().unwrap().bytes, "w");
}

// Were each to hold a thread while it waits, two that are stuck would stop everything here.
#[test]
fn operations_that_wait_for_a_lock_leave_the_threads_to_others() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let dir = TempDir::new();
        let store = opened(&dir).await;
        let lock = common::files(&dir.store().join("locks")).into_iter();
        // All of them, among them the one of the record.
        let held: Vec<File> = lock
            .map(|path| File::options().write(true).open(path).unwrap())
            .collect();
        held.iter().for_each(|file| file.lock().unwrap());

        let old = store.load(&key("k")).await.unwrap().unwrap();
        let waiting: Vec<_> = (0..6)
            .map(|n| {
                let (store, old) = (store.clone(), old.clone());
                let new = write(format!("w{n}"), 9, None);
                tokio::spawn(async move { store.replace(&key("k"), &old, &new).await })
            })
            .collect();
        for _ in 0..20 {
            assert_eq!(store.load(&key("k")).await.unwrap().unwrap().bytes, "v");
        }
        drop(held);
        let mut stored = 0;
        for replace in waiting {
            stored += usize::from(replace.await.unwrap().unwrap() == Replaced::Stored);
        }
        assert_eq!(stored, 1);
    });
}

#[tokio::test]
async fn removed_lock_files_come_back() {
    let dir = TempDir::new();
    let store = opened(&dir).await;
    for lock in common::files(&dir.store().join("locks")) {
        fs::remove_file(lock).unwrap();
    }
    for answer in all(&store).await {
        answer.unwrap();
    }
}
