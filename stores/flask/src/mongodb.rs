//! `SESSION_TYPE = "mongodb"`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Sweep, Touched, UnixTime, Write,
};
use mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::failure;

const STORE: &str = "flask-mongodb";

type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Sessions in the collection of Flask-Session's `mongodb`: `{id, val: Binary, expiration: Date}`. A handle: clones share
/// everything.
///
/// There is no version in a document, so `replace` and `delete` name the whole `val` that they loaded, in one command: among
/// all who do so, that is compare-and-swap. Flask's update names the `id` alone, and overwrites whatever is there.
///
/// Flask's documents have an `_id` of MongoDB's making, and nothing keeps two from having one `id`. Those that this store
/// creates have the session's key as `_id` too, so that of two who create it one is refused; Flask does not look at it.
///
/// A document without an `expiration` (0.5 writes such for sessions that are not permanent, and then fails on them) counts as
/// expired. Reads and writes are the primary's, confirmed by a majority unless the URL says otherwise; each operation ends
/// within 5 s, and creates take two round trips, refused replaces and deletes too, all else one.
///
/// ```no_run
/// use cloakroom_flask_stores::MongoDbStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = MongoDbStore::connect("mongodb://127.0.0.1:27017").await?; // SESSION_MONGODB
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// let write = Write::new(b"\x81\xa1a\x01".to_vec(), UnixTime::MAX, None);
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MongoDbStore {
    collection: Collection<RawDocumentBuf>,
    /// As many as there may be connections. Nobody waits for one in the driver: it keeps the place of those who have given up, and a
    /// free connection can then stay with them while others wait.
    turns: Arc<Semaphore>,
    clock: Clock,
    timeout: Duration,
}

/// How a [`MongoDbStore`] is to work. From [`MongoDbStore::builder`].
///
/// ```
/// use cloakroom_flask_stores::MongoDbStore;
///
/// let builder = MongoDbStore::builder("mongodb://127.0.0.1:27017").database("web").collection("sessions");
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct MongoDbBuilder {
    url: String,
    database: String,
    collection: String,
    clock: Clock,
}

impl MongoDbBuilder {
    /// `SESSION_MONGODB_DB`; `flask_session` unless said otherwise.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1").database("web");
    /// ```
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = name.into();
        self
    }

    /// `SESSION_MONGODB_COLLECT`; `sessions` unless said otherwise.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1").collection("web_sessions");
    /// ```
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collection = name.into();
        self
    }

    /// The clock by which sessions end; the system's unless said otherwise. The server's own removes what has expired if there
    /// is a TTL index, as Flask-Session 0.8 makes it.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1").clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Connects, and makes sure that the server answers. Makes no index.
    ///
    /// # Errors
    ///
    /// When the URL or a name cannot be used, or no primary answers. An error never contains the URL.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MongoDbStore::connect("mongodb://app:secret@localhost:port").await.unwrap_err();
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
        let timeout = Duration::from_secs(5);
        let connecting = async {
            let options = ClientOptions::parse(&self.url).await;
            let mut options = options.map_err(|error| failed(&error))?;
            complete(&mut options, timeout);
            let connections = *options.max_pool_size.get_or_insert(10);
            let client = Client::with_options(options).map_err(|error| failed(&error))?;
            let database = client.database(&self.database);
            let ping = database.run_command(doc! { "ping": 1 }).await;
            ping.map_err(|error| failed(&error))?;
            Ok((database.collection(&self.collection), connections))
        };
        let done = tokio::time::timeout(timeout, connecting).await;
        let (collection, connections) =
            done.unwrap_or_else(|_| Err(failure::timed_out(STORE, timeout)))?;
        let connections = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(MongoDbStore {
            collection,
            turns: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            clock: self.clock,
            timeout,
        })
    }
}

/// What the URL leaves open, and what no URL can change.
fn complete(options: &mut ClientOptions, timeout: Duration) {
    // A little earlier than the store's own limit, so that one hears what was waited for.
    let limit = timeout / 10 * 9;
    options.server_selection_timeout.get_or_insert(limit);
    options.connect_timeout.get_or_insert(limit);
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
    // The machine finds out itself what became of a write whose answer was lost.
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
    /// Connects to `SESSION_MONGODB` as the [builder](Self::builder) does when nothing else is said.
    ///
    /// # Errors
    ///
    /// Those of [`MongoDbBuilder::connect`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let store = MongoDbStore::connect("mongodb://user:password@db.example:27017").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// A store with options.
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
        }
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let work = async {
            let _turn = self.turn().await?;
            work.await
        };
        let done = tokio::time::timeout(self.timeout, work).await;
        done.unwrap_or_else(|_| Err(failure::timed_out(STORE, self.timeout)))
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let busy = || failure::transient(STORE, "no connection was free in time");
        // Less than the operation has, so that one hears what was waited for.
        let patience = self.timeout / 10 * 9;
        let begin = Instant::now();
        match tokio::time::timeout(patience, self.turns.acquire()).await {
            // Never closed, so there always is a permit to come. One that comes too late goes on to the next: they may all give up at
            // the same moment.
            Ok(turn) if begin.elapsed() < patience => turn.map_err(|_| busy()),
            _ => Err(busy()),
        }
    }

    fn now(&self) -> UnixTime {
        (self.clock)()
    }

    async fn find(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        let found = self.collection.find_one(living(key, now)).await;
        let found = found.map_err(|error| failed(&error))?;
        found.map(|document| stored(&document)).transpose()
    }
}

impl Store for MongoDbStore {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.bounded(self.find(key, self.now())).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let now = self.now();
        let mut value = fields(write);
        value.insert("_id", key.as_str());
        self.bounded(async {
            // Flask 0.8 returns what has expired if it finds it first.
            let expired =
                doc! { "id": key.as_str(), "expiration": { "$not": { "$gt": time(now) } } };
            let removed = self.collection.delete_many(expired).await;
            removed.map_err(|error| failed(&error))?;
            // The `id` of what is inserted comes from the filter.
            let insert = doc! { "$setOnInsert": value };
            let found = self.collection.update_one(living(key, now), insert);
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
        self.bounded(async {
            for _ in 0..TRIES {
                let change = doc! { "$set": fields(write) };
                let done = self.collection.update_one(unchanged(key, old, now), change);
                if done.await.map_err(|error| failed(&error))?.matched_count > 0 {
                    return Ok(Replaced::Stored);
                }
                match self.find(key, now).await? {
                    None => return Ok(Replaced::Gone),
                    Some(there) if there.bytes != old.bytes => return Ok(Replaced::Changed),
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
        self.bounded(async {
            let done = self.collection.update_one(filter, change).await;
            match done.map_err(|error| failed(&error))?.matched_count {
                0 => Ok(Touched::Gone),
                _ => Ok(Touched::Extended),
            }
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let now = self.now();
        self.bounded(async {
            for _ in 0..TRIES {
                let done = self.collection.delete_one(unchanged(key, old, now)).await;
                if done.map_err(|error| failed(&error))?.deleted_count > 0 {
                    return Ok(Deleted::Deleted);
                }
                match self.find(key, now).await? {
                    None => return Ok(Deleted::Gone),
                    Some(there) if there.bytes != old.bytes => return Ok(Deleted::Changed),
                    Some(_) => {}
                }
            }
            Err(contended())
        })
        .await
    }
}

impl Sweep for MongoDbStore {
    /// One round trip for each document: where there is a TTL index, nobody needs it.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let expired = doc! { "expiration": { "$lte": time(self.now()) } };
        let mut removed = 0;
        while removed < limit {
            let work = async {
                let done = self.collection.delete_one(expired.clone()).await;
                done.map_err(|error| failed(&error))
            };
            if self.bounded(work).await?.deleted_count == 0 {
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
        let what = "a document is not as Flask-Session writes it; it was left as it is";
        failure::permanent(STORE, what)
    })
}

fn contended() -> StoreError {
    failure::transient(STORE, "others wrote the same session again and again")
}

fn is_taken(error: &mongodb::error::Error) -> bool {
    const DUPLICATE_KEY: i32 = 11000;
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Codes after which the same command may succeed: another member is the primary now, somebody else was at the same document, a
/// limit of time was reached.
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
