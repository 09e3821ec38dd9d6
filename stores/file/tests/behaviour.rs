//! The store's behaviour while everything works.

mod common;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cloakroom_file::FileStore;
use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, Stored, Sweep, Touched, UnixTime,
};
use common::{FakeClock, TempDir, files, key, quick, write};

#[tokio::test]
async fn a_record_is_there_for_every_handle_and_after_a_restart() {
    let dir = TempDir::new();
    let store = FileStore::open(dir.store()).unwrap();
    let record = write("v", UnixTime::MAX.as_secs(), Some("ada"));
    assert_eq!(
        store.create(&key("k"), &record).await.unwrap(),
        Created::Stored
    );
    let expected = Stored::new(b"v".to_vec(), UnixTime::MAX, 0);

    assert_eq!(
        store.clone().load(&key("k")).await.unwrap(),
        Some(expected.clone())
    );
    let other = FileStore::open(dir.store()).unwrap();
    assert_eq!(other.load(&key("k")).await.unwrap(), Some(expected.clone()));
    drop((store, other));
    let later = FileStore::open(dir.store()).unwrap();
    assert_eq!(later.load(&key("k")).await.unwrap(), Some(expected.clone()));
    assert_eq!(later.list("ada").await.unwrap(), [(key("k"), expected)]);
}

// R53
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_by_many_tasks_through_two_stores_add_up() {
    let dir = TempDir::new();
    let clock = FakeClock::at(1);
    let stores = [
        quick(&dir, &clock).open().unwrap(),
        quick(&dir, &clock).open().unwrap(),
    ];
    let start = write(0_u64.to_le_bytes(), 9, None);
    stores[0].create(&key("n"), &start).await.unwrap();
    let tasks = (0..8).map(|task| {
        let store = stores[task % 2].clone();
        tokio::spawn(async move {
            for _ in 0..25 {
                increment(&store).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let end = stores[0].load(&key("n")).await.unwrap().unwrap();
    assert_eq!(end.bytes[..], 200_u64.to_le_bytes());
}

async fn increment(store: &FileStore) {
    loop {
        let old = store.load(&key("n")).await.unwrap().unwrap();
        let next = u64::from_le_bytes(old.bytes[..].try_into().unwrap()) + 1;
        let next = write(next.to_le_bytes(), 9, None);
        if store.replace(&key("n"), &old, &next).await.unwrap() == Replaced::Stored {
            return;
        }
    }
}

// R14, R55
#[tokio::test]
async fn a_record_that_has_ended_is_absent_to_every_operation() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(99));
    let store = quick(&dir, &clock).open().unwrap();
    store
        .create(&key("k"), &write("v", 100, Some("ada")))
        .await
        .unwrap();
    let old = store.load(&key("k")).await.unwrap().unwrap();

    clock.set(100);
    assert_eq!(store.load(&key("k")).await.unwrap(), None);
    assert_eq!(store.list("ada").await.unwrap(), []);
    let new = write("w", 200, Some("bob"));
    assert_eq!(
        store.replace(&key("k"), &old, &new).await.unwrap(),
        Replaced::Gone
    );
    assert_eq!(
        store.touch(&key("k"), UnixTime::MAX).await.unwrap(),
        Touched::Gone
    );
    assert_eq!(store.delete(&key("k"), &old).await.unwrap(), Deleted::Gone);
    assert_eq!(
        store.create(&key("k"), &new).await.unwrap(),
        Created::Stored
    );
    assert_eq!(store.list("ada").await.unwrap(), []);
    assert_eq!(store.list("bob").await.unwrap().len(), 1);
}

// R58
#[tokio::test]
async fn hostile_keys_and_subjects_have_their_own_records_and_no_other_files() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    let long = "k".repeat(Key::MAX_LEN);
    let keys = [
        "../../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "a/b",
        "a\\b",
        "%2e%2e%2f",
        "$HOME",
        "`id`",
        "\"'",
        "*",
        "~",
        "K",
        "k",
        "CON",
        "NUL.txt",
        "next.tmp",
        "a:b",
        &long,
    ];
    for text in keys {
        let record = write(text, 9, Some(text));
        assert_eq!(
            store.create(&key(text), &record).await.unwrap(),
            Created::Stored,
            "{text}"
        );
    }
    for text in keys {
        let loaded = store.load(&key(text)).await.unwrap().unwrap();
        assert_eq!(loaded.bytes, text);
        assert_eq!(store.list(text).await.unwrap(), [(key(text), loaded)]);
    }
    for (n, subject) in ["", "\0", "a\nb", "//", &"ü".repeat(5_000)]
        .iter()
        .enumerate()
    {
        let record = write("v", 9, Some(subject));
        let own = key(&format!("subject-{n}"));
        store.create(&own, &record).await.unwrap();
        assert_eq!(store.list(subject).await.unwrap()[0].0, own);
    }

    let hex = |name: &str| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    for file in files(dir.path()) {
        assert!(file.starts_with(dir.store()));
        assert!(hex(file.file_name().unwrap().to_str().unwrap()), "{file:?}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

// R52
#[tokio::test]
async fn a_file_that_is_torn_or_foreign_is_an_error_and_stays_as_it_is() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    for text in ["k", "other"] {
        store
            .create(&key(text), &write("secret", 9, Some("ada")))
            .await
            .unwrap();
    }
    let old = store.load(&key("k")).await.unwrap().unwrap();
    let records = files(&dir.store().join("records"));
    let is_k = |file: &&std::path::PathBuf| {
        file.ends_with("8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a")
    };
    let file = records.iter().find(is_k).unwrap();
    let other = records.iter().find(|file| !is_k(file)).unwrap();
    let good = std::fs::read(file).unwrap();
    let newer = [b"cloakrm\x02", &good[8..]].concat();
    let huge = vec![0; 40 << 20];
    let foreign = std::fs::read(other).unwrap();

    for bad in [
        &[],
        &good[..9],
        &good[..good.len() - 1],
        b"hello",
        &newer[..],
        &huge,
        &foreign,
    ] {
        std::fs::write(file, bad).unwrap();
        let new = write("new", 9, None);
        let answers = [
            store.load(&key("k")).await.map(drop),
            store.create(&key("k"), &new).await.map(drop),
            store.replace(&key("k"), &old, &new).await.map(drop),
            store.touch(&key("k"), UnixTime::MAX).await.map(drop),
            store.delete(&key("k"), &old).await.map(drop),
            store.list("ada").await.map(drop),
        ];
        for answer in answers {
            let error = answer.unwrap_err();
            assert!(!error.is_transient());
            // R11
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        assert_eq!(
            store.load(&key("other")).await.unwrap().unwrap().bytes,
            "secret"
        );
        let _ = store.sweep(99).await;
        assert!(std::fs::read(file).unwrap() == bad, "it was left as it was");
    }
}

// R51
#[tokio::test]
async fn a_record_may_have_sixteen_mebibytes_and_no_more() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    let most = (16 << 20) - "k".len();
    let error = store
        .create(&key("k"), &write(vec![7; most + 1], 9, None))
        .await
        .unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(store.load(&key("k")).await.unwrap(), None);
    store
        .create(&key("k"), &write(vec![7; most], 9, None))
        .await
        .unwrap();
    assert_eq!(
        store.load(&key("k")).await.unwrap().unwrap().bytes.len(),
        most
    );
}

// A dropped future leaves the old record or the new one.
#[tokio::test]
async fn an_operation_that_is_dropped_at_any_await_is_done_as_a_whole_or_not() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    store
        .create(&key("k"), &write("v0", 9, None))
        .await
        .unwrap();
    for n in 1..50 {
        let old = store.load(&key("k")).await.unwrap().unwrap();
        let new = write(format!("v{n}"), 9, None);
        {
            let k = key("k");
            let mut replace = pin!(store.replace(&k, &old, &new));
            let mut context = Context::from_waker(Waker::noop());
            assert!(matches!(
                replace.as_mut().poll(&mut context),
                Poll::Pending | Poll::Ready(_)
            ));
        }
        // The dropped one may still be running: this one waits for it in the shard's queue, and
        // sees what it did.
        let again = store.replace(&key("k"), &old, &new).await.unwrap();
        let now = store.load(&key("k")).await.unwrap().unwrap();
        assert_eq!(now.bytes, new.bytes, "{again:?}");
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let loading = key("k");
    let answer = pin!(store.load(&loading)).poll(&mut context);
    let Poll::Ready(Err(error)) = answer else {
        panic!("not an error");
    };
    assert!(error.to_string().contains("Tokio runtime"));
}

#[test]
fn debug_shows_the_directory_and_no_secrets() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    assert!(format!("{store:?}").contains("sessions"));
}

#[cfg(unix)]
mod modes {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    async fn modes(dir: &TempDir, builder: cloakroom_file::Builder) -> BTreeSet<u32> {
        let store = builder.open().unwrap();
        let record = write("v", 9, Some("ada"));
        store.create(&key("k"), &record).await.unwrap();
        let all = files(&dir.store());
        let directories = all.iter().flat_map(|file| file.ancestors().skip(1).take(3));
        let inside = directories.filter(|path| path.starts_with(dir.store()));
        let found: BTreeSet<u32> = inside.map(mode).collect();
        assert_eq!(found.len(), 1, "all directories alike");
        found
            .into_iter()
            .chain(all.iter().map(|file| mode(file)))
            .collect()
    }

    #[tokio::test]
    async fn files_and_directories_are_the_owners_alone() {
        let (dir, clock) = (TempDir::new(), FakeClock::at(1));
        assert_eq!(
            modes(&dir, quick(&dir, &clock)).await,
            [0o600, 0o700].into()
        );
    }

    #[tokio::test]
    async fn a_group_is_let_in_by_asking_for_it_whatever_the_umask() {
        let (dir, clock) = (TempDir::new(), FakeClock::at(1));
        assert_eq!(
            modes(&dir, quick(&dir, &clock).mode(0o660)).await,
            [0o660, 0o770].into()
        );
    }

    #[test]
    fn a_mode_that_locks_the_store_out_is_refused() {
        let (dir, clock) = (TempDir::new(), FakeClock::at(1));
        for bad in [0o400, 0o060, 0, 0o1600] {
            let error = quick(&dir, &clock).mode(bad).open().unwrap_err();
            assert!(error.to_string().contains("0o600"), "{error}");
        }
    }
}
