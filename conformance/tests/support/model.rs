//! A correct store with every ability, and its faults. It yields before and between its steps, so
//! that every race that a fault permits occurs in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloakroom_conformance::FakeClock;
use cloakroom_conformance::store::{Ability, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_store::{
    Created, Cursor, Deleted, Directory, Entry, Enumerate, Key, Page, Replaced, Store, StoreError,
    Stored, Sweep, Touched, UnixTime, Write,
};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::sleep;

/// The store's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    ReplaceUpserts,
    ReplaceIgnoresOld,
    ReplaceRemovesFirst,
    ReplaceWritesExpiryLater,
    ReplaceKeepsExpiry,
    ExpiryIgnored,
    ExpiryASecondLate,
    LongLifetimesEnd,
    CompareThenSwap,
    CreateOverwrites,
    CreateChecksFirst,
    CreateMindsExpired,
    DeleteIgnoresOld,
    DeleteForgets,
    DeleteAnswersDeletedForGone,
    TouchChangesVersion,
    TouchRevives,
    TouchOnlyExtends,
    VersionsRestart,
    KeysWithoutCase,
    KeysCutShort,
    ValuesAreText,
    ErrorsAreNone,
    ErrorsTellKeys,
    CachePerHandle,
    CancelledCloses,
    ListKeepsMoved,
    ListShowsExpired,
    ListMatchesPattern,
    ListSomeIgnoresLimit,
    ListSomeStopsEarly,
    PlaceDiffers,
    ListMovesLater,
    SweepTakesAll,
    SweepIgnoresLimit,
    SweepChecksFirst,
    EnumerateByPosition,
    EnumerateShowsExpired,
    EnumerateForgetsSubjects,
}

pub(crate) struct Model {
    fault: Fault,
    shared: Arc<Shared>,
    cache: Mutex<BTreeMap<Key, Stored>>,
}

#[derive(Default)]
struct Shared {
    data: Mutex<Data>,
    clock: FakeClock,
    out: AtomicBool,
    /// For the fault of connections that close.
    pool: Pool,
}

/// Connections, of which each is open or not. One that is not is opened by the operation that gets
/// it, and one whose operation is dropped half way is closed.
struct Pool {
    free: Semaphore,
    open: Mutex<Vec<bool>>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            free: Semaphore::new(8),
            open: Mutex::new(vec![true; 8]),
        }
    }
}

impl Pool {
    async fn statement(&self) {
        let _permit = self.free.acquire().await.unwrap();
        let mut taken = Taken(self, false);
        let is_open = self.open.lock().unwrap().pop();
        if is_open == Some(false) {
            // Longer than the case counts, so that a slow machine finds none open either.
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_millis(4)).await;
        taken.1 = true;
    }
}

/// A connection in use, and whether its statement is done.
struct Taken<'a>(&'a Pool, bool);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.open.lock().unwrap().push(self.1);
    }
}

#[derive(Default)]
struct Data {
    records: BTreeMap<Key, Record>,
    version: u64,
    /// For the directory's faults: the entries that a faulty index adds to the truth.
    also_listed: BTreeSet<(String, Key)>,
    not_moved: BTreeMap<Key, Option<Box<str>>>,
}

#[derive(Clone)]
struct Record {
    stored: Stored,
    subject: Option<Box<str>>,
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
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The first step of every operation.
    async fn begin(&self, key: &Key) -> Result<Key, StoreError> {
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

    fn data(&self) -> MutexGuard<'_, Data> {
        self.shared.data.lock().unwrap()
    }

    fn lives(&self, expires_at: UnixTime) -> bool {
        let now = self.shared.clock.now();
        let days = |days: u64| Duration::from_secs(days * 86_400);
        match self.fault {
            Fault::ExpiryIgnored => true,
            Fault::ExpiryASecondLate => expires_at >= now,
            Fault::LongLifetimesEnd => expires_at > now && expires_at <= now + days(30),
            _ => expires_at > now,
        }
    }

    fn living(&self, data: &Data, key: &Key) -> Option<Record> {
        let record = data.records.get(key)?;
        self.lives(record.stored.expires_at).then(|| record.clone())
    }

    fn equal(&self, now: &Record, old: &Stored) -> bool {
        now.stored.version == old.version
    }

    fn put(&self, data: &mut Data, key: &Key, write: &Write) {
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
    }
}

impl Store for Model {
    fn place(&self) -> Option<cloakroom_store::Place> {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let address = Arc::as_ptr(&self.shared) as usize;
        let place = match self.is(Fault::PlaceDiffers) {
            true => CALLS.fetch_add(1, Ordering::Relaxed).to_string(),
            false => address.to_string(),
        };
        Some(cloakroom_store::Place::new("model", [&*place]))
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let name = match self.begin(key).await {
            Err(_) if self.is(Fault::ErrorsAreNone) => return Ok(None),
            name => name?,
        };
        if let Some(stored) = self.cache.lock().unwrap().get(key)
            && self.lives(stored.expires_at)
        {
            return Ok(Some(stored.clone()));
        }
        let found = self.living(&self.data(), &name).map(|record| record.stored);
        if let Some(stored) = &found
            && self.is(Fault::CachePerHandle)
        {
            self.cache
                .lock()
                .unwrap()
                .insert(key.clone(), stored.clone());
        }
        Ok(found)
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let key = &self.begin(key).await?;
        let taken = |data: &Data| match self.fault {
            Fault::CreateOverwrites => false,
            Fault::CreateMindsExpired => data.records.contains_key(key),
            _ => self.living(data, key).is_some(),
        };
        if self.is(Fault::CreateChecksFirst) {
            if taken(&self.data()) {
                return Ok(Created::Taken);
            }
            yield_now().await;
            self.put(&mut self.data(), key, write);
            return Ok(Created::Stored);
        }
        let mut data = self.data();
        if taken(&data) {
            return Ok(Created::Taken);
        }
        self.put(&mut data, key, write);
        Ok(Created::Stored)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.cache.lock().unwrap().remove(key);
        let key = &self.begin(key).await?;
        let check = |data: &Data| match self.living(data, key) {
            None if self.is(Fault::ReplaceUpserts) => None,
            None => Some(Replaced::Gone),
            Some(_) if self.is(Fault::ReplaceIgnoresOld) => None,
            Some(now) if !self.equal(&now, old) => Some(Replaced::Changed),
            Some(_) => None,
        };
        if self.is(Fault::CompareThenSwap) {
            if let Some(answer) = check(&self.data()) {
                return Ok(answer);
            }
            yield_now().await;
            self.put(&mut self.data(), key, write);
            return Ok(Replaced::Stored);
        }
        {
            let mut data = self.data();
            if let Some(answer) = check(&data) {
                return Ok(answer);
            }
            let mut write = write.clone();
            let before = data.records.get(key).cloned();
            match before.as_ref().map(|before| before.stored.expires_at) {
                Some(end) if self.is(Fault::ReplaceWritesExpiryLater) => write.expires_at = end,
                Some(end) if self.is(Fault::ReplaceKeepsExpiry) => write.expires_at = end,
                _ => {}
            }
            if self.is(Fault::ListMovesLater) {
                let subject = before.and_then(|before| before.subject);
                data.not_moved.insert(key.clone(), subject);
            }
            if self.is(Fault::ReplaceRemovesFirst) {
                data.records.remove(key);
            } else {
                self.put(&mut data, key, &write);
            }
        }
        match self.fault {
            Fault::ReplaceRemovesFirst => {
                yield_now().await;
                self.put(&mut self.data(), key, write);
            }
            Fault::ReplaceWritesExpiryLater => {
                yield_now().await;
                if let Some(record) = self.data().records.get_mut(key) {
                    record.stored.expires_at = write.expires_at;
                }
            }
            Fault::ListMovesLater => {
                yield_now().await;
                self.data().not_moved.remove(key);
            }
            _ => {}
        }
        Ok(Replaced::Stored)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.cache.lock().unwrap().remove(key);
        let key = &self.begin(key).await?;
        let Some(mut record) = self.living(&self.data(), key) else {
            return Ok(Touched::Gone);
        };
        if self.is(Fault::TouchRevives) {
            yield_now().await;
            record.stored.expires_at = expires_at;
            self.data().records.insert(key.clone(), record);
            return Ok(Touched::Extended);
        }
        let mut data = self.data();
        let Some(record) = data.records.get_mut(key) else {
            return Ok(Touched::Gone);
        };
        if self.is(Fault::TouchOnlyExtends) && record.stored.expires_at > expires_at {
            return Ok(Touched::Extended);
        }
        record.stored.expires_at = expires_at;
        if self.is(Fault::TouchChangesVersion) {
            record.stored.version += 1_000_000;
        }
        Ok(Touched::Extended)
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.cache.lock().unwrap().remove(key);
        let key = &self.begin(key).await?;
        let check = |data: &Data| match self.living(data, key) {
            None if self.is(Fault::DeleteAnswersDeletedForGone) => Some(Deleted::Deleted),
            None => Some(Deleted::Gone),
            Some(_) if self.is(Fault::DeleteIgnoresOld) => None,
            Some(now) if !self.equal(&now, old) => Some(Deleted::Changed),
            Some(_) if self.is(Fault::DeleteForgets) => Some(Deleted::Deleted),
            Some(_) => None,
        };
        if self.is(Fault::CompareThenSwap) {
            if let Some(answer) = check(&self.data()) {
                return Ok(answer);
            }
            yield_now().await;
        }
        let mut data = self.data();
        if !self.is(Fault::CompareThenSwap)
            && let Some(answer) = check(&data)
        {
            return Ok(answer);
        }
        data.records.remove(key);
        Ok(Deleted::Deleted)
    }
}

impl Directory for Model {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.begin(&Key::new("list").unwrap()).await?;
        let data = self.data();
        let matches = |key: &Key, record: &Record| {
            let named = match data.not_moved.get(key) {
                Some(before) => before.as_deref(),
                None => record.subject.as_deref(),
            };
            let similar = |named: &str| {
                self.is(Fault::ListMatchesPattern)
                    && subject
                        .strip_suffix('%')
                        .is_some_and(|start| named.starts_with(start))
            };
            named == Some(subject)
                || named.is_some_and(similar)
                || data
                    .also_listed
                    .contains(&(subject.to_owned(), key.clone()))
        };
        let lives = |record: &Record| {
            self.is(Fault::ListShowsExpired) || self.lives(record.stored.expires_at)
        };
        let records = data.records.iter();
        Ok(records
            .filter(|(key, record)| lives(record) && matches(key, record))
            .map(|(key, record)| (key.clone(), record.stored.clone()))
            .collect())
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let mut listed = self.list(subject).await?;
        match self.is(Fault::ListSomeIgnoresLimit) {
            true => {}
            // The limit is for what it looks at, and not for what it finds.
            false if self.is(Fault::ListSomeStopsEarly) => listed.truncate(limit / 2 + 1),
            false => listed.truncate(limit),
        }
        Ok(listed)
    }
}

impl Sweep for Model {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.begin(&Key::new("sweep").unwrap()).await?;
        let limit = match self.fault {
            Fault::SweepIgnoresLimit => usize::MAX,
            _ => limit,
        };
        let over = |data: &Data| -> Vec<Key> {
            let records = data.records.iter();
            records
                .filter(|(_, record)| {
                    self.is(Fault::SweepTakesAll) || !self.lives(record.stored.expires_at)
                })
                .map(|(key, _)| key.clone())
                .take(limit)
                .collect()
        };
        let before = match self.fault {
            Fault::SweepChecksFirst => {
                let keys = over(&self.data());
                yield_now().await;
                Some(keys)
            }
            _ => None,
        };
        let mut data = self.data();
        let keys = before.unwrap_or_else(|| over(&data));
        for key in &keys {
            data.records.remove(key);
        }
        Ok(keys.len())
    }
}

impl Enumerate for Model {
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        self.begin(&Key::new("enumerate").unwrap()).await?;
        let data = self.data();
        let after = after.map_or("", Cursor::as_str);
        let skipped: usize = match self.is(Fault::EnumerateByPosition) {
            true => after.parse().unwrap_or_default(),
            false => data
                .records
                .keys()
                .filter(|key| key.as_str() <= after)
                .count(),
        };
        let lives = |record: &Record| {
            self.is(Fault::EnumerateShowsExpired) || self.lives(record.stored.expires_at)
        };
        let (mut page, mut looked) = (Page::default(), skipped);
        for (key, record) in data.records.iter().skip(skipped).take(limit.max(1)) {
            looked += 1;
            let subject = record.subject.as_deref();
            let subject = subject.filter(|_| !self.is(Fault::EnumerateForgetsSubjects));
            if lives(record) {
                let entry = Entry::new(key.clone(), record.stored.clone(), subject.map(Box::from));
                page.records.push(entry);
            }
            page.next = Some(match self.is(Fault::EnumerateByPosition) {
                true => Cursor::new(looked.to_string()),
                false => Cursor::new(key.as_str()),
            });
        }
        page.next = page.next.filter(|_| looked < data.records.len());
        Ok(page)
    }
}

/// The fixture for a model with a fault.
pub(crate) struct Models {
    fault: Fault,
    opened: Mutex<BTreeMap<String, Arc<Shared>>>,
}

impl Models {
    pub(crate) fn with(fault: Fault) -> Self {
        let opened = Mutex::default();
        Self { fault, opened }
    }

    fn set_out(&self, place: &Place, out: bool) {
        let opened = self.opened.lock().unwrap();
        opened[place.name()].out.store(out, Ordering::SeqCst);
    }
}

impl Fixture for Models {
    type Store = Model;
    const NAME: &'static str = "model";
    const MAX_VALUE: usize = 64 * 1024;

    async fn open(&self, place: &Place) -> Result<Model, FixtureError> {
        let mut opened = self.opened.lock().unwrap();
        let shared = opened.entry(place.name().to_owned()).or_insert_with(|| {
            Arc::new(Shared {
                clock: place.clock().clone(),
                ..Shared::default()
            })
        });
        Ok(Model {
            fault: self.fault,
            shared: Arc::clone(shared),
            cache: Mutex::default(),
        })
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        let reason = "the records end with the process";
        claims
            .handles_by_clone()
            .durable()
            .outage()
            .directory()
            .sweep()
            .enumerate()
            .never(Ability::Shared, reason)
            .never(Ability::SurvivesKill, reason)
    }
}

impl Outage for Models {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.set_out(place, true);
        Ok(())
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.set_out(place, false);
        Ok(())
    }
}
