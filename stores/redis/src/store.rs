use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Directory, Key, Place, Replaced, Store, StoreError, Stored, Touched,
    UnixTime, Write,
};
use futures_util::future::try_join_all;
use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use crate::failure;
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

impl Directory for RedisStore {
    /// Two round trips, and one more for each further 64 records of the subject.
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let members = self.members(subject, 0, -1).await?;
        self.listed(subject, &members, usize::MAX).await
    }

    /// Reads as many entries as there may be records, and the whole list if some of those were of
    /// no use.
    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let last = i64::try_from(limit).map_or(-1, |limit| limit - 1);
        let mut members = self.members(subject, 0, last).await?;
        let mut records = self.listed(subject, &members, limit).await?;
        if members.len() >= limit && records.len() < limit {
            members = self.members(subject, 0, -1).await?;
            records = self.listed(subject, &members, limit).await?;
        }
        Ok(records)
    }
}

impl RedisStore {
    /// Returns the entries of a subject's list, by their places.
    async fn members(
        &self,
        subject: &str,
        first: i64,
        last: i64,
    ) -> Result<Vec<Bytes>, StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let mut command = redis::cmd("ZRANGE");
        command
            .arg(names.list(subject.as_bytes()))
            .arg(first)
            .arg(last);
        link.command(command, Does::Read).await
    }

    /// Returns the records of these entries that are the subject's, at most `limit`.
    async fn listed(
        &self,
        subject: &str,
        members: &[Bytes],
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let keys: Vec<_> = members
            .iter()
            .filter_map(|member| Key::new(std::str::from_utf8(member).ok()?))
            .collect();
        let mut records = Vec::with_capacity(keys.len().min(limit));
        for keys in keys.chunks(64) {
            if records.len() >= limit {
                break;
            }
            for (key, value) in keys.iter().zip(self.inner.values(keys).await?) {
                // The entry is only a hint: the record itself names its subject.
                if let Some(found) = value.map(Found::parse).transpose()?
                    && found.subject.as_deref() == Some(subject.as_bytes())
                {
                    records.push((key.clone(), found.stored));
                }
            }
        }
        records.truncate(limit);
        Ok(records)
    }
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) names: Names,
    place: Option<Place>,
    /// Where deleted records are announced.
    channel: Option<Box<str>>,
    versions: Versions,
    /// The server compares in its `SET` (`IFEQ`).
    has_ifeq: AtomicBool,
}

impl Inner {
    async fn value(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let record = self.names.record(key);
        let mut command = Cmd::with_capacity(2, record.len() + 3);
        command.arg("GET").arg(record);
        self.link.command(command, Does::Read).await
    }

    /// Returns whether one command replaced the record. If not, the script finds out why.
    async fn replaced(
        &self,
        record: &[u8],
        old: &Stored,
        draft: &Draft,
        write: &Write,
    ) -> Result<bool, StoreError> {
        let there = Draft::of(old);
        let bytes = record.len() + draft.bytes.len() + there.bytes.len();
        let mut command = Cmd::with_capacity(7, bytes + 32);
        command.arg("SET").arg(record).arg(&draft.bytes);
        command.arg("IFEQ").arg(there.bytes);
        command
            .arg("PXAT")
            .arg(layout::milliseconds(write.expires_at));
        match self.link.outcome(command, Does::Write).await? {
            Ok(Value::Okay) => Ok(true),
            Ok(Value::Nil) => Ok(false),
            Ok(_) => Err(failure::answer()),
            // An older server has taken over, which did nothing.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) => {
                self.has_ifeq.store(false, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(self.link.failed(&error)),
        }
    }

    /// Loads the values of these keys.
    pub(crate) async fn values(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if self.link.is_cluster() {
            // They are on many nodes, and any of them may be moving.
            return try_join_all(keys.iter().map(|key| self.value(key))).await;
        }
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(self.names.record(key));
        }
        let values: Vec<_> = self.link.command(command, Does::Read).await?;
        match values.len() == keys.len() {
            true => Ok(values),
            false => Err(failure::answer()),
        }
    }

    /// Adds the entry of a subject's list to a write's script. If the list is on another server
    /// than the record, it is written first.
    async fn entry(&self, key: &Key, write: &Write) -> Result<Entry, StoreError> {
        let Some(subject) = write.subject.as_deref() else {
            return Ok(Entry(None));
        };
        if self.link.is_spread() {
            self.enter(key, subject.as_bytes(), write.expires_at)
                .await?;
            return Ok(Entry(None));
        }
        let list = self.names.list(subject.as_bytes());
        let [needed, enough, now] = needed(write.expires_at);
        let entry = [key.as_str().to_owned(), needed, enough, now];
        Ok(Entry(Some((list, entry))))
    }

    async fn enter(
        &self,
        key: &Key,
        subject: &[u8],
        expires_at: UnixTime,
    ) -> Result<(), StoreError> {
        let list = self.names.list(subject);
        let [needed, enough, now] = needed(expires_at);
        let keys = [&list[..]];
        let arguments = [
            key.as_bytes(),
            needed.as_bytes(),
            enough.as_bytes(),
            now.as_bytes(),
        ];
        // It does the same if it is done twice.
        let done = self
            .link
            .script(&scripts::ENTER, &keys, &arguments, Does::Read);
        done.await.map(|_: i64| ())
    }

    pub(crate) fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// Returns the lists' prefix, for a script that finds the record's subject itself. Empty where
    /// a script reaches only the record's server.
    fn lists(&self) -> &str {
        if self.link.is_spread() {
            ""
        } else {
            self.names.lists()
        }
    }
}

/// The name of a list, and the arguments of its entry.
struct Entry(Option<(Vec<u8>, [String; 4])>);

/// Records larger than this are replaced by the script alone, which does not send the old one.
const LARGE: usize = 16 * 1024;

impl Entry {
    fn with<'a, const K: usize, const A: usize>(
        &'a self,
        keys: [&'a [u8]; K],
        arguments: [&'a [u8]; A],
    ) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
        let (mut keys, mut arguments) = (keys.to_vec(), arguments.to_vec());
        if let Some((list, entry)) = &self.0 {
            keys.push(list);
            arguments.extend(entry.iter().map(String::as_bytes));
        }
        (keys, arguments)
    }
}

/// Returns until when a list's entry is needed, which expiry suffices for now, and the time.
///
/// An entry is needed for twice the record's life, and an hour more because clocks differ. So an
/// entry that a touch could not extend is still there at the next one. The remainder after half a
/// life, and half an hour, still outlasts the record.
fn needed(expires_at: UnixTime) -> [String; 3] {
    const HOUR: Duration = Duration::from_secs(3600);
    let now = UnixTime::from(SystemTime::now());
    let life = expires_at.since(now);
    let needed = expires_at + life + HOUR;
    let enough = expires_at + life / 2 + HOUR / 2;
    [needed, enough, now].map(|moment| moment.as_secs().to_string())
}

fn unexpected(answer: i64) -> StoreError {
    match answer {
        3 => failure::foreign(),
        _ => failure::answer(),
    }
}
