//! `SESSION_TYPE = "mongodb"`.

use std::fmt;
use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom_store::connections::Outlive;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Sweep, Swept, Touched,
    UnixTime, Write,
};
use mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::failure;

const STORE: &str = "flask-mongodb";

/// How long no answer may have come before a write asks whether the connections are still there.
const QUIET: Duration = Duration::from_secs(1);
/// How long a connection may be idle before it is replaced. Most proxies wait longer.
const MAX_IDLE: Duration = Duration::from_secs(20);

type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Sessions in the collection of Flask-Session's `mongodb`: `{id, val: Binary, expiration: Date}`.
/// A handle: clones share everything.
///
/// A document has no version, so `replace` and `delete` name the whole `val` that they loaded, in
/// one command. Among users of this store that is compare-and-swap. Flask's update names the `id`
/// alone, and overwrites whatever is there.
///
/// MongoDB makes the `_id` of Flask's documents, so two of them may have the same `id`. Documents
/// of this store have the session's key as `_id` too, so the second of two creates is refused.
/// Flask does not look at the `_id`.
///
/// A document without an `expiration` counts as expired. (0.5 writes such documents for sessions
/// that are not permanent, and then fails on them.) Reads and writes go to the primary. By default
/// a majority confirms them, unless the URL changes that. Each operation ends within 5 s. Creates,
/// and refused replaces and deletes, take two round trips. All other operations take one. A write
/// that follows a second without an answer takes one more. It asks whether a proxy has closed the
/// connections. If a proxy closes single connections within 20 s, set `maxIdleTimeMS` in the URL.
///
/// ```no_run
/// use cloakroom_flask_stores::MongoDbStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// // The server of Flask's SESSION_MONGODB.
/// let store = MongoDbStore::connect("mongodb://127.0.0.1:27017").await?;
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// let write = Write::new(b"\x81\xa1a\x01".to_vec(), UnixTime::MAX, None);
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MongoDbStore {
    collection: Collection<RawDocumentBuf>,
    place: Place,
    /// As many as connections. No operation waits for one in the driver, which keeps the places of
    /// abandoned operations, so that a free connection can stay unused.
    turns: Arc<Semaphore>,
    /// Counts answers. A wait that sees none of them was for a server that is away.
    answers: Arc<AtomicU64>,
    /// When the last of them came.
    last: Arc<Mutex<Instant>>,
    clock: Clock,
    timeout: Duration,
}

/// Configures a [`MongoDbStore`]. From [`MongoDbStore::builder`].
///
/// ```
/// use cloakroom_flask_stores::MongoDbStore;
///
/// let builder = MongoDbStore::builder("mongodb://127.0.0.1:27017")
///     .database("web")
///     .collection("sessions");
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct MongoDbBuilder {
    url: String,
    database: String,
    collection: String,
    clock: Clock,
    timeout: Duration,
}

impl MongoDbBuilder {
    /// Sets the database (`SESSION_MONGODB_DB`). Default: `flask_session`.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1").database("web");
    /// ```
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = name.into();
        self
    }

    /// Sets the collection (`SESSION_MONGODB_COLLECT`). Default: `sessions`.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder =
    ///     MongoDbStore::builder("mongodb://127.0.0.1").collection("web_sessions");
    /// ```
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collection = name.into();
        self
    }

    /// Sets the clock by which sessions expire. Default: the system's clock. With a TTL index, as
    /// Flask-Session 0.8 makes it, the server removes expired documents by its own clock.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1")
    ///     .clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Sets how long an operation may take, with all its round trips. Default: 5 seconds.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # use std::time::Duration;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1")
    ///     .timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, and makes sure that the server answers. Makes no index.
    ///
    /// # Errors
    ///
    /// When the URL or a name cannot be used, or no primary answers. An error never contains the
    /// URL.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MongoDbStore::connect("mongodb://app:secret@localhost:port")
    ///     .await
    ///     .unwrap_err();
    /// assert!(!error.is_transient() && !error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<MongoDbStore, StoreError> {
        for name in [&self.database, &self.collection] {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            if name.is_empty() || name.len() > 63 || !name.bytes().all(plain) {
                return Err(failure::permanent(
                    STORE,
                    "SESSION_MONGODB_DB and _COLLECT must be letters, digits, `_`, `-` and `.` of ASCII, at most 63",
                ));
            }
        }
        let timeout = self.timeout;
        let connecting = async {
            let options = ClientOptions::parse(&self.url).await;
            let mut options = options.map_err(|error| failed(&error))?;
            complete(&mut options, timeout);
            let connections = *options.max_pool_size.get_or_insert(10);
            let hosts = format!("{:?}", options.hosts);
            let client = Client::with_options(options).map_err(|error| failed(&error))?;
            let database = client.database(&self.database);
            let ping = database.run_command(doc! { "ping": 1 }).await;
            ping.map_err(|error| failed(&error))?;
            let place = Place::new(STORE, [&*hosts, &*self.database, &*self.collection]);
            Ok((database.collection(&self.collection), place, connections))
        };
        let done = tokio::time::timeout(timeout, connecting).await;
        let (collection, place, connections) =
            done.unwrap_or_else(|_| Err(failure::timed_out(STORE, timeout)))?;
        let connections = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(MongoDbStore {
            collection,
            place,
            turns: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            answers: Arc::default(),
            last: Arc::new(Mutex::new(Instant::now())),
            clock: self.clock,
            timeout,
        })
    }
}

/// Options that the URL leaves open, and those that no URL can change.
fn complete(options: &mut ClientOptions, timeout: Duration) {
    // A little before the store's own limit, so that the error can name the cause of the wait.
    let limit = timeout / 10 * 9;
    options.server_selection_timeout.get_or_insert(limit);
    options.connect_timeout.get_or_insert(limit);
    options.max_idle_time.get_or_insert(MAX_IDLE);
    options
        .read_concern
        .get_or_insert_with(ReadConcern::majority);
    let concern = options
        .write_concern
        .get_or_insert_with(WriteConcern::default);
    concern.w.get_or_insert(Acknowledgment::Majority);
    if concern.w == Some(Acknowledgment::Nodes(0)) {
        concern.w = Some(Acknowledgment::Majority);
    }
    concern.w_timeout.get_or_insert(timeout);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    // The machine itself resolves lost answers of writes.
    options.retry_writes = Some(false);
}

impl fmt::Debug for MongoDbBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL, which may hold a password.
        f.debug_struct("MongoDbBuilder")
            .field("database", &self.database)
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

impl MongoDbStore {
    /// Connects to `SESSION_MONGODB` with the [builder](Self::builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`MongoDbBuilder::connect`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let store =
    ///     MongoDbStore::connect("mongodb://user:password@db.example:27017").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder of a store at `url`.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1:27017");
    /// ```
    pub fn builder(url: &str) -> MongoDbBuilder {
        MongoDbBuilder {
            url: url.to_owned(),
            database: "flask_session".to_owned(),
            collection: "sessions".to_owned(),
            clock: Arc::new(|| SystemTime::now().into()),
            timeout: Duration::from_secs(5),
        }
    }

    /// Starts a task that removes expired records at this interval (at least a second). It ends
    /// with the last handle on the returned store. Of several processes one sweeps at a time: see
    /// [`Swept`](cloakroom_store::Swept).
    ///
    /// If the collection has a TTL index, as Flask-Session makes one, the server removes them and
    /// this is not needed.
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime.
    ///
    /// ```no_run
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// use std::time::Duration;
    ///
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = MongoDbStore::connect("mongodb://127.0.0.1:27017").await?;
    /// let store = store.sweep_every(Duration::from_secs(300))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep_every(self, interval: Duration) -> Result<Swept<Self>, StoreError> {
        Swept::new(self, interval)
    }

    /// Does `work` when it is this operation's turn, within the time limit.
    async fn bounded<T, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let end = Instant::now() + self.timeout;
        let turn = self.turn().await?;
        let (store, work) = (self.clone(), work(self.clone()));
        let bounded = async move {
            let _turn = turn;
            match timeout_at(end, work).await {
                Ok(done) => {
                    // A refusal is an answer too.
                    if !done.as_ref().is_err_and(StoreError::is_transient) {
                        store.answers.fetch_add(1, Ordering::Relaxed);
                        *store.last() = Instant::now();
                    }
                    done
                }
                Err(_) => Err(failure::timed_out(STORE, store.timeout)),
            }
        };
        // The driver closes the connection of an operation that is dropped.
        Outlive::new(bounded).await
    }

    /// The same for a write. Nobody can find out whether a write landed that met a connection which
    /// a proxy had closed. So after a pause it first asks the server something harmless. The driver
    /// closes all its connections when it finds one of them broken.
    async fn write<T, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.bounded(|store| {
            let is_asked = store.last().elapsed() >= QUIET;
            let work = work(store.clone());
            async move {
                if is_asked {
                    store.reach().await?;
                }
                work.await
            }
        })
        .await
    }

    /// Fails if no connection reaches the server. Closes a connection whose peer vanished silently
    /// after a quarter of the time.
    async fn reach(&self) -> Result<(), StoreError> {
        let name = self.collection.namespace().db;
        let database = self.collection.client().database(&name);
        let mut tries = 0;
        loop {
            tries += 1;
            let ping = database.run_command(doc! { "ping": 1 }).into_future();
            match tokio::time::timeout(self.timeout / 4, ping).await {
                Ok(Err(error)) if tries == 3 || !is_of_the_connection(&error) => {
                    return Err(failed(&error));
                }
                Err(_) if tries == 3 => return Err(failure::timed_out(STORE, self.timeout)),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Instant> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let before = self.answers.load(Ordering::Relaxed);
        // Less than the operation has, so that the error names what was waited for.
        let latest = Instant::now() + self.timeout / 10 * 9;
        match timeout_at(latest, Arc::clone(&self.turns).acquire_owned()).await {
            // A permit that comes too late goes on to the next operation: all may give up at once.
            Ok(Ok(turn)) if Instant::now() < latest => Ok(turn),
            _ if self.answers.load(Ordering::Relaxed) == before => {
                Err(failure::timed_out(STORE, self.timeout))
            }
            _ => Err(failure::transient(
                STORE,
                "all connections to the server were in use for too long; raise maxPoolSize in \
                 SESSION_MONGODB if this lasts",
            )),
        }
    }

    fn now(&self) -> UnixTime {
        (self.clock)()
    }

    async fn find(&self, living: Document) -> Result<Option<Stored>, StoreError> {
        let found = self.collection.find_one(living).await;
        let found = found.map_err(|error| failed(&error))?;
        found.map(|document| stored(&document)).transpose()
    }
}

impl Store for MongoDbStore {
    fn place(&self) -> Option<Place> {
        Some(self.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let living = living(key, self.now());
        self.bounded(|store| async move { store.find(living).await })
            .await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let now = self.now();
        let mut value = fields(write);
        value.insert("_id", key.as_str());
        // Flask 0.8 returns what has expired if it finds it first.
        let expired = doc! { "id": key.as_str(), "expiration": { "$not": { "$gt": time(now) } } };
        let living = living(key, now);
        self.write(|store| async move {
            let removed = store.collection.delete_many(expired).await;
            removed.map_err(|error| failed(&error))?;
            // The `id` of what is inserted comes from the filter.
            let insert = doc! { "$setOnInsert": value };
            let found = store.collection.update_one(living, insert);
            match found.upsert(true).await {
                Ok(done) if done.matched_count == 0 => Ok(Created::Stored),
                Ok(_) => Ok(Created::Taken),
                Err(error) if is_taken(&error) => Ok(Created::Taken),
                Err(error) => Err(failed(&error)),
            }
        })
        .await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let now = self.now();
        let (living, unchanged) = (living(key, now), unchanged(key, old, now));
        let (change, old) = (doc! { "$set": fields(write) }, old.bytes.clone());
        self.write(|store| async move {
            for _ in 0..TRIES {
                let done = store
                    .collection
                    .update_one(unchanged.clone(), change.clone());
                if done.await.map_err(|error| failed(&error))?.matched_count > 0 {
                    return Ok(Replaced::Stored);
                }
                match store.find(living.clone()).await? {
                    None => return Ok(Replaced::Gone),
                    Some(there) if there.bytes != old => return Ok(Replaced::Changed),
                    // It became what it was in between.
                    Some(_) => {}
                }
            }
            Err(contended())
        })
        .await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let change = doc! { "$set": { "expiration": time(expires_at) } };
        let filter = living(key, self.now());
        self.write(|store| async move {
            let done = store.collection.update_one(filter, change).await;
            match done.map_err(|error| failed(&error))?.matched_count {
                0 => Ok(Touched::Gone),
                _ => Ok(Touched::Extended),
            }
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let now = self.now();
        let (living, unchanged) = (living(key, now), unchanged(key, old, now));
        let old = old.bytes.clone();
        self.write(|store| async move {
            for _ in 0..TRIES {
                let done = store.collection.delete_one(unchanged.clone()).await;
                if done.map_err(|error| failed(&error))?.deleted_count > 0 {
                    return Ok(Deleted::Deleted);
                }
                match store.find(living.clone()).await? {
                    None => return Ok(Deleted::Gone),
                    Some(there) if there.bytes != old => return Ok(Deleted::Changed),
                    Some(_) => {}
                }
            }
            Err(contended())
        })
        .await
    }
}

impl Sweep for MongoDbStore {
    /// One round trip per document. A TTL index makes this unnecessary.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let expired = doc! { "expiration": { "$lte": time(self.now()) } };
        let mut removed = 0;
        while removed < limit {
            let expired = expired.clone();
            let work = |store: Self| async move {
                let done = store.collection.delete_one(expired).await;
                done.map_err(|error| failed(&error))
            };
            if self.write(work).await?.deleted_count == 0 {
                break;
            }
            removed += 1;
        }
        Ok(removed)
    }
}

impl fmt::Debug for MongoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDbStore")
            .field("collection", &self.collection.name())
            .finish_non_exhaustive()
    }
}

/// How often a command is tried at most when others come between.
const TRIES: u32 = 5;

fn living(key: &Key, now: UnixTime) -> Document {
    doc! { "id": key.as_str(), "expiration": { "$gt": time(now) } }
}

fn unchanged(key: &Key, old: &Stored, now: UnixTime) -> Document {
    doc! { "id": key.as_str(), "val": binary(&old.bytes), "expiration": { "$gt": time(now) } }
}

fn fields(write: &Write) -> Document {
    doc! { "val": binary(&write.bytes), "expiration": time(write.expires_at) }
}

fn binary(bytes: &Bytes) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

fn time(time: UnixTime) -> DateTime {
    // Up to the year 9999 there are enough milliseconds.
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_millis(seconds.saturating_mul(1000))
}

fn stored(document: &RawDocument) -> Result<Stored, StoreError> {
    let read = || {
        let value = document.get_binary("val").ok()?;
        let end = document.get_datetime("expiration").ok()?;
        let end = u64::try_from(end.timestamp_millis().div_euclid(1000)).ok()?;
        let bytes = Bytes::copy_from_slice(value.bytes);
        Some(Stored::new(bytes, UnixTime::from_secs(end), 0))
    };
    read().ok_or_else(|| {
        let what = "a document is not Flask-Session's, and was left as it is; remove it or choose \
                    another collection";
        failure::permanent(STORE, what)
    })
}

fn contended() -> StoreError {
    failure::transient(STORE, "others wrote the same session again and again")
}

/// Returns whether another connection may do better.
fn is_of_the_connection(error: &mongodb::error::Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }
    )
}

fn is_taken(error: &mongodb::error::Error) -> bool {
    const DUPLICATE_KEY: i32 = 11000;
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Codes after which the same command may succeed: another member has become primary, another
/// operation used the same document, or a time limit was reached.
const PASSING: &[i32] = &[
    6, 7, 24, 50, 64, 89, 91, 112, 134, 175, 189, 202, 262, 462, 9001, 10058, 10107, 11600, 11601,
    11602, 13388, 13435, 13436,
];

/// A failure of the driver without its words, which quote documents and URLs.
fn failed(error: &mongodb::error::Error) -> StoreError {
    let answered = |code: i32| {
        let what = format!("the server answered with code {code}");
        match PASSING.contains(&code) {
            true => failure::transient(STORE, what),
            false => failure::permanent(STORE, what),
        }
    };
    match &*error.kind {
        ErrorKind::Command(error) => answered(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => answered(error.code),
        ErrorKind::Write(_) => failure::transient(STORE, "the write was not confirmed"),
        ErrorKind::Io(error) => {
            failure::transient(STORE, format!("the connection failed: {}", error.kind()))
        }
        ErrorKind::ConnectionPoolCleared { .. } => {
            failure::transient(STORE, "the connection failed, as others did")
        }
        ErrorKind::ServerSelection { .. } => failure::transient(
            STORE,
            "no server that takes writes could be reached in time",
        ),
        ErrorKind::DnsResolve { .. } => {
            failure::transient(STORE, "the name service does not know the servers")
        }
        ErrorKind::Authentication { .. } => {
            failure::permanent(STORE, "the server refused user name and password")
        }
        ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. } => {
            failure::permanent(STORE, "SESSION_MONGODB cannot be read as a MongoDB URL")
        }
        ErrorKind::BsonSerialization(_) | ErrorKind::BsonDeserialization(_) => {
            failure::permanent(STORE, "the session is no MongoDB document")
        }
        _ => failure::transient(STORE, "the driver failed"),
    }
}
