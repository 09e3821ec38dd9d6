//! A store that processes share: all records of a place in one file, read and written whole under a lock. Slow and correct, and
//! with one fault.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Mutex;

use cloakroom_conformance::FakeClock;
use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Place};
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

type Records = BTreeMap<String, Stored>;

pub(crate) struct Disk {
    file: PathBuf,
    clock: FakeClock,
    /// With the fault: what was answered and not written.
    behind: Option<Mutex<Records>>,
}

impl Disk {
    /// One step under the lock of all processes.
    fn step<T>(&self, act: impl FnOnce(&mut Records) -> T) -> Result<T, StoreError> {
        let lock = File::create(self.file.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut records = decode(&fs::read_to_string(&self.file).unwrap_or_default());
        let before = records.clone();
        if let Some(behind) = &self.behind {
            records.extend(behind.lock().unwrap().clone());
        }
        records.retain(|_, record| record.expires_at > self.clock.now());
        let answer = act(&mut records);
        if records != before {
            let new = self.file.with_extension("new");
            fs::write(&new, encode(&records)).map_err(failed)?;
            fs::rename(&new, &self.file).map_err(failed)?;
        }
        Ok(answer)
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
        format!("{key} {} {bytes}\n", record.expires_at)
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
        self.step(|records| match records.get_mut(key.as_str()) {
            None => Replaced::Gone,
            Some(record) if record.bytes != old.bytes => Replaced::Changed,
            Some(record) => {
                match &self.behind {
                    Some(behind) => {
                        behind.lock().unwrap().insert(key.as_str().to_owned(), new);
                    }
                    None => *record = new,
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
        self.step(|records| match records.get(key.as_str()) {
            None => Deleted::Gone,
            Some(record) if record.bytes != old.bytes => Deleted::Changed,
            Some(_) => {
                records.remove(key.as_str());
                Deleted::Deleted
            }
        })
    }
}

/// A directory with a file for each place. `BEHIND`: replaces are answered and not written. `KNOWN`: `main` knows of it.
pub(crate) struct Disks<const BEHIND: bool, const KNOWN: bool> {
    root: PathBuf,
}

impl<const BEHIND: bool, const KNOWN: bool> Fixture for Disks<BEHIND, KNOWN> {
    type Store = Disk;
    const NAME: &'static str = match (BEHIND, KNOWN) {
        (false, true) => "disk",
        (true, _) => "write-behind",
        (false, false) => "unknown",
    };
    const MAX_VALUE: usize = 4096;

    async fn open(&self, place: &Place) -> Result<Disk, FixtureError> {
        Ok(Disk {
            file: self.root.join(place.name()),
            clock: place.clock().clone(),
            behind: BEHIND.then(Mutex::default),
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
            .never(Ability::Outage, "not here")
    }
}

impl<const BEHIND: bool, const KNOWN: bool> Attach for Disks<BEHIND, KNOWN> {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn attach(address: &str) -> Self {
        let root = address.into();
        Self { root }
    }
}
