//! Sweeping, and pruning over a threshold.

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom_store::{Directory, Store, Sweep};
use common::{FakeClock, TempDir, files, key, quick, write};

#[tokio::test]
async fn a_sweep_removes_expired_records_only_and_no_more_than_asked() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    for n in 0..30 {
        let record = write("v", 10 + n % 3, Some("ada"));
        store.create(&key(&format!("k{n}")), &record).await.unwrap();
    }
    let left = dir.store().join("records/07/next.tmp");
    std::fs::write(&left, "left by a killed process").unwrap();
    std::fs::write(dir.store().join("records/07/.DS_Store"), "foreign").unwrap();

    assert_eq!(store.sweep(99).await.unwrap(), 0);
    assert!(!left.exists());
    clock.set(11);
    assert_eq!(store.sweep(0).await.unwrap(), 0);
    for removed in [7, 7, 6, 0] {
        assert_eq!(store.sweep(7).await.unwrap(), removed);
    }
    assert_eq!(store.list("ada").await.unwrap().len(), 10);
    assert_eq!(files(&dir.store().join("records")).len(), 11);
    assert_eq!(files(&dir.store().join("subjects")).len(), 10);
}

// R59
#[tokio::test]
async fn a_sweep_goes_on_after_an_error_and_reports_it() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).open().unwrap();
    for n in 0..300 {
        store
            .create(&key(&format!("k{n}")), &write("v", 10, None))
            .await
            .unwrap();
    }
    let shard = dir.store().join("records/7f");
    let lost = std::fs::read_dir(&shard).unwrap().count();
    let aside = dir.path().join("aside");
    std::fs::rename(&shard, &aside).unwrap();
    clock.set(10);

    store.sweep(999).await.unwrap_err();
    assert_eq!(
        files(&dir.store().join("records")),
        [] as [std::path::PathBuf; 0]
    );
    std::fs::rename(&aside, &shard).unwrap();
    assert_eq!(store.sweep(999).await.unwrap(), lost);
}

#[tokio::test]
async fn a_sweep_leaves_and_reports_foreign_files() {
    for cut in [0, 9, 40] {
        let (dir, clock) = (TempDir::new(), FakeClock::at(1));
        let store = quick(&dir, &clock).open().unwrap();
        store
            .create(&key("k"), &write("v", 10, None))
            .await
            .unwrap();
        let torn = files(&dir.store().join("records")).remove(0);
        let whole = std::fs::read(&torn).unwrap();
        std::fs::write(&torn, &whole[..cut]).unwrap();
        for n in 0..20 {
            store
                .create(&key(&format!("k{n}")), &write("v", 10, None))
                .await
                .unwrap();
        }
        clock.set(10);
        let error = store.sweep(99).await.unwrap_err();
        assert!(
            error.to_string().contains(torn.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(files(&dir.store().join("records")), [torn]);
    }
}

#[tokio::test]
async fn a_sweep_looks_again_before_it_removes() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(10));
    // A sweep reads the clock once per shard, and once more in the record's own (0x82), because a
    // touch may have extended the record meanwhile. The test sets the clock back instead, with the
    // same effect.
    let (asked, shown) = (AtomicU64::new(0), clock.clone());
    let builder = quick(&dir, &clock).clock(move || {
        if asked.fetch_add(1, Ordering::SeqCst) == 0x82 + 1 {
            shown.set(5);
        }
        shown.now()
    });
    let other = quick(&dir, &FakeClock::at(1)).open().unwrap();
    other
        .create(&key("k"), &write("v", 10, None))
        .await
        .unwrap();

    assert_eq!(builder.open().unwrap().sweep(99).await.unwrap(), 0);
    assert_eq!(clock.now().as_secs(), 5, "it looked twice");
    assert_eq!(other.load(&key("k")).await.unwrap().unwrap().bytes, "v");
}

#[tokio::test]
async fn over_the_threshold_a_create_removes_expired_records_and_no_others() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let store = quick(&dir, &clock).threshold(32).open().unwrap();
    for n in 0..40 {
        let end = if n < 20 { 10 } else { 100 };
        store
            .create(&key(&format!("k{n}")), &write("v", end, None))
            .await
            .unwrap();
    }
    assert_eq!(records(&dir), 40, "all are living");
    clock.set(10);
    // It looks at every second create.
    for n in 40..42 {
        store
            .create(&key(&format!("k{n}")), &write("v", 100, None))
            .await
            .unwrap();
    }
    assert_eq!(records(&dir), 22);
    for n in 42..80 {
        store
            .create(&key(&format!("k{n}")), &write("v", 100, None))
            .await
            .unwrap();
    }
    assert_eq!(records(&dir), 60, "living records stay, however many");
}

#[tokio::test]
async fn over_the_threshold_living_records_go_only_by_asking_for_it_and_the_soonest_first() {
    let (dir, clock) = (TempDir::new(), FakeClock::at(1));
    let builder = quick(&dir, &clock).threshold(10).evict_living(true);
    let store = builder.open().unwrap();
    for n in 0..30 {
        let record = write("v", 1_000 - n, Some("ada"));
        store.create(&key(&format!("k{n}")), &record).await.unwrap();
    }
    let listed = store.list("ada").await.unwrap();
    let living: BTreeSet<_> = listed.iter().map(|(key, _)| key.clone()).collect();
    // The ten that end last, and the one whose create looked.
    let expected = (0..10).chain([29]).map(|n| key(&format!("k{n}")));
    assert_eq!(living, expected.collect());
    assert_eq!(files(&dir.store().join("subjects")).len(), 11);
}

fn records(dir: &TempDir) -> usize {
    files(&dir.store().join("records")).len()
}
