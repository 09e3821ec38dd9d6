//! The store behaves like a map under any operations in any order.

mod common;

use std::collections::BTreeMap;

use cloakroom_file::FileStore;
use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, Stored, Sweep, Touched, UnixTime, Write,
};
use common::{FakeClock, TempDir, key, quick, write};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[derive(Clone, Debug)]
enum Op {
    Load(u8),
    Create(u8, Input),
    Replace(u8, Old, Input),
    Touch(u8, u64),
    Delete(u8, Old),
    List(u8),
    Sweep(usize),
    Wait(u64),
    Reopen,
}

/// Bytes, life from now on, subject.
type Input = (u8, u64, Option<u8>);

#[derive(Clone, Debug)]
enum Old {
    AsLoaded,
    Other(u8),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let k = || 0..3_u8;
    let input = || (0..4_u8, 0..20_u64, prop::option::of(0..2_u8));
    let old = || prop_oneof![3 => Just(Old::AsLoaded), 1 => (0..4_u8).prop_map(Old::Other)];
    let op = prop_oneof![
        3 => k().prop_map(Op::Load),
        5 => (k(), input()).prop_map(|(k, i)| Op::Create(k, i)),
        5 => (k(), old(), input()).prop_map(|(k, o, i)| Op::Replace(k, o, i)),
        3 => (k(), 0..20_u64).prop_map(|(k, end)| Op::Touch(k, end)),
        2 => (k(), old()).prop_map(|(k, o)| Op::Delete(k, o)),
        3 => (0..2_u8).prop_map(Op::List),
        1 => (0..4_usize).prop_map(Op::Sweep),
        3 => (1..8_u64).prop_map(Op::Wait),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..60)
}

/// The contract, on a map. Expired records stay in it until they are swept or overwritten.
#[derive(Default)]
struct Model {
    records: BTreeMap<Key, Write>,
    now: u64,
}

impl Model {
    fn living(&self, key: &Key) -> Option<&Write> {
        let now = UnixTime::from_secs(self.now);
        self.records.get(key).filter(|write| write.expires_at > now)
    }

    fn load(&self, key: &Key) -> Option<Stored> {
        self.living(key).map(stored)
    }

    fn create(&mut self, key: &Key, write: &Write) -> Created {
        if self.living(key).is_some() {
            return Created::Taken;
        }
        self.records.insert(key.clone(), write.clone());
        Created::Stored
    }

    fn replace(&mut self, key: &Key, old: &Stored, write: &Write) -> Replaced {
        match self.living(key) {
            None => Replaced::Gone,
            Some(now) if now.bytes != old.bytes => Replaced::Changed,
            Some(_) => {
                self.records.insert(key.clone(), write.clone());
                Replaced::Stored
            }
        }
    }

    fn touch(&mut self, key: &Key, end: UnixTime) -> Touched {
        if self.living(key).is_none() {
            return Touched::Gone;
        }
        if let Some(write) = self.records.get_mut(key) {
            write.expires_at = end;
        }
        Touched::Extended
    }

    fn delete(&mut self, key: &Key, old: &Stored) -> Deleted {
        match self.living(key) {
            None => Deleted::Gone,
            Some(now) if now.bytes != old.bytes => Deleted::Changed,
            Some(_) => {
                self.records.remove(key);
                Deleted::Deleted
            }
        }
    }

    fn list(&self, subject: &str) -> BTreeMap<Key, Stored> {
        let living = self
            .records
            .keys()
            .filter_map(|key| Some((key, self.living(key)?)));
        let theirs = living.filter(|(_, write)| write.subject.as_deref() == Some(subject));
        theirs
            .map(|(key, write)| (key.clone(), stored(write)))
            .collect()
    }

    fn expired(&self) -> usize {
        self.records
            .keys()
            .filter(|key| self.living(key).is_none())
            .count()
    }
}

fn stored(write: &Write) -> Stored {
    Stored::new(write.bytes.clone(), write.expires_at, 0)
}

async fn run(dir: &TempDir, ops: &[Op]) {
    let clock = FakeClock::at(100);
    let mut store: FileStore = quick(dir, &clock).open().unwrap();
    // Making new directories for each case would be most of the test's time.
    for file in common::files(&dir.store()) {
        std::fs::remove_file(file).unwrap();
    }
    let mut model = Model {
        now: 100,
        ..Model::default()
    };
    let name = |k: &u8| key(&format!("key-{k}"));
    let input = |(bytes, life, subject): &Input, now: u64| {
        let subject = subject.map(|subject| format!("subject-{subject}"));
        write(
            vec![*bytes; usize::from(*bytes) * 100],
            now + life,
            subject.as_deref(),
        )
    };
    for op in ops {
        let old = |k: &u8, old: &Old| match (old, model.records.get(&name(k))) {
            (Old::AsLoaded, Some(write)) => stored(write),
            (Old::AsLoaded, None) => Stored::new(vec![], UnixTime::MAX, 0),
            (Old::Other(n), _) => stored(&input(&(*n, 1, None), 0)),
        };
        match op {
            Op::Load(k) => assert_eq!(store.load(&name(k)).await.unwrap(), model.load(&name(k))),
            Op::Create(k, new) => {
                let new = input(new, model.now);
                let done = store.create(&name(k), &new).await.unwrap();
                assert_eq!(done, model.create(&name(k), &new));
            }
            Op::Replace(k, o, new) => {
                let (old, new) = (old(k, o), input(new, model.now));
                let done = store.replace(&name(k), &old, &new).await.unwrap();
                assert_eq!(done, model.replace(&name(k), &old, &new));
            }
            Op::Touch(k, life) => {
                let end = UnixTime::from_secs(model.now + life);
                let done = store.touch(&name(k), end).await.unwrap();
                assert_eq!(done, model.touch(&name(k), end));
            }
            Op::Delete(k, o) => {
                let old = old(k, o);
                let done = store.delete(&name(k), &old).await.unwrap();
                assert_eq!(done, model.delete(&name(k), &old));
            }
            Op::List(subject) => {
                let subject = format!("subject-{subject}");
                let listed = store.list(&subject).await.unwrap();
                assert_eq!(listed.len(), model.list(&subject).len());
                let listed: BTreeMap<_, _> = listed.into_iter().collect();
                assert_eq!(listed, model.list(&subject));
            }
            Op::Sweep(limit) => {
                let removed = store.sweep(*limit).await.unwrap();
                assert_eq!(removed, model.expired().min(*limit));
                // The store chooses which ones. After a sweep without a limit both are at the same
                // point again.
                store.sweep(usize::MAX).await.unwrap();
                let living: Vec<_> = model
                    .records
                    .keys()
                    .filter(|key| model.living(key).is_some())
                    .cloned()
                    .collect();
                model.records.retain(|key, _| living.contains(key));
            }
            Op::Wait(seconds) => {
                model.now += seconds;
                clock.set(model.now);
            }
            Op::Reopen => store = quick(dir, &clock).open().unwrap(),
        }
    }
    // No entry of the index, no temporary file is left without its record.
    let expected: usize = model
        .records
        .values()
        .map(|w| 1 + usize::from(w.subject.is_some()))
        .sum();
    let parts = ["records", "subjects"].map(|part| common::files(&dir.store().join(part)).len());
    assert_eq!(parts.iter().sum::<usize>(), expected);
}

#[test]
fn the_store_behaves_like_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let dir = TempDir::new();
    let config = Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&ops(), |ops| {
        runtime.block_on(run(&dir, &ops));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
