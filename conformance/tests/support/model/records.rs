//! The records of a store, and what each of its operations does first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloakroom_conformance::FakeClock;
use cloakroom_store::{Hint, Key, StoreError, Stored, UnixTime, Write};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::yield_now;

use super::fault::Fault;
use super::pool::Pool;

pub(crate) struct Model {
    pub(super) fault: Fault,
    pub(super) shared: Arc<Shared>,
    pub(super) cache: Mutex<BTreeMap<Key, Stored>>,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) data: Mutex<Data>,
    pub(super) clock: FakeClock,
    pub(super) out: AtomicBool,
    pub(super) listeners: Mutex<Vec<UnboundedSender<Hint>>>,
    /// For the fault of connections that close.
    pub(super) pool: Pool,
}

#[derive(Default)]
pub(super) struct Data {
    pub(super) records: BTreeMap<Key, Record>,
    pub(super) version: u64,
    /// For the directory's faults: the entries that a faulty index adds to the truth.
    pub(super) also_listed: BTreeSet<(String, Key)>,
    pub(super) not_moved: BTreeMap<Key, Option<Box<str>>>,
}

#[derive(Clone)]
pub(super) struct Record {
    pub(super) stored: Stored,
    pub(super) subject: Option<Box<str>>,
}

impl Clone for Model {
    fn clone(&self) -> Self {
        Self {
            fault: self.fault,
            shared: Arc::clone(&self.shared),
            cache: Mutex::default(),
        }
    }
}

impl Model {
    pub(super) fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The first step of every operation.
    pub(super) async fn begin(&self, key: &Key) -> Result<Key, StoreError> {
        yield_now().await;
        if self.shared.out.load(Ordering::SeqCst) {
            let text = if self.is(Fault::ErrorsTellKeys) {
                format!("no connection for {}", key.as_str())
            } else {
                "no connection".to_owned()
            };
            return Err(StoreError::transient("model", text));
        }
        if self.is(Fault::CancelledCloses) {
            self.shared.pool.statement().await;
        }
        let text = key.as_str();
        let short = &text[..text.len().min(200)];
        Ok(match self.fault {
            Fault::KeysWithoutCase => Key::new(&text.to_lowercase()).unwrap(),
            Fault::KeysCutShort => Key::new(short).unwrap(),
            _ => key.clone(),
        })
    }

    pub(super) fn data(&self) -> MutexGuard<'_, Data> {
        self.shared.data.lock().unwrap()
    }

    pub(super) fn lives(&self, expires_at: UnixTime) -> bool {
        let now = self.shared.clock.now();
        let days = |days: u64| Duration::from_secs(days * 86_400);
        match self.fault {
            Fault::ExpiryIgnored => true,
            Fault::ExpiryASecondLate => expires_at >= now,
            Fault::LongLifetimesEnd => expires_at > now && expires_at <= now + days(30),
            _ => expires_at > now,
        }
    }

    pub(super) fn living(&self, data: &Data, key: &Key) -> Option<Record> {
        let record = data.records.get(key)?;
        self.lives(record.stored.expires_at).then(|| record.clone())
    }

    pub(super) fn equal(&self, now: &Record, old: &Stored) -> bool {
        now.stored.version == old.version
    }

    pub(super) fn put(&self, data: &mut Data, key: &Key, write: &Write) {
        let recreated = !data.records.contains_key(key);
        let version = match data.records.get(key) {
            Some(record) if self.is(Fault::VersionsRestart) => record.stored.version + 1,
            None if self.is(Fault::VersionsRestart) => 1,
            _ => {
                data.version += 1;
                data.version
            }
        };
        let bytes = if self.is(Fault::ValuesAreText) {
            String::from_utf8_lossy(&write.bytes).into_owned().into()
        } else {
            write.bytes.clone()
        };
        if self.is(Fault::ListKeepsMoved)
            && !recreated
            && let Some(subject) = data.records[key].subject.clone()
        {
            data.also_listed.insert((subject.into(), key.clone()));
        }
        let record = Record {
            stored: Stored::new(bytes, write.expires_at, version),
            subject: write.subject.clone(),
        };
        data.records.insert(key.clone(), record);
        if self.is(Fault::AnnouncesWrites) {
            self.announce(key);
        }
    }
}
