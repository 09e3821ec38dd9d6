//! `SESSION_TYPE = "mongodb"`.

mod builder;
mod failure;
mod fields;

use std::fmt;
use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::connections::Outlive;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Sweep, Swept, Touched,
    UnixTime, Write,
};
use mongodb::Collection;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::failure::{timed_out, transient};

pub use builder::MongoDbBuilder;
pub use fields::Fields;

/// How long no answer may have come before a write asks whether the connections are still there.
const QUIET: Duration = Duration::from_secs(1);

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
/// [`MongoDbBuilder::fields`] changes the names of the fields to those of another library.
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
    fields: Fields,
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
        MongoDbBuilder::new(url)
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
                Err(_) => Err(store.timed_out()),
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
                Ok(Err(error)) if tries == 3 || !failure::is_of_the_connection(&error) => {
                    return Err(self.failed(&error));
                }
                Err(_) if tries == 3 => return Err(self.timed_out()),
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
            _ if self.answers.load(Ordering::Relaxed) == before => Err(self.timed_out()),
            _ => {
                let [url, _] = self.fields.settings();
                let what = format!(
                    "all connections to the server were in use for too long; raise maxPoolSize in \
                     {url} if this lasts"
                );
                Err(transient(self.fields.store(), what))
            }
        }
    }

    fn failed(&self, error: &Error) -> StoreError {
        failure::of(self.fields, error)
    }

    fn timed_out(&self) -> StoreError {
        timed_out(self.fields.store(), self.timeout)
    }

    fn contended(&self) -> StoreError {
        let what = "others wrote the same session again and again";
        transient(self.fields.store(), what)
    }

    fn now(&self) -> UnixTime {
        (self.clock)()
    }

    async fn find(&self, living: Document) -> Result<Option<Stored>, StoreError> {
        let found = self.collection.find_one(living).await;
        let found = found.map_err(|error| self.failed(&error))?;
        let found = found.map(|document| self.fields.stored(&document));
        found.transpose()
    }

    /// Returns how many expired documents there were, up to `batch`, and how many of them this
    /// removed.
    async fn sweep_batch(&self, expired: Document, batch: u32) -> Result<[usize; 2], StoreError> {
        let found = self.collection.find(expired.clone());
        let found = found.projection(doc! { "_id": 1 });
        let found = found.limit(batch.into()).batch_size(batch);
        let mut found = found.await.map_err(|error| self.failed(&error))?;
        let mut ids = Vec::new();
        while found.advance().await.map_err(|error| self.failed(&error))? {
            // Every document has one.
            if let Ok(Some(id)) = found.current().get("_id") {
                ids.push(Bson::try_from(id).map_err(|error| self.failed(&error.into()))?);
            }
        }
        if ids.is_empty() {
            return Ok([0, 0]);
        }
        let found = ids.len();
        // Only documents that are still expired: others may have written them since.
        let mut expired = expired;
        expired.insert("_id", doc! { "$in": ids });
        let gone = self.collection.delete_many(expired).await;
        let gone = gone.map_err(|error| self.failed(&error))?.deleted_count;
        Ok([found, usize::try_from(gone).unwrap_or(found)])
    }
}

impl Store for MongoDbStore {
    fn place(&self) -> Option<Place> {
        Some(self.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let living = self.fields.living(key, self.now());
        self.bounded(|store| async move { store.find(living).await })
            .await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let now = self.now();
        let value = self.fields.created(key, write);
        let (living, expired) = (self.fields.living(key, now), self.fields.expired(key, now));
        self.write(|store| async move {
            let removed = store.collection.delete_many(expired).await;
            removed.map_err(|error| store.failed(&error))?;
            // The key of what is inserted comes from the filter.
            let insert = doc! { "$setOnInsert": value };
            let found = store.collection.update_one(living, insert);
            match found.upsert(true).await {
                Ok(done) if done.matched_count == 0 => Ok(Created::Stored),
                Ok(_) => Ok(Created::Taken),
                Err(error) if failure::is_taken(&error) => Ok(Created::Taken),
                Err(error) => Err(store.failed(&error)),
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
        let fields = self.fields;
        let (living, unchanged) = (fields.living(key, now), fields.unchanged(key, old, now));
        let (change, old) = (doc! { "$set": fields.written(write) }, old.bytes.clone());
        self.write(|store| async move {
            for _ in 0..TRIES {
                let done = store
                    .collection
                    .update_one(unchanged.clone(), change.clone());
                let done = done.await.map_err(|error| store.failed(&error))?;
                if done.matched_count > 0 {
                    return Ok(Replaced::Stored);
                }
                match store.find(living.clone()).await? {
                    None => return Ok(Replaced::Gone),
                    Some(there) if there.bytes != old => return Ok(Replaced::Changed),
                    // It became what it was in between.
                    Some(_) => {}
                }
            }
            Err(store.contended())
        })
        .await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let change = doc! { "$set": self.fields.ending(expires_at) };
        let filter = self.fields.living(key, self.now());
        self.write(|store| async move {
            let done = store.collection.update_one(filter, change).await;
            match done.map_err(|error| store.failed(&error))?.matched_count {
                0 => Ok(Touched::Gone),
                _ => Ok(Touched::Extended),
            }
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let now = self.now();
        let fields = self.fields;
        let (living, unchanged) = (fields.living(key, now), fields.unchanged(key, old, now));
        let old = old.bytes.clone();
        self.write(|store| async move {
            for _ in 0..TRIES {
                let done = store.collection.delete_one(unchanged.clone()).await;
                if done.map_err(|error| store.failed(&error))?.deleted_count > 0 {
                    return Ok(Deleted::Deleted);
                }
                match store.find(living.clone()).await? {
                    None => return Ok(Deleted::Gone),
                    Some(there) if there.bytes != old => return Ok(Deleted::Changed),
                    Some(_) => {}
                }
            }
            Err(store.contended())
        })
        .await
    }
}

impl Sweep for MongoDbStore {
    /// Two round trips for each 250 documents. A TTL index makes this unnecessary.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let expired = self.fields.all_expired(self.now());
        let mut removed = 0;
        while removed < limit {
            let left = u32::try_from(limit - removed).unwrap_or(u32::MAX);
            let (expired, batch) = (expired.clone(), left.min(SWEEP_BATCH));
            let work = |store: Self| async move { store.sweep_batch(expired, batch).await };
            let [found, gone] = self.write(work).await?;
            removed += gone;
            if found < batch as usize {
                break;
            }
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

/// How many documents a sweep removes at once: a short piece of work between those of requests.
const SWEEP_BATCH: u32 = 250;
