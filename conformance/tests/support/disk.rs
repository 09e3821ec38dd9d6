//! A store that processes share: all records of a place in one file, read and written whole under a
//! lock. Slow and correct, and with the fault of its kind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Mutex;

use cloakroom_conformance::FakeClock;
use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Place};
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

type Records = BTreeMap<String, Stored>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Replaces are answered and not written.
    Behind,
    /// One replace of each round is under way until the record's delete, as on a slow server: no
    /// fault.
    Late,
    /// The same, and then there is still another write.
    LateTwice,
}

pub(crate) struct Disk {
    file: PathBuf,
    clock: FakeClock,
    fault: Fault,
    /// Answered, and not yet written.
    behind: Mutex<Records>,
}

impl Disk {
    /// One step under the lock of all processes.
    fn step<T>(&self, act: impl FnOnce(&mut Records) -> T) -> Result<T, StoreError> {
        let lock = File::create(self.file.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut records = decode(&fs::read_to_string(&self.file).unwrap_or_default());
        let before = records.clone();
        records.extend(self.behind.lock().unwrap().clone());
        records.retain(|_, record| record.expires_at > self.clock.now());
        let answer = act(&mut records);
        if records != before {
            let new = self.file.with_extension("new");
            fs::write(&new, encode(&records)).map_err(failed)?;
            fs::rename(&new, &self.file).map_err(failed)?;
        }
        Ok(answer)
    }

    /// Where the write of this record is that is under way.
    fn under_way(&self, key: &Key) -> PathBuf {
        self.file
            .with_extension(key.as_str().rsplit(':').next().unwrap())
    }

    /// Whether a replace of this record is slow. In the last round of the kill none is, because all
    /// answers are waited for.
    fn is_slow(&self, key: &Key) -> bool {
        let late = matches!(self.fault, Fault::Late | Fault::LateTwice);
        let name = key.as_str();
        late && name.contains("round-") && name.ends_with("-7") && !name.contains("round-8-")
    }

    /// Where the slow write of the same round is, if there is one.
    fn slow_beside(&self, key: &Key) -> Option<PathBuf> {
        let (round, _) = key.as_str().rsplit_once('-')?;
        let slow = Key::new(&format!("{round}-7"))?;
        self.is_slow(&slow).then(|| self.under_way(&slow))
    }

    /// Operations under way happen now.
    fn arrive(&self, key: &Key, records: &mut Records) {
        if !self.is_slow(key) {
            return;
        }
        let file = self.under_way(key);
        let Ok(late) = fs::read_to_string(&file) else {
            return;
        };
        fs::remove_file(&file).unwrap();
        let late = decode(&late);
        if self.fault == Fault::LateTwice && records.get(key.as_str()) != late.get(key.as_str()) {
            let another = |record: &Stored| {
                Stored::new(
                    vec![3; record.bytes.len()],
                    record.expires_at,
                    record.version,
                )
            };
            let more: Records = (late.iter())
                .map(|(key, record)| (key.clone(), another(record)))
                .collect();
            fs::write(&file, encode(&more)).unwrap();
        }
        records.extend(late);
    }
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::transient("disk", error)
}

fn encode(records: &Records) -> String {
    let line = |(key, record): (&String, &Stored)| {
        let bytes: String = record
            .bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{key} {} {bytes}\n", record.expires_at.as_secs())
    };
    records.iter().map(line).collect()
}

fn decode(text: &str) -> Records {
    let record = |line: &str| {
        let mut parts = line.split(' ');
        let (key, end) = (parts.next()?, parts.next()?.parse().ok()?);
        let hex = parts.next()?;
        let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
        Some((
            key.to_owned(),
            Stored::new(bytes?, UnixTime::from_secs(end), 0),
        ))
    };
    text.lines().filter_map(record).collect()
}

impl Store for Disk {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.step(|records| records.get(key.as_str()).cloned())
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let new = Stored::new(write.bytes.clone(), write.expires_at, 0);
        self.step(|records| {
            if records.contains_key(key.as_str()) {
                return Created::Taken;
            }
            records.insert(key.as_str().to_owned(), new);
            Created::Stored
        })
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let new = Stored::new(write.bytes.clone(), write.expires_at, 0);
        let name = key.as_str().to_owned();
        if self.is_slow(key) {
            let file = self.under_way(key);
            let mut part = file.clone().into_os_string();
            part.push(".part");
            fs::write(&part, encode(&[(name, new)].into())).map_err(failed)?;
            fs::rename(part, file).map_err(failed)?;
            return std::future::pending().await;
        }
        // An answer of this round implies that the slow one is under way.
        while self.slow_beside(key).is_some_and(|slow| !slow.exists()) {
            tokio::task::yield_now().await;
        }
        self.step(|records| match records.get_mut(key.as_str()) {
            None => Replaced::Gone,
            Some(record) if record.bytes != old.bytes => Replaced::Changed,
            Some(record) => {
                if self.fault == Fault::Behind {
                    self.behind.lock().unwrap().insert(name, new);
                } else {
                    *record = new;
                }
                Replaced::Stored
            }
        })
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.step(|records| match records.get_mut(key.as_str()) {
            None => Touched::Gone,
            Some(record) => {
                record.expires_at = expires_at;
                Touched::Extended
            }
        })
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.step(|records| {
            self.arrive(key, records);
            match records.get(key.as_str()) {
                None => Deleted::Gone,
                Some(record) if record.bytes != old.bytes => Deleted::Changed,
                Some(_) => {
                    records.remove(key.as_str());
                    Deleted::Deleted
                }
            }
        })
    }
}

/// The implementation under test.
pub(crate) trait Kind: Send + Sync + 'static {
    const NAME: &'static str;
    const FAULT: Fault;
}

/// A directory with a file for each place.
pub(crate) struct Disks<K> {
    root: PathBuf,
    kind: PhantomData<K>,
}

impl<K: Kind> Fixture for Disks<K> {
    type Store = Disk;
    const NAME: &'static str = K::NAME;
    const MAX_VALUE: usize = 4096;

    async fn open(&self, place: &Place) -> Result<Disk, FixtureError> {
        Ok(Disk {
            file: self.root.join(place.name()),
            clock: place.clock().clone(),
            fault: K::FAULT,
            behind: Mutex::default(),
        })
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .never(Ability::Directory, "not here")
            .never(Ability::Sweep, "not here")
            .never(Ability::Enumerate, "it does not go through all its records")
            .never(Ability::Feed, "it announces nothing")
            .never(Ability::Outage, "not here")
    }
}

impl<K: Kind> Attach for Disks<K> {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn attach(address: &str) -> Self {
        Self {
            root: address.into(),
            kind: PhantomData,
        }
    }
}
