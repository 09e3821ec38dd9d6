//! `Swept`: expired records go, one process of many at a time, and errors do not end it (R59).
#![cfg(feature = "sweep")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Sweep, Swept, Touched, UnixTime,
    Write,
};
use tokio::time::{Instant, sleep};

const INTERVAL: Duration = Duration::from_secs(60);

/// One process's handle on a store.
#[derive(Clone)]
struct Handle {
    shared: Arc<Shared>,
    process: usize,
}

struct Shared {
    records: Mutex<BTreeMap<Key, Stored>>,
    began: (UnixTime, Instant),
    sweeping: AtomicUsize,
    /// Sweeps that were begun, of each process.
    sweeps: [AtomicUsize; 3],
    failures: AtomicUsize,
}

impl Handle {
    fn of_three() -> [Self; 3] {
        let shared = Arc::new(Shared {
            records: Mutex::default(),
            began: (SystemTime::now().into(), Instant::now()),
            sweeping: AtomicUsize::new(0),
            sweeps: Default::default(),
            failures: AtomicUsize::new(0),
        });
        [0, 1, 2].map(|process| Self {
            shared: Arc::clone(&shared),
            process,
        })
    }

    fn now(&self) -> UnixTime {
        let (began, instant) = self.shared.began;
        began + instant.elapsed()
    }

    fn fill(&self, records: usize) {
        let end = self.now();
        let mut all = self.shared.records.lock().unwrap();
        for n in 0..records {
            let key = Key::new(&format!("session:{n}")).unwrap();
            all.insert(key, Stored::new(&b"dead"[..], end, 0));
        }
    }

    fn dead(&self) -> usize {
        let all = self.shared.records.lock().unwrap();
        all.values().filter(|stored| stored.bytes == "dead").count()
    }

    fn sweeps(&self) -> [usize; 3] {
        [0, 1, 2].map(|process: usize| self.shared.sweeps[process].load(SeqCst))
    }

    fn living<T>(&self, f: impl FnOnce(&mut BTreeMap<Key, Stored>) -> T) -> T {
        f(&mut self.shared.records.lock().unwrap())
    }
}

impl Store for Handle {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let now = self.now();
        Ok(self.living(|all| all.get(key).filter(|it| now < it.expires_at).cloned()))
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        if self.load(key).await?.is_some() {
            return Ok(Created::Taken);
        }
        let stored = Stored::new(write.bytes.clone(), write.expires_at, 0);
        self.living(|all| all.insert(key.clone(), stored));
        Ok(Created::Stored)
    }

    async fn replace(&self, _: &Key, _: &Stored, _: &Write) -> Result<Replaced, StoreError> {
        Ok(Replaced::Gone)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        if self.load(key).await?.is_none() {
            return Ok(Touched::Gone);
        }
        self.living(|all| all.get_mut(key).map(|it| it.expires_at = expires_at));
        Ok(Touched::Extended)
    }

    async fn delete(&self, _: &Key, _: &Stored) -> Result<Deleted, StoreError> {
        Ok(Deleted::Gone)
    }
}

/// Ends with the sweep, however that ends.
struct Sweeping<'a>(&'a AtomicUsize);

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Sweep for Handle {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let shared = &self.shared;
        shared.sweeps[self.process].fetch_add(1, SeqCst);
        assert_eq!(shared.sweeping.fetch_add(1, SeqCst), 0, "two sweep at once");
        let _sweeping = Sweeping(&shared.sweeping);
        sleep(Duration::from_secs(1)).await;
        if shared.failures.load(SeqCst) > 0 {
            shared.failures.fetch_sub(1, SeqCst);
            return Err(StoreError::transient("test", "away"));
        }
        let dead: Vec<Key> = self.living(|all| {
            let dead = all.iter().filter(|(_, stored)| stored.bytes == "dead");
            dead.map(|(key, _)| key.clone()).take(limit).collect()
        });
        self.living(|all| dead.iter().for_each(|key| drop(all.remove(key))));
        Ok(dead.len())
    }
}

#[tokio::test(start_paused = true)]
async fn expired_records_go_in_small_steps_again_and_again() {
    let [store, ..] = Handle::of_three();
    store.fill(1_000);
    let _swept = Swept::new(store.clone(), INTERVAL).unwrap();
    sleep(INTERVAL / 2).await;
    assert_eq!((store.dead(), store.sweeps()[0]), (0, 4));
    store.fill(10);
    sleep(INTERVAL).await;
    assert_eq!((store.dead(), store.sweeps()[0]), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn one_of_several_processes_sweeps_and_another_takes_over_when_it_dies() {
    let [one, two, three] = Handle::of_three();
    one.fill(100_000);
    let all = [&one, &two, &three].map(|store| Swept::new(store.clone(), INTERVAL).unwrap());
    // A round of many steps, which lasts longer than the interval.
    sleep(INTERVAL * 20).await;
    assert_eq!(one.dead(), 0);
    let sweeps = one.sweeps();
    assert_eq!(sweeps.iter().filter(|n| **n > 0).count(), 1, "{sweeps:?}");
    let first = sweeps.iter().position(|n| *n > 0).unwrap();

    let mut rest: Vec<_> = all.into_iter().collect();
    drop(rest.remove(first));
    one.fill(10);
    sleep(INTERVAL * 3).await;
    assert_eq!(one.dead(), 0);
    let after = one.sweeps();
    assert_eq!(after[first], sweeps[first]);
    // One round in each interval, whichever of the two it is.
    let rounds = after.iter().sum::<usize>() - sweeps.iter().sum::<usize>();
    assert!((1..=4).contains(&rounds), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_the_round_and_not_the_sweeper() {
    let [store, ..] = Handle::of_three();
    store.fill(10);
    store.shared.failures.store(3, SeqCst);
    let _swept = Swept::new(store.clone(), INTERVAL).unwrap();
    sleep(INTERVAL).await;
    assert_eq!(store.dead(), 10);
    sleep(INTERVAL * 4).await;
    assert_eq!(store.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_ends_with_its_last_handle() {
    let [store, ..] = Handle::of_three();
    let swept = Swept::new(store.clone(), INTERVAL).unwrap();
    let clone = swept.clone();
    drop(swept);
    sleep(INTERVAL * 2).await;
    assert!(store.sweeps()[0] >= 2);
    drop(clone);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&store.shared), 1);
}

// An interval that would be replaced by another one.
#[tokio::test]
async fn an_interval_that_is_too_short_or_too_long_is_refused() {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    for (interval, good) in [
        (Duration::ZERO, false),
        (Duration::from_millis(999), false),
        (Duration::from_secs(1), true),
        (WEEK, true),
        (WEEK + Duration::from_secs(1), false),
        (Duration::MAX, false),
    ] {
        let [store, ..] = Handle::of_three();
        let swept = Swept::new(store, interval).map(drop);
        assert_eq!(swept.is_ok(), good, "{interval:?}");
        if let Err(error) = swept {
            assert!(
                error.to_string().contains("one second to seven days"),
                "{error}"
            );
        }
    }
}

#[test]
fn outside_of_a_runtime_there_is_an_error_with_the_remedy() {
    let [store, ..] = Handle::of_three();
    let error = Swept::new(store, INTERVAL).map(drop).unwrap_err();
    assert!(!error.is_transient());
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}
