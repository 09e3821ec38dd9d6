use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Sweep, Touched, UnixTime,
    Write,
};
use cookie::{Cookie, CookieJar};

use crate::format;

const STORE: &str = "axum-session";

/// How often `delete` looks again when the record changed under it.
const TRIES: usize = 8;

/// The records of axum_session, on a store of strings: the old store of an
/// [`Adopting`](https://docs.rs/cloakroom-adopting). A handle, if that is one.
///
/// It reads and removes records, and moves the time at which they end. `create` and `replace` are
/// permanent errors that name `Adopting`, so no session is ever written for axum_session. It would
/// overwrite such a record with what it has in memory.
///
/// A record that cannot be read is a permanent error, and stays as it is: text that is not
/// axum_session's, or encrypted with another key, or for another id. The session's request fails,
/// and `Adopting::adopt` stops without moving it. The error contains nothing of the record.
///
/// `load` and `touch` are one round trip, `delete` two.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use cloakroom_axum_session::AxumSessions;
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_store::{Key, Store, UnixTime, Write};
///
/// let store = AxumSessions::new(MemoryStore::new());
/// let key = Key::new("67e55044-10b1-426f-9247-bb680e5fe0c8").unwrap();
/// let write = Write::new(r#"{"data":{},"longterm":false}"#, UnixTime::MAX, None);
/// let error = store.create(&key, &write).await.unwrap_err();
/// assert!(error.to_string().contains("Adopting"));
/// # }
/// ```
#[derive(Clone)]
pub struct AxumSessions<S> {
    inner: S,
    database_key: Option<Arc<cookie::Key>>,
}

impl<S> AxumSessions<S> {
    /// Returns the layout on a store that keeps each record as a string under the session's id.
    ///
    /// For another `with_table_name` than `sessions`, on
    /// [`RedisStore`](https://docs.rs/cloakroom-flask-stores) with `namespace("visits:")`, or on
    /// `SqlAlchemyStore` with `Columns::AxumSession` and `table("visits")`.
    ///
    /// ```
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// use cloakroom_axum_session::AxumSessions;
    /// use cloakroom_flask_stores::RedisStore;
    ///
    /// let redis = RedisStore::builder("redis://127.0.0.1").namespace("visits:");
    /// let store = AxumSessions::new(redis.connect().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            database_key: None,
        }
    }

    /// Sets the key of `with_database_key`: records are encrypted with it. A record that is not is
    /// then an error, as it is in axum_session.
    ///
    /// ```
    /// # use cloakroom_axum_session::AxumSessions;
    /// # use cloakroom_memory::MemoryStore;
    /// let key = cookie::Key::from(&[9; 64]);
    /// let store = AxumSessions::new(MemoryStore::new()).database_key(key);
    /// ```
    #[must_use]
    pub fn database_key(mut self, key: cookie::Key) -> Self {
        self.database_key = Some(Arc::new(key));
        self
    }

    /// Returns the inner store.
    ///
    /// ```
    /// # use cloakroom_axum_session::AxumSessions;
    /// assert_eq!(*AxumSessions::new(1).get_ref(), 1);
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

#[cfg(feature = "redis")]
impl AxumSessions<cloakroom_flask_stores::RedisStore> {
    /// Connects to the Redis or Valkey of axum_session_redispool, with the default
    /// `with_table_name`: keys begin with `sessions:`. Not for a cluster.
    ///
    /// # Errors
    ///
    /// A permanent one if the URL cannot be read or the server does not let the user in. A
    /// transient one if it does not answer. None contains the URL.
    ///
    /// ```
    /// # use cloakroom_axum_session::AxumSessions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = AxumSessions::connect_redis("http://user:secret@localhost").await;
    /// assert!(!error.unwrap_err().to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect_redis(url: &str) -> Result<Self, StoreError> {
        let inner = cloakroom_flask_stores::RedisStore::builder(url).namespace("sessions:");
        Ok(Self::new(inner.connect().await?))
    }
}

impl<S> AxumSessions<S> {
    /// Returns the record as JSON.
    fn open(&self, key: &Key, record: &Bytes) -> Result<Bytes, StoreError> {
        let opened = match &self.database_key {
            None => record.clone(),
            Some(database_key) => decrypt(key, record, database_key).ok_or_else(|| {
                StoreError::permanent(
                    STORE,
                    "a record is not encrypted with this `database_key`, or for another id, and was left as it is; \
                     set the key of axum_session's `with_database_key`",
                )
            })?,
        };
        match format::parse(&opened) {
            Ok(_) => Ok(opened),
            Err(_) => Err(StoreError::permanent(
                STORE,
                match self.database_key {
                    None => {
                        "a record is not one of axum_session, and was left as it is; if axum_session has a \
                         `with_database_key`, set `AxumSessions::database_key`"
                    }
                    Some(_) => {
                        "an encrypted record is not one of axum_session, and was left as it is; check that nothing \
                         else writes with this key"
                    }
                },
            )),
        }
    }

    fn shown(&self, key: &Key, found: Option<Stored>) -> Result<Option<Stored>, StoreError> {
        let shown = |record: Stored| {
            let bytes = self.open(key, &record.bytes)?;
            Ok(Stored::new(bytes, record.expires_at, 0))
        };
        found.map(shown).transpose()
    }
}

/// base64 of a nonce, the record in AES-256-GCM, and the tag. That is an encrypted cookie of the
/// crate `cookie` whose name is the id.
fn decrypt(key: &Key, record: &Bytes, database_key: &cookie::Key) -> Option<Bytes> {
    let text = String::from_utf8(record.to_vec()).ok()?;
    let cookie = Cookie::new(key.as_str().to_owned(), text);
    let opened = CookieJar::new().private(database_key).decrypt(cookie)?;
    Some(opened.value().to_owned().into())
}

fn adopts_only() -> StoreError {
    StoreError::permanent(
        STORE,
        "sessions of axum_session are read and removed, and never written; use this store as the old one of \
         `Adopting`, with another store as the new one",
    )
}

impl<S: Store> Store for AxumSessions<S> {
    fn place(&self) -> Option<Place> {
        self.inner.place()
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.shown(key, self.inner.load(key).await?)
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.shown(key, self.inner.load_fresh(key).await?)
    }

    async fn create(&self, _: &Key, _: &Write) -> Result<Created, StoreError> {
        Err(adopts_only())
    }

    async fn replace(&self, _: &Key, _: &Stored, _: &Write) -> Result<Replaced, StoreError> {
        Err(adopts_only())
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.inner.touch(key, expires_at).await
    }

    // axum_session encrypts the same record differently each time, so what it says is compared.
    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        for _ in 0..TRIES {
            let Some(found) = self.inner.load_fresh(key).await? else {
                return Ok(Deleted::Gone);
            };
            if self.open(key, &found.bytes)? != old.bytes {
                return Ok(Deleted::Changed);
            }
            match self.inner.delete(key, &found).await? {
                Deleted::Changed => {}
                answer => return Ok(answer),
            }
        }
        Ok(Deleted::Changed)
    }
}

impl<S: Sweep> Sweep for AxumSessions<S> {
    /// Does the same as `SessionStore::cleanup` of axum_session.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep(limit).await
    }
}

impl<S> fmt::Debug for AxumSessions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        f.debug_struct("AxumSessions")
            .field("is_encrypted", &self.database_key.is_some())
            .finish_non_exhaustive()
    }
}
