//! `SESSION_TYPE = "redis"`.

mod link;
mod scripts;
mod url;
mod way;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use link::Link;

use crate::failure;

const STORE: &str = "flask-redis";

/// Sessions in Redis or Valkey as Flask-Session's `redis` keeps them: a string with a time to live
/// for each. A handle: clones share the connection.
///
/// The string is the serialised dict alone, without a version. So `replace` and `delete` send the
/// whole value that they loaded, and a script on the server compares and writes in one step. Among
/// users of this store that is compare-and-swap. Flask's `SET` overwrites whatever is there.
///
/// Each operation is one round trip. If the server does not answer within the time of
/// [`builder`](Self::builder), it fails with a transient error. Writes are sent once, so that none
/// executes twice. The clock is the server's.
///
/// ```no_run
/// use cloakroom_flask_stores::RedisStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// // The server of Flask's SESSION_REDIS.
/// let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// let write = Write::new(b"\x81\xa1a\x01".to_vec(), UnixTime::MAX, None);
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    prefix: Box<str>,
    place: Place,
}

/// Configures a [`RedisStore`]. From [`RedisStore::builder`].
///
/// ```
/// use cloakroom_flask_stores::RedisStore;
/// use std::time::Duration;
///
/// let builder = RedisStore::builder("redis://127.0.0.1:6379/2")
///     .timeout(Duration::from_secs(1));
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct RedisBuilder {
    url: String,
    prefix: Box<str>,
    timeout: Duration,
}

impl RedisBuilder {
    /// Sets how long an operation may take, with all its round trips. Default: 2 seconds.
    ///
    /// ```
    /// # use cloakroom_flask_stores::RedisStore;
    /// # use std::time::Duration;
    /// let builder = RedisStore::builder("redis://127.0.0.1")
    ///     .timeout(Duration::from_millis(500));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets a prefix for every key, before `SESSION_KEY_PREFIX`, which the keys contain already.
    /// Default: none. For a Redis behind a proxy that adds one for Flask.
    ///
    /// ```
    /// # use cloakroom_flask_stores::RedisStore;
    /// let builder = RedisStore::builder("redis://127.0.0.1").namespace("tenant7:");
    /// ```
    pub fn namespace(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Connects, and makes sure that the server answers and lets the user in.
    ///
    /// # Errors
    ///
    /// A permanent one if the URL cannot be read or the server rejects the user. A transient one if
    /// it does not answer. None contains the URL.
    ///
    /// ```
    /// # use cloakroom_flask_stores::RedisStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = RedisStore::connect("http://user:secret@127.0.0.1")
    ///     .await
    ///     .unwrap_err();
    /// assert!(!error.is_transient() && !error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<RedisStore, StoreError> {
        let link = Link::new(&self.url, self.timeout)?;
        link.ping().await?;
        Ok(RedisStore {
            inner: Arc::new(Inner {
                place: Place::new(STORE, [&*link.place(), &*self.prefix]),
                link,
                prefix: self.prefix,
            }),
        })
    }
}

impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL, which may hold a password.
        f.debug_struct("RedisBuilder")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to `SESSION_REDIS` with the [builder](Self::builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`RedisBuilder::connect`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_flask_stores::RedisStore;
    /// let store =
    ///     RedisStore::connect("redis://user:password@redis.example:6379/0").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder of a store at `url`.
    ///
    /// ```
    /// # use cloakroom_flask_stores::RedisStore;
    /// let builder = RedisStore::builder("redis://127.0.0.1:6379/0");
    /// ```
    pub fn builder(url: &str) -> RedisBuilder {
        RedisBuilder {
            url: url.to_owned(),
            prefix: "".into(),
            timeout: Duration::from_secs(2),
        }
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        script: &scripts::Script,
        key: &Key,
        arguments: &[&[u8]],
    ) -> Result<T, StoreError> {
        let Inner { link, prefix, .. } = &*self.inner;
        let key = [prefix.as_bytes(), key.as_bytes()].concat();
        link.script(script, &key, arguments).await
    }
}

impl Store for RedisStore {
    fn place(&self) -> Option<Place> {
        Some(self.inner.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found: Option<(Bytes, i64)> = self.run(&scripts::LOAD, key, &[]).await?;
        Ok(found.map(|(bytes, end)| {
            let end = u64::try_from(end).map_or(UnixTime::MAX, UnixTime::from_secs);
            Stored::new(bytes, end, 0)
        }))
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let end = milliseconds(write.expires_at);
        let arguments = [&write.bytes[..], end.as_bytes()];
        match self.run(&scripts::CREATE, key, &arguments).await? {
            1 => Ok(Created::Stored),
            0 => Ok(Created::Taken),
            other => Err(unexpected(other)),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let end = milliseconds(write.expires_at);
        let arguments = [&old.bytes[..], &write.bytes, end.as_bytes()];
        match self.run(&scripts::REPLACE, key, &arguments).await? {
            1 => Ok(Replaced::Stored),
            2 => Ok(Replaced::Changed),
            0 => Ok(Replaced::Gone),
            other => Err(unexpected(other)),
        }
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let end = milliseconds(expires_at);
        match self.run(&scripts::TOUCH, key, &[end.as_bytes()]).await? {
            1 => Ok(Touched::Extended),
            0 => Ok(Touched::Gone),
            other => Err(unexpected(other)),
        }
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        match self.run(&scripts::DELETE, key, &[&old.bytes]).await? {
            1 => Ok(Deleted::Deleted),
            2 => Ok(Deleted::Changed),
            0 => Ok(Deleted::Gone),
            other => Err(unexpected(other)),
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore(..)")
    }
}

fn milliseconds(time: UnixTime) -> String {
    // Up to the year 9999 there are enough of them.
    (time.as_secs() * 1000).to_string()
}

fn unexpected(_: i64) -> StoreError {
    failure::transient(
        STORE,
        "the server's answer does not belong to the script; check the proxies in between",
    )
}
