use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_store::{
    Created, Cursor, Deleted, Directory, Enumerate, Key, Page, Place, Replaced, Store, StoreError,
    Stored, Sweep, Swept, Touched, UnixTime, Write,
};
use mongodb::bson::doc;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::source::Source;
use crate::table::simple;
use crate::{Builder, document, failure};

pub(crate) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Keeps sessions in a collection of a MongoDB database. A handle: clones share everything.
///
/// The [crate's documentation](crate) lists its guarantees.
///
/// ```no_run
/// use cloakroom_mongodb::MongoDbStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = MongoDbStore::connect("mongodb://localhost/app").await?;
/// store.create_indexes().await?;
/// let key = Key::new("session:47DEQpj8HBSa").unwrap();
/// let write = Write::new(b"record".to_vec(), UnixTime::MAX, Some("ada".into()));
///
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// assert_eq!(store.load(&key).await?.unwrap().bytes, "record");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MongoDbStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) source: Source,
    pub(crate) place: Option<Place>,
    /// As many as connections. No operation waits for one in the driver, which keeps the places of
    /// abandoned operations, so that a free connection can stay unused.
    pub(crate) turns: Arc<Semaphore>,
    /// Counts answers. A wait that sees none of them was for a server that is away.
    pub(crate) answers: AtomicU64,
    /// When the last of them came.
    pub(crate) last: Mutex<Instant>,
    pub(crate) clock: Clock,
    pub(crate) timeout: Duration,
}

impl MongoDbStore {
    /// Connects with the defaults of the [builder](Self::builder).
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), cloakroom_store::StoreError> {
    /// let url =
    ///     "mongodb://app:password@db1.example.com,db2.example.com/app?replicaSet=rs0";
    /// let store = cloakroom_mongodb::MongoDbStore::connect(url).await?;
    /// store.create_indexes().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Returns the settings of a store.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// let builder = MongoDbStore::builder().collection("sessions");
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Starts a task that removes expired documents at this interval (at least a second): for users
    /// who may not make the TTL index, or to have the space back sooner. It ends with the last
    /// handle on the returned store. Of several processes one sweeps at a time: see
    /// [`Swept`](cloakroom_store::Swept).
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime.
    ///
    /// ```no_run
    /// # use cloakroom_mongodb::MongoDbStore;
    /// use std::time::Duration;
    ///
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = MongoDbStore::connect("mongodb://127.0.0.1/app").await?;
    /// let store = store.sweep_every(Duration::from_secs(300))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep_every(self, interval: Duration) -> Result<Swept<Self>, StoreError> {
        Swept::new(self, interval)
    }

    /// Makes the [collection](crate#the-collection) and its two indexes where they are missing. One
    /// round trip.
    ///
    /// It may be called at every start, by any number of processes at once. Nothing that the
    /// operations promise depends on the indexes. Without them only [`Sweep::sweep`] removes what
    /// has expired, and listing reads the whole collection.
    ///
    /// # Errors
    ///
    /// A permanent one when the user has no right to do so, or when an index on the same field is
    /// there with other options.
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_mongodb::MongoDbStore;
    /// let store = MongoDbStore::connect("mongodb://localhost/app").await?;
    /// store.create_indexes().await?;
    /// store.create_indexes().await?; // nothing left to do
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_indexes(&self) -> Result<(), StoreError> {
        let expiry = IndexOptions::builder()
            .name("cloakroom_expires_at".to_owned())
            .expire_after(MARGIN)
            .build();
        let subject = IndexOptions::builder()
            .name("cloakroom_subject".to_owned())
            .sparse(true)
            .collation(simple())
            .build();
        let index = |field: &str, options| {
            let keys = doc! { field: 1 };
            IndexModel::builder().keys(keys).options(options).build()
        };
        let indexes = [index("expires_at", expiry), index("subject", subject)];
        self.bounded(|table| async move {
            let made = table.collection.create_indexes(indexes).await;
            made.map(drop).map_err(|error| failure::of(&error))
        })
        .await
    }

    pub(crate) fn new(
        source: Source,
        place: Option<Place>,
        connections: u32,
        clock: Clock,
        timeout: Duration,
    ) -> Self {
        let connections = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        let inner = Inner {
            source,
            place,
            turns: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            answers: AtomicU64::new(0),
            last: Mutex::new(Instant::now()),
            clock,
            timeout,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn collection(&self) -> Result<Collection<RawDocumentBuf>, StoreError> {
        self.inner.source.collection()
    }

    fn now(&self) -> UnixTime {
        (self.inner.clock)()
    }
}

impl Store for MongoDbStore {
    fn place(&self) -> Option<Place> {
        self.inner.place.clone()
    }

    /// Sends a read up to three times. A connection whose peer vanished silently is closed after a
    /// quarter of the time, and another one is used. Repeating a read is harmless.
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let living = document::living(key, self.now());
        self.bounded(|table| async move {
            for _ in 0..2 {
                let patience = table.timeout / 4;
                let loading = table.find(living.clone());
                if let Ok(loaded) = tokio::time::timeout(patience, loading).await {
                    return loaded;
                }
            }
            table.find(living).await
        })
        .await
    }

    /// Finds the expired record and replaces it, or finds none and inserts. A living record is not
    /// found either, and then the insert meets its key.
    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let new = document::new(key, write, version()?)?;
        let new = RawDocumentBuf::try_from(&new).map_err(|_| failure::corrupt())?;
        let expired = document::expired(key, self.now());
        self.write(|table| async move {
            let collection = &table.collection;
            match collection.replace_one(expired, new).upsert(true).await {
                Ok(_) => Ok(Created::Stored),
                Err(error) if failure::is_taken(&error) => Ok(Created::Taken),
                Err(error) => Err(failure::of(&error)),
            }
        })
        .await
    }

    /// Replaces the record by the new one, if its version is the old one's. Otherwise replaces it
    /// by itself, which the server counts as found but not as modified. So one round trip has all
    /// three outcomes.
    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let new = document::new(key, write, version()?)?;
        let unchanged = doc! { "$eq": ["$version", old.version.cast_signed()] };
        // `$literal`: a subject that begins with `$` is not the name of a field.
        let chosen = doc! { "$cond": [unchanged, { "$literal": new }, "$$ROOT"] };
        let pipeline = vec![doc! { "$replaceWith": chosen }];
        let living = document::living(key, self.now());
        self.write(|table| async move {
            let done = table.collection.update_one(living, pipeline).await;
            let done = done.map_err(|error| failure::of(&error))?;
            Ok(match (done.matched_count, done.modified_count) {
                (0, _) => Replaced::Gone,
                (_, 0) => Replaced::Changed,
                _ => Replaced::Stored,
            })
        })
        .await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let living = document::living(key, self.now());
        let change = doc! { "$set": { "expires_at": document::time(expires_at) } };
        self.write(|table| async move {
            let done = table.collection.update_one(living, change).await;
            match done.map_err(|error| failure::of(&error))?.matched_count {
                0 => Ok(Touched::Gone),
                _ => Ok(Touched::Extended),
            }
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let version = old.version;
        let living = document::living(key, self.now());
        let mut unchanged = living.clone();
        unchanged.insert("version", version.cast_signed());
        self.write(move |table| async move {
            for _ in 0..TRIES {
                let collection = &table.collection;
                let done = collection.delete_one(unchanged.clone()).await;
                if done.map_err(|error| failure::of(&error))?.deleted_count > 0 {
                    return Ok(Deleted::Deleted);
                }
                match table.find(living.clone()).await? {
                    None => return Ok(Deleted::Gone),
                    Some(stored) if stored.version != version => return Ok(Deleted::Changed),
                    // It had expired, and another node, whose clock is behind, has extended it
                    // since.
                    Some(_) => {}
                }
            }
            Err(failure::contended())
        })
        .await
    }
}

impl Sweep for MongoDbStore {
    /// In batches of at most 250 documents.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        const BATCH: usize = 250;
        let mut removed = 0;
        while removed < limit {
            let (batch, now) = (BATCH.min(limit - removed), self.now());
            let (found, gone) = self
                .write(|table| async move { table.sweep_batch(batch, now).await })
                .await?;
            removed += gone;
            if found < batch {
                break;
            }
        }
        Ok(removed)
    }
}

impl Directory for MongoDbStore {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let living = document::living_of(subject, self.now());
        self.bounded(|table| async move { table.find_all(living, 0).await })
            .await
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let living = document::living_of(subject, self.now());
        let limit = i64::try_from(limit).unwrap_or(0);
        self.bounded(move |table| async move { table.find_all(living, limit).await })
            .await
    }
}

impl Enumerate for MongoDbStore {
    /// One query along the index of the keys, for at most 1,000 records.
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, 1000);
        let living = document::living_after(after.map_or("", Cursor::as_str), self.now());
        let records = self
            .bounded(move |table| async move { table.page(living, limit).await })
            .await?;
        let last = records.last().filter(|_| records.len() >= limit);
        let next = last.map(|entry| Cursor::new(entry.key.as_str()));
        Ok(Page { records, next })
    }
}

impl fmt::Debug for MongoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDbStore")
            .field("timeout", &self.inner.timeout)
            .finish_non_exhaustive()
    }
}

/// How much later than its end the server removes a record. Its clock may be ahead of the store's.
const MARGIN: Duration = Duration::from_secs(300);

/// How often a delete is tried at most when others come between.
const TRIES: u32 = 5;

/// Returns a version that no other write has, of this record or of a later one under the same key.
fn version() -> Result<i64, StoreError> {
    let random = getrandom::u64().map_err(|_| failure::no_randomness())?;
    Ok((random >> 1).cast_signed())
}
