use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, StoreError, Stored, Sweep, Touched,
    UnixTime, Write,
};
use futures_util::TryStreamExt as _;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Bson, doc};
use mongodb::options::{Collation, IndexOptions};
use mongodb::{Collection, IndexModel};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Builder, document, failure};

pub(crate) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Sessions in a collection of a MongoDB database. A handle: clones share everything. See the [crate's documentation](crate) for
/// what it guarantees.
///
/// ```no_run
/// use cloakroom_mongodb::MongoStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = MongoStore::connect("mongodb://localhost/app").await?;
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
pub struct MongoStore {
    inner: Arc<Inner>,
}

struct Inner {
    collection: Collection<RawDocumentBuf>,
    /// As many as there may be connections. Nobody waits for one in the driver: it keeps the place of those who have given up, and a
    /// free connection can then stay with them while others wait.
    turns: Semaphore,
    clock: Clock,
    timeout: Duration,
}

impl MongoStore {
    /// Connects as the [builder](Self::builder) does when nothing else is said.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), cloakroom_store::StoreError> {
    /// let url = "mongodb://app:password@db1.example.com,db2.example.com,db3.example.com/app?replicaSet=rs0";
    /// let store = cloakroom_mongodb::MongoStore::connect(url).await?;
    /// store.create_indexes().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// A store with options.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoStore;
    /// let builder = MongoStore::builder().collection("sessions");
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Makes the collection and its two indexes where they are missing: see [the crate](crate#the-collection). May be called at
    /// every start, by any number of processes at once. One round trip.
    ///
    /// Nothing that the operations promise depends on them. Without them nobody but [`Sweep::sweep`] removes what has expired, and
    /// listing reads the whole collection.
    ///
    /// # Errors
    ///
    /// When the user has no right to do so, or an index on the same field is there with other options.
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_mongodb::MongoStore;
    /// let store = MongoStore::connect("mongodb://localhost/app").await?;
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
        self.bounded(async {
            let made = self.inner.collection.create_indexes(indexes).await;
            made.map(drop).map_err(|error| failure::of(&error))
        })
        .await
    }

    pub(crate) fn new(
        collection: Collection<RawDocumentBuf>,
        connections: u32,
        clock: Clock,
        timeout: Duration,
    ) -> Self {
        let connections = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        let inner = Inner {
            collection,
            turns: Semaphore::new(connections.min(Semaphore::MAX_PERMITS)),
            clock,
            timeout,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn now(&self) -> UnixTime {
        (self.inner.clock)()
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = self.inner.timeout;
        let done = tokio::time::timeout(limit, async {
            let _turn = self.turn().await?;
            work.await
        });
        let done = done.await;
        done.unwrap_or_else(|_| Err(failure::timed_out(limit)))
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let turns = &self.inner.turns;
        if let Ok(turn) = turns.try_acquire() {
            return Ok(turn);
        }
        // Less than the operation has, so that one hears what was waited for.
        let patience = self.inner.timeout / 10 * 9;
        let begin = Instant::now();
        match tokio::time::timeout(patience, turns.acquire()).await {
            // Never closed, so there always is a permit to come. One that comes too late goes on to the next: they may all give up at
            // the same moment.
            Ok(turn) if begin.elapsed() < patience => turn.map_err(|_| failure::busy()),
            _ => Err(failure::busy()),
        }
    }

    async fn find_living(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        let found = self
            .inner
            .collection
            .find_one(document::living(key, now))
            .max_time(self.inner.timeout)
            .await
            .map_err(|error| failure::of(&error))?;
        found.map(|found| document::stored(&found)).transpose()
    }
}

impl Store for MongoStore {
    /// Up to three times: a connection whose other end has gone without a word is closed after a quarter of the time, and another one
    /// is taken. A read does no harm twice.
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let now = self.now();
        self.bounded(async {
            for _ in 0..2 {
                let patience = self.inner.timeout / 4;
                let loading = self.find_living(key, now);
                if let Ok(loaded) = tokio::time::timeout(patience, loading).await {
                    return loaded;
                }
            }
            self.find_living(key, now).await
        })
        .await
    }

    /// Finds the expired record and replaces it, or finds none and inserts. A living record is not found either, and then the
    /// insert meets its key.
    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let new = document::new(key, write, version()?)?;
        let new = RawDocumentBuf::try_from(&new).map_err(|_| failure::corrupt())?;
        let expired = document::expired(key, self.now());
        self.bounded(async {
            let collection = &self.inner.collection;
            match collection.replace_one(expired, new).upsert(true).await {
                Ok(_) => Ok(Created::Stored),
                Err(error) if failure::is_taken(&error) => Ok(Created::Taken),
                Err(error) => Err(failure::of(&error)),
            }
        })
        .await
    }

    /// Replaces the record, if its version is the old one's, by the new record, and otherwise by itself, which the server counts as
    /// found but not as modified. So one round trip tells all three outcomes.
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
        self.bounded(async {
            let done = self.inner.collection.update_one(living, pipeline).await;
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
        self.bounded(async {
            let done = self.inner.collection.update_one(living, change).await;
            match done.map_err(|error| failure::of(&error))?.matched_count {
                0 => Ok(Touched::Gone),
                _ => Ok(Touched::Extended),
            }
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let now = self.now();
        let version = old.version.cast_signed();
        let mut unchanged = document::living(key, now);
        unchanged.insert("version", version);
        self.bounded(async {
            for _ in 0..TRIES {
                let collection = &self.inner.collection;
                let done = collection.delete_one(unchanged.clone()).await;
                if done.map_err(|error| failure::of(&error))?.deleted_count > 0 {
                    return Ok(Deleted::Deleted);
                }
                match self.find_living(key, now).await? {
                    None => return Ok(Deleted::Gone),
                    Some(stored) if stored.version != old.version => return Ok(Deleted::Changed),
                    // It had expired, and another node, whose clock is behind, has extended it since.
                    Some(_) => {}
                }
            }
            Err(failure::contended())
        })
        .await
    }
}

impl Sweep for MongoStore {
    /// In batches of at most 250 documents.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        const BATCH: usize = 250;
        let mut removed = 0;
        while removed < limit {
            let batch = BATCH.min(limit - removed);
            let (found, gone) = self.bounded(self.sweep_batch(batch)).await?;
            removed += gone;
            if found < batch {
                break;
            }
        }
        Ok(removed)
    }
}

impl MongoStore {
    /// How many expired documents there were, up to `batch`, and how many of them this removed.
    async fn sweep_batch(&self, batch: usize) -> Result<(usize, usize), StoreError> {
        let over = doc! { "$lte": document::time(self.now()) };
        let found = self
            .inner
            .collection
            .find(doc! { "expires_at": over.clone() })
            .projection(doc! { "_id": 1 })
            .limit(i64::try_from(batch).unwrap_or(i64::MAX))
            .batch_size(u32::try_from(batch).unwrap_or(u32::MAX))
            .max_time(self.inner.timeout)
            .await
            .map_err(|error| failure::of(&error))?;
        let ids: Vec<Bson> = found
            .map_err(|error| failure::of(&error))
            .and_then(|document| async move { document::any_id(&document) })
            .try_collect()
            .await?;
        if ids.is_empty() {
            return Ok((0, 0));
        }
        let found = ids.len();
        // Only what is still expired: it may have been created anew.
        let gone = self
            .inner
            .collection
            .delete_many(doc! { "_id": { "$in": ids }, "expires_at": over })
            .await
            .map_err(|error| failure::of(&error))?;
        Ok((found, usize::try_from(gone.deleted_count).unwrap_or(found)))
    }
}

impl Directory for MongoStore {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let filter = doc! {
            "subject": { "$eq": subject },
            "expires_at": { "$gt": document::time(self.now()) },
        };
        self.bounded(async {
            let found = self
                .inner
                .collection
                .find(filter)
                .collation(simple())
                .batch_size(LIST_BATCH)
                .max_time(self.inner.timeout)
                .await
                .map_err(|error| failure::of(&error))?;
            found
                .map_err(|error| failure::of(&error))
                .and_then(|document| async move {
                    Ok((document::key(&document)?, document::stored(&document)?))
                })
                .try_collect()
                .await
        })
        .await
    }
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("collection", &self.inner.collection.name())
            .field("timeout", &self.inner.timeout)
            .finish_non_exhaustive()
    }
}

/// How much later than its end the server removes a record. Its clock may be ahead of the store's.
const MARGIN: Duration = Duration::from_secs(300);

/// How often a delete is tried at most when others come between.
const TRIES: u32 = 5;

/// How many records of a subject come in one answer.
const LIST_BATCH: u32 = 1000;

/// Bytes are compared, not letters, whatever the collection's own collation is.
fn simple() -> Collation {
    Collation::builder().locale("simple").build()
}

/// A version that no other write has: not one of this record, nor of another one under the same key after this one is gone.
fn version() -> Result<i64, StoreError> {
    let random = getrandom::u64().map_err(|_| failure::no_randomness())?;
    Ok((random >> 1).cast_signed())
}
