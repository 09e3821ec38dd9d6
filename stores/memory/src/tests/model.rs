//! Random operations on a store and on the simplest thing that does the same.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, Stored, Sweep, Touched, UnixTime, Write,
};
use proptest::prelude::*;

use crate::MemoryStore;
use crate::record::OVERHEAD;

const START: u64 = 1_700_000_000;
const KEYS: usize = 300;

#[derive(Clone, Debug)]
struct Content {
    length: usize,
    life: u64,
    subject: Option<usize>,
}

#[derive(Clone, Debug)]
enum Op {
    Load(usize),
    Create(usize, Content),
    Replace(usize, bool, Content),
    Touch(usize, u64),
    Delete(usize, bool),
    List(usize),
    Sweep(usize),
    Advance(u64),
    SetBack(u64),
}

fn life() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..5_u64,
        0..300_u64,
        0..50_000_u64,
        0..40_000_000_u64,
        Just(u64::MAX)
    ]
}

fn content() -> impl Strategy<Value = Content> {
    (0..100_usize, life(), prop::option::of(0..3_usize)).prop_map(|(length, life, subject)| {
        Content {
            length,
            life,
            subject,
        }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    prop_oneof![
        2 => key().prop_map(Op::Load),
        6 => (key(), content()).prop_map(|(key, content)| Op::Create(key, content)),
        4 => (key(), any::<bool>(), content()).prop_map(|(key, stale, content)| Op::Replace(key, stale, content)),
        3 => (key(), life()).prop_map(|(key, life)| Op::Touch(key, life)),
        2 => (key(), any::<bool>()).prop_map(|(key, stale)| Op::Delete(key, stale)),
        1 => (0..3_usize).prop_map(Op::List),
        1 => (0..20_usize).prop_map(Op::Sweep),
        2 => prop_oneof![0..3_u64, 0..300_u64, 0..100_000_u64].prop_map(Op::Advance),
        1 => prop_oneof![
            8 => 0..100_000_u64,
            1 => Just(u64::MAX),
        ].prop_map(Op::SetBack),
    ]
}

struct Entry {
    bytes: Vec<u8>,
    expires: u64,
    subject: Option<usize>,
}

struct Run {
    store: MemoryStore,
    clock: Arc<AtomicU64>,
    max_entries: usize,
    max_bytes: usize,
    model: BTreeMap<usize, Entry>,
    /// The last two loads.
    loaded: BTreeMap<usize, (Stored, Stored)>,
    writes: u64,
}

impl Run {
    fn new(shards: usize, max_entries: usize, max_bytes: usize) -> Self {
        let clock = Arc::new(AtomicU64::new(START));
        let reader = Arc::clone(&clock);
        Self {
            store: MemoryStore::builder()
                .shards(shards)
                .max_entries(max_entries)
                .max_bytes(max_bytes)
                .clock(move || UnixTime::from_secs(reader.load(SeqCst)))
                .build(),
            clock,
            max_entries,
            max_bytes,
            model: BTreeMap::new(),
            loaded: BTreeMap::new(),
            writes: 0,
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Load(n) => self.load(n),
            Op::Create(n, content) => {
                let (write, entry) = self.write(content);
                let cost = cost(n, &entry);
                let answer = now(self.store.create(&key(n), &write));
                if self.model.contains_key(&n) {
                    assert_eq!(answer.unwrap(), Created::Taken);
                } else if self.model.len() < self.share(self.max_entries, &entry)
                    && self.living_bytes() + cost <= self.share(self.max_bytes, &entry)
                {
                    assert_eq!(answer.unwrap(), Created::Stored);
                    self.model.insert(n, entry);
                } else {
                    assert!(!answer.unwrap_err().is_transient());
                }
            }
            Op::Replace(n, stale, content) => {
                let Some(old) = self.old(n, stale) else {
                    return;
                };
                let is_it = self.is_it(n, &old);
                let (write, entry) = self.write(content);
                let answer = now(self.store.replace(&key(n), &old, &write));
                let found = self.model.get(&n);
                let whole = found
                    .is_some_and(|found| found.subject.is_some() || entry.expires < found.expires);
                let bound = match whole {
                    true => self.max_bytes,
                    false => self.share(self.max_bytes, &entry),
                };
                let before = found.map(|found| cost(n, found));
                match before {
                    None => assert_eq!(answer.unwrap(), Replaced::Gone),
                    Some(_) if !is_it => assert_eq!(answer.unwrap(), Replaced::Changed),
                    Some(before) => {
                        let after = cost(n, &entry);
                        if after <= before || self.living_bytes() - before + after <= bound {
                            assert_eq!(answer.unwrap(), Replaced::Stored);
                            self.model.insert(n, entry);
                        } else {
                            assert!(!answer.unwrap_err().is_transient());
                        }
                    }
                }
            }
            Op::Touch(n, life) => {
                let expires = self.after(life);
                let answer = now(self.store.touch(&key(n), UnixTime::from_secs(expires)));
                let expected = match self.model.get_mut(&n) {
                    None => Touched::Gone,
                    Some(entry) => {
                        entry.expires = expires;
                        Touched::Extended
                    }
                };
                assert_eq!(answer.unwrap(), expected);
            }
            Op::Delete(n, stale) => {
                let Some(old) = self.old(n, stale) else {
                    return;
                };
                let is_it = self.is_it(n, &old);
                let expected = match self.model.contains_key(&n) {
                    false => Deleted::Gone,
                    true if !is_it => Deleted::Changed,
                    true => {
                        self.model.remove(&n);
                        Deleted::Deleted
                    }
                };
                assert_eq!(now(self.store.delete(&key(n), &old)).unwrap(), expected);
            }
            Op::List(subject) => self.list(subject),
            Op::Sweep(limit) => {
                let expired = self.store.entries() - self.model.len();
                let removed = now(self.store.sweep(limit)).unwrap();
                assert_eq!(removed, expired.min(limit));
            }
            Op::Advance(seconds) => {
                self.clock.fetch_add(seconds, SeqCst);
            }
            Op::SetBack(seconds) => {
                // Expired records must be removed first, because the model has no records that come
                // back to life.
                now(self.store.sweep(usize::MAX)).unwrap();
                let now = self.clock.load(SeqCst);
                self.clock.store(now.saturating_sub(seconds), SeqCst);
            }
        }
        let now = self.clock.load(SeqCst);
        self.model.retain(|_, entry| now < entry.expires);
        assert!(self.store.entries() >= self.model.len());
        assert!(self.store.entries() <= self.max_entries);
        assert!(self.store.bytes() <= self.max_bytes);
    }

    fn finish(mut self) {
        now(self.store.sweep(usize::MAX)).unwrap();
        assert_eq!(self.store.entries(), self.model.len());
        assert_eq!(self.store.bytes(), self.living_bytes());
        (0..KEYS).for_each(|n| self.load(n));
        (0..3).for_each(|subject| self.list(subject));

        self.clock.store(u64::MAX, SeqCst);
        assert_eq!(now(self.store.sweep(usize::MAX)).unwrap(), self.model.len());
        assert_eq!((self.store.entries(), self.store.bytes()), (0, 0));
    }

    fn load(&mut self, n: usize) {
        let found = now(self.store.load(&key(n))).unwrap();
        assert_eq!(found.is_some(), self.model.contains_key(&n));
        let Some(found) = found else { return };
        let entry = &self.model[&n];
        assert_eq!(found.bytes, entry.bytes);
        assert_eq!(found.expires_at.as_secs(), entry.expires);
        let before = self
            .loaded
            .get(&n)
            .map_or_else(|| found.clone(), |(last, _)| last.clone());
        self.loaded.insert(n, (found, before));
    }

    fn list(&self, subject: usize) {
        let found = now(self.store.list(&format!("user-{subject}"))).unwrap();
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(key, stored)| (key, stored.bytes.to_vec()))
            .collect();
        let of_subject = self
            .model
            .iter()
            .filter(|(_, entry)| entry.subject == Some(subject));
        let mut expected: Vec<_> = of_subject
            .map(|(n, entry)| (key(*n), entry.bytes.clone()))
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    /// Something that was loaded under this key: just now, or long ago.
    fn old(&mut self, n: usize, stale: bool) -> Option<Stored> {
        if !stale {
            self.load(n);
        }
        let (last, before) = self.loaded.get(&n)?;
        Some(if stale { before } else { last }.clone())
    }

    /// Every write of a run has different bytes, so that they tell what the version must tell.
    fn is_it(&self, n: usize, old: &Stored) -> bool {
        self.model
            .get(&n)
            .is_some_and(|entry| entry.bytes == old.bytes)
    }

    fn write(&mut self, content: Content) -> (Write, Entry) {
        self.writes += 1;
        let mut bytes = self.writes.to_le_bytes().to_vec();
        bytes.resize(bytes.len() + content.length, 0);
        let entry = Entry {
            bytes,
            expires: self.after(content.life),
            subject: content.subject,
        };
        let expires_at = UnixTime::from_secs(entry.expires);
        let subject = content.subject.map(|n| format!("user-{n}").into());
        (Write::new(entry.bytes.clone(), expires_at, subject), entry)
    }

    fn after(&self, life: u64) -> u64 {
        UnixTime::from_secs(self.clock.load(SeqCst).saturating_add(life)).as_secs()
    }

    fn share(&self, bound: usize, entry: &Entry) -> usize {
        match entry.subject {
            Some(_) => bound,
            None => bound - bound / 8,
        }
    }

    fn living_bytes(&self) -> usize {
        self.model.iter().map(|(n, entry)| cost(*n, entry)).sum()
    }
}

fn cost(n: usize, entry: &Entry) -> usize {
    let subject = if entry.subject.is_some() {
        "user-0".len() + 8
    } else {
        0
    };
    key(n).as_bytes().len() + entry.bytes.len() + subject + OVERHEAD
}

fn key(n: usize) -> Key {
    Key::new(&format!("session:{n}")).unwrap()
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready at the first poll"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_behaves_like_a_map_with_expiry(
        shards in prop_oneof![Just(1_usize), Just(2), Just(128)],
        max_entries in prop_oneof![Just(usize::MAX), 1..200_usize],
        max_bytes in prop_oneof![Just(usize::MAX), 200..30_000_usize],
        ops in prop::collection::vec(op(), 1..1_500),
    ) {
        let mut run = Run::new(shards, max_entries, max_bytes);
        ops.into_iter().for_each(|op| run.apply(op));
        run.finish();
    }
}
