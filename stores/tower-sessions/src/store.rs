use std::fmt;

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Sweep, Touched, UnixTime, Write,
};

use crate::layout;

const STORE: &str = "tower-sessions";

/// How often an operation looks again when the record's expiry changed under it.
const TRIES: usize = 8;

/// A store of tower-sessions' records, on a store of strings. A handle, if that is one.
///
/// A record has its expiry inside, and the data has no version. So `replace`, `touch` and `delete`
/// load the record, compare its data, and send all of it to the inner store's compare-and-swap.
/// Each is two round trips. Among users of this store it is compare-and-swap. tower-sessions itself
/// overwrites whatever is there.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower_sessions::TowerSessions;
///
/// let store = TowerSessions::new(MemoryStore::new());
/// ```
#[derive(Clone)]
pub struct TowerSessions<S> {
    inner: S,
}

impl<S> TowerSessions<S> {
    /// Returns the layout on a store that keeps the bytes of a record as a string under its key.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let store = TowerSessions::new(MemoryStore::new());
    /// ```
    pub fn new(inner: S) -> Self {
        Self { inner }
    }

    /// Returns the inner store.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let store = TowerSessions::new(1);
    /// assert_eq!(*store.get_ref(), 1);
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

#[cfg(feature = "redis")]
impl TowerSessions<cloakroom_flask_stores::RedisStore> {
    /// Connects to the Redis or Valkey of tower-sessions-redis-store.
    ///
    /// # Errors
    ///
    /// A permanent one if the URL cannot be read or the server does not let the user in. A
    /// transient one if it does not answer. None contains the URL.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = TowerSessions::connect_redis("http://user:secret@localhost").await;
    /// assert!(!error.unwrap_err().to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect_redis(url: &str) -> Result<Self, StoreError> {
        let inner = cloakroom_flask_stores::RedisStore::connect(url).await?;
        Ok(Self::new(inner))
    }
}

/// The result of a look at the record.
enum Found<T> {
    /// The record with the data that the caller expects.
    Same(Stored),
    Other(T),
}

impl<S: Store> TowerSessions<S> {
    async fn find<T>(
        &self,
        key: &Key,
        data: &Bytes,
        [changed, gone]: [T; 2],
    ) -> Result<Found<T>, StoreError> {
        Ok(match self.inner.load_fresh(key).await? {
            None => Found::Other(gone),
            Some(record) if layout::data_or_rejected(&record.bytes) == *data => Found::Same(record),
            Some(_) => Found::Other(changed),
        })
    }
}

fn record(key: &Key, data: &[u8], expires_at: UnixTime) -> Result<Bytes, StoreError> {
    layout::wrap(key, data, expires_at).ok_or_else(|| {
        StoreError::permanent(
            STORE,
            "the key does not end with an id of tower-sessions; build the configuration with \
             `Settings::builder`",
        )
    })
}

fn shown(record: Stored) -> Stored {
    Stored::new(
        layout::data_or_rejected(&record.bytes),
        record.expires_at,
        0,
    )
}

impl<S: Store> Store for TowerSessions<S> {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = self.inner.load(key).await?;
        Ok(found.map(shown))
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = self.inner.load_fresh(key).await?;
        Ok(found.map(shown))
    }

    fn place(&self) -> Option<cloakroom_store::Place> {
        self.inner.place()
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let record = record(key, &write.bytes, write.expires_at)?;
        let write = Write::new(record, write.expires_at, write.subject.clone());
        self.inner.create(key, &write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let record = record(key, &write.bytes, write.expires_at)?;
        let write = Write::new(record, write.expires_at, write.subject.clone());
        for _ in 0..TRIES {
            let other = [Replaced::Changed, Replaced::Gone];
            let found = match self.find(key, &old.bytes, other).await? {
                Found::Same(found) => found,
                Found::Other(other) => return Ok(other),
            };
            match self.inner.replace(key, &found, &write).await? {
                // Perhaps the expiry alone.
                Replaced::Changed => {}
                answer => return Ok(answer),
            }
        }
        Ok(Replaced::Changed)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        for _ in 0..TRIES {
            let Some(found) = self.inner.load_fresh(key).await? else {
                return Ok(Touched::Gone);
            };
            let Some(data) = layout::data(&found.bytes) else {
                // No record of tower-sessions: it is left alone.
                return self.inner.touch(key, expires_at).await;
            };
            let write = Write::new(record(key, &data, expires_at)?, expires_at, None);
            match self.inner.replace(key, &found, &write).await? {
                Replaced::Stored => return Ok(Touched::Extended),
                Replaced::Gone => return Ok(Touched::Gone),
                _ => {}
            }
        }
        // Each change by another request has extended it.
        Ok(Touched::Extended)
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        for _ in 0..TRIES {
            let other = [Deleted::Changed, Deleted::Gone];
            let found = match self.find(key, &old.bytes, other).await? {
                Found::Same(found) => found,
                Found::Other(other) => return Ok(other),
            };
            match self.inner.delete(key, &found).await? {
                Deleted::Changed => {}
                answer => return Ok(answer),
            }
        }
        Ok(Deleted::Changed)
    }
}

impl<S: Sweep> Sweep for TowerSessions<S> {
    /// Does the same as `delete_expired` of tower-sessions.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep(limit).await
    }
}

impl<S> fmt::Debug for TowerSessions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TowerSessions(..)")
    }
}
