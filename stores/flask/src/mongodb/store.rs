//! The operations of the store.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Sweep, Swept, Touched,
    UnixTime, Write,
};
use mongodb::Collection;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Document, doc};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::document::{fields, living, stored, time, unchanged};
use super::errors::{contended, failed, is_taken};

pub(super) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// How often a command is tried at most when others come between.
const TRIES: u32 = 5;

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
    pub(super) collection: Collection<RawDocumentBuf>,
    pub(super) place: Place,
    /// As many as connections. No operation waits for one in the driver, which keeps the places of
    /// abandoned operations, so that a free connection can stay unused.
    pub(super) turns: Arc<Semaphore>,
    /// Counts answers. A wait that sees none of them was for a server that is away.
    pub(super) answers: Arc<AtomicU64>,
    /// When the last of them came.
    pub(super) last: Arc<Mutex<Instant>>,
    pub(super) clock: Clock,
    pub(super) timeout: Duration,
}

impl MongoDbStore {
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
