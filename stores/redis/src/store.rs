use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use redis::{Cmd, ErrorKind, Value};

use crate::failure;
use crate::inner::{Inner, needed};
use crate::layout::{self, Draft, Found, Names};
use crate::link::{Does, Link};
use crate::scripts;
use crate::versions::Versions;
use crate::{Builder, Client};

/// Sessions in Redis or Valkey. A handle: clones share the connection. See the [crate's
/// documentation](crate) for what it guarantees.
///
/// ```no_run
/// use cloakroom_redis::RedisStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = RedisStore::connect("redis://127.0.0.1").await?;
/// let key = Key::new("session:47DEQpj8HBSa").unwrap();
/// let write = Write::new(b"record".to_vec(), UnixTime::MAX, Some("ada".into()));
///
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// assert_eq!(store.load(&key).await?.unwrap().bytes, "record");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RedisStore {
    pub(crate) inner: Arc<Inner>,
}

impl RedisStore {
    /// Connects to the server at `url` with the [builder](RedisStore::builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store =
    ///     RedisStore::connect("redis://user:password@redis.example:6379/2").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder of a store on the server at `url`. The [crate's documentation](crate#urls)
    /// lists the URLs.
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = RedisStore::builder("redis://127.0.0.1")
    ///     .prefix("shop:")
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    /// Returns a builder of a store that connects through the application's own client:
    /// [`redis::Client`], [`redis::sentinel::SentinelClient`] or
    /// [`redis::cluster::ClusterClientBuilder`].
    ///
    /// The store keeps its promises whatever the client's settings are. It sends a cluster's
    /// commands once (`retries` is set to 0) and applies its own time limits. A client that reads
    /// from replicas is refused by [`connect`](Builder::connect).
    ///
    /// The crate's version of `redis` is re-exported as [`cloakroom_redis::redis`](crate::redis).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use cloakroom_redis::{RedisStore, redis};
    ///
    /// let client = redis::Client::open("redis://127.0.0.1:6379/2")?;
    /// let store = RedisStore::with_client(client).prefix("shop:").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_client(client: impl Into<Client>) -> Builder {
        Builder::with_client(client.into())
    }

    pub(crate) fn new(
        link: Link,
        names: Names,
        place: Option<Place>,
        channel: Option<Box<str>>,
    ) -> Self {
        let inner = Inner {
            link,
            names,
            place,
            channel,
            versions: Versions::default(),
            has_ifeq: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Tests that the user may run every command of the store, and finds out what the server has.
    ///
    /// Six round trips, seven with a server that has not seen the scripts.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let run = self.inner.versions.next();
        // So many keys are on one server by chance with a probability of 2^-32.
        let further = if link.is_cluster() { 0 } else { 32 };
        let probes: Vec<_> = (0..=further).map(|index| names.probe(run, index)).collect();
        let probes: Vec<_> = probes.iter().map(|probe| &probe[..]).collect();
        let soon = UnixTime::from(SystemTime::now()).as_secs() + 10;
        let moments = [soon.to_string(), (soon * 1000).to_string()];
        let moments = moments.iter().map(String::as_bytes);
        let channel = self.inner.channel().map(str::as_bytes);
        let arguments: Vec<_> = moments.chain(channel).collect();
        let probe = || link.script(&scripts::PROBE, &probes, &arguments, Does::Read);
        let greeting = link.outcome(redis::cmd("PING"), Does::Read).await?;
        match greeting {
            Err(error) if error.kind() == ErrorKind::Parse => return Err(failure::no_redis()),
            Err(error) if error.is_io_error() => return Err(link.failed(&error)),
            // The user may lack the permission for this command, which the store does not need.
            _ => {}
        }
        let mut found: Vec<String> = probe().await?;
        if link.finds_master() && found.get(1).is_some_and(|code| code == "READONLY") {
            // Another one has just taken over.
            link.leave();
            found = probe().await?;
        }
        match found.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => {}
            ["", "IFEQ"] => self.inner.has_ifeq.store(true, Ordering::Relaxed),
            ["", "READONLY"] => return Err(failure::replica(link.finds_master())),
            // An unknown proxy may stand in between, so the store takes the careful way.
            ["", _] => link.set_spread(),
            [command, "NOPERM"] => return Err(failure::lacks(Some(command))),
            [command, "UNKNOWN"] => return Err(failure::without_command(command)),
            _ => return Err(failure::answer()),
        }
        let mut eval = redis::cmd("EVAL");
        eval.arg(scripts::NOTHING).arg(1).arg(probes[0]);
        let mut list = redis::cmd("ZRANGE");
        list.arg(probes[0]).arg(0).arg(-1);
        let mut load = redis::cmd("GET");
        load.arg(probes[0]);
        for command in [eval, list, load] {
            link.command::<Value>(command, Does::Read).await?;
        }
        if link.is_cluster() {
            return Ok(());
        }
        let mut load = redis::cmd("MGET");
        load.arg(&probes[1..]);
        let values: Vec<Option<Bytes>> = link.command(load, Does::Read).await?;
        if values.iter().any(Option::is_none) {
            link.set_spread();
        }
        Ok(())
    }
}

impl Store for RedisStore {
    fn place(&self) -> Option<Place> {
        self.inner.place.clone()
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let value = self.inner.value(key).await?;
        Ok(value
            .map(Found::parse)
            .transpose()?
            .map(|found| found.stored))
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        Ok(self.create_versioned(key, write).await?.0)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        Ok(self.replace_versioned(key, old, write).await?.0)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let lists = self.inner.lists();
        let [needed, enough, now] = needed(expires_at);
        let ends = layout::milliseconds(expires_at).to_string();
        let arguments = [
            &layout::end(expires_at)[..],
            ends.as_bytes(),
            lists.as_bytes(),
            key.as_bytes(),
            needed.as_bytes(),
            enough.as_bytes(),
            now.as_bytes(),
        ];
        let answer: Vec<Value> = link
            .script(
                &scripts::TOUCH,
                &[&names.record(key)],
                &arguments,
                Does::Write,
            )
            .await?;
        match &answer[..] {
            [Value::Int(0)] => Ok(Touched::Gone),
            [Value::Int(1)] => Ok(Touched::Extended),
            [Value::Int(1), Value::BulkString(subject)] => {
                self.inner.enter(key, subject, expires_at).await?;
                Ok(Touched::Extended)
            }
            [Value::Int(other)] => Err(unexpected(*other)),
            _ => Err(failure::answer()),
        }
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let version = old.version.to_be_bytes();
        let channel = self.inner.channel().unwrap_or_default().as_bytes();
        let arguments = [
            &version[..],
            self.inner.lists().as_bytes(),
            key.as_bytes(),
            channel,
        ];
        let count = arguments.len() - usize::from(channel.is_empty());
        match link
            .script(
                &scripts::DELETE,
                &[&names.record(key)],
                &arguments[..count],
                Does::Write,
            )
            .await?
        {
            1 => Ok(Deleted::Deleted),
            2 => Ok(Deleted::Changed),
            0 => Ok(Deleted::Gone),
            other => Err(unexpected(other)),
        }
    }

    async fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> Result<(Created, Option<u64>), StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let version = self.inner.versions.next();
        let draft = Draft::new(write, version)?;
        let record = names.record(key);
        let ends = layout::milliseconds(write.expires_at);
        // A cluster's client may send a command again. The script then recognises its own write.
        if write.subject.is_none() && !link.is_cluster() {
            let mut command = Cmd::with_capacity(6, record.len() + draft.bytes.len() + 24);
            command
                .arg("SET")
                .arg(record)
                .arg(draft.bytes)
                .arg("NX")
                .arg("PXAT")
                .arg(ends);
            return match link.command(command, Does::Write).await? {
                Value::Nil => Ok((Created::Taken, None)),
                Value::Okay => Ok((Created::Stored, Some(version))),
                _ => Err(failure::answer()),
            };
        }
        let entry = self.inner.entry(key, write).await?;
        let ends = ends.to_string();
        let (keys, arguments) = entry.with([&record], [&draft.bytes, ends.as_bytes()]);
        match link
            .script(&scripts::CREATE, &keys, &arguments, Does::Write)
            .await?
        {
            1 => Ok((Created::Stored, Some(version))),
            0 => Ok((Created::Taken, None)),
            other => Err(unexpected(other)),
        }
    }

    async fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<(Replaced, Option<u64>), StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let version = self.inner.versions.next();
        let draft = Draft::new(write, version)?;
        let record = names.record(key);
        if write.subject.is_none()
            && self.inner.has_ifeq.load(Ordering::Relaxed)
            && old.bytes.len() <= LARGE
            && self.inner.replaced(&record, old, &draft, write).await?
        {
            return Ok((Replaced::Stored, Some(version)));
        }
        let entry = self.inner.entry(key, write).await?;
        let there = old.version.to_be_bytes();
        let ends = layout::milliseconds(write.expires_at).to_string();
        let (keys, arguments) = entry.with([&record], [&there, &draft.bytes, ends.as_bytes()]);
        match link
            .script(&scripts::REPLACE, &keys, &arguments, Does::Write)
            .await?
        {
            1 => Ok((Replaced::Stored, Some(version))),
            2 => Ok((Replaced::Changed, None)),
            0 => Ok((Replaced::Gone, None)),
            other => Err(unexpected(other)),
        }
    }
}

/// Records larger than this are replaced by the script alone, which does not send the old one.
const LARGE: usize = 16 * 1024;

fn unexpected(answer: i64) -> StoreError {
    match answer {
        3 => failure::foreign(),
        _ => failure::answer(),
    }
}
