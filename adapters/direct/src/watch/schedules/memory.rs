//! A store without faults, and chance.

use std::collections::BTreeMap;

use cloakroom_core::{
    Commit, Created, Deleted, Key, Outcome, Replaced, Stored, Touched, UnixTime, Write,
};

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % end
    }
}

#[derive(Default)]
pub(super) struct Memory {
    records: BTreeMap<Key, Stored>,
    version: u64,
}

impl Memory {
    pub(super) fn load(&self, key: &Key, now: UnixTime) -> Option<Stored> {
        let found = self.records.get(key);
        found.filter(|found| now < found.expires_at).cloned()
    }

    fn put(&mut self, key: &Key, write: &Write) {
        self.version += 1;
        let stored = Stored::new(write.bytes.clone(), write.expires_at, self.version);
        self.records.insert(key.clone(), stored);
    }

    /// A commit of another process, which nothing disturbs.
    pub(super) fn drive(
        &mut self,
        mut commit: Commit,
        now: UnixTime,
        random: &mut Random,
    ) -> Outcome {
        loop {
            let next = match commit {
                Commit::Done(outcome) => return outcome,
                Commit::Mint(mint) => {
                    let byte = || u8::try_from(random.below(256)).expect("a byte");
                    let mut byte = byte;
                    mint.with(std::array::from_fn(|_| byte()))
                }
                Commit::Create(create) => {
                    self.put(create.key(), create.write());
                    create.then(Created::Stored, now)
                }
                Commit::Replace(replace) => {
                    self.put(replace.key(), replace.write());
                    replace.then(Replaced::Stored, now)
                }
                Commit::Touch(touch) => {
                    if let Some(record) = self.records.get_mut(touch.key()) {
                        record.expires_at = touch.expires_at();
                    }
                    touch.then(Touched::Extended, now)
                }
                Commit::Delete(delete) => {
                    self.records.remove(delete.key());
                    delete.then(Deleted::Deleted, now)
                }
                Commit::Reload(reload) => {
                    let found = self.load(reload.key(), now);
                    reload.then(found, now)
                }
                _ => panic!("no other questions"),
            };
            commit = next.expect("an undisturbed commit");
        }
    }
}
