use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use futures_util::future::try_join_all;
use redis::{Cmd, Value};

use crate::Builder;
use crate::failure;
use crate::layout::{self, Draft, Found, Names};
use crate::link::{Does, Link};
use crate::scripts;
use crate::versions::Versions;

/// Sessions in Redis or Valkey. A handle: clones share the connection. See the [crate's documentation](crate) for what it
/// guarantees.
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
    inner: Arc<Inner>,
}

impl RedisStore {
    /// Connects to the server at `url` as the [builder](RedisStore::builder) does when nothing else is said.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = RedisStore::connect("redis://user:password@redis.example:6379/2").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// A store on the server at `url`, with options. The [crate's documentation](crate#urls) lists the URLs.
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = RedisStore::builder("redis://127.0.0.1").prefix("shop:").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) fn new(link: Link, names: Names) -> Self {
        let inner = Inner {
            link,
            names,
            versions: Versions::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// One harmless round trip, which shows that the server is there and lets the user in.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        // No record can have this name, because no key has a space in it.
        let name = self.inner.names.list(b"");
        let mut command = redis::cmd("EXISTS");
        command.arg(name);
        let found = self.inner.link.command(&command, Does::Read);
        found.await.map(|_: i64| ())
    }
}

impl Store for RedisStore {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let value = self.inner.value(key).await?;
        Ok(value
            .map(Found::parse)
            .transpose()?
            .map(|found| found.stored))
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let draft = self.inner.draft(write)?;
        let record = names.record(key);
        let ends = layout::milliseconds(write.expires_at);
        // A cluster's client may send a command again; the script then knows its own write.
        if write.subject.is_none() && !link.is_cluster() {
            let mut command = Cmd::with_capacity(6, record.len() + draft.bytes.len() + 24);
            command
                .arg("SET")
                .arg(record)
                .arg(draft.bytes)
                .arg("NX")
                .arg("PXAT")
                .arg(ends);
            return match link.command(&command, Does::Write).await? {
                Value::Nil => Ok(Created::Taken),
                Value::Okay => Ok(Created::Stored),
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
        let Inner { link, names, .. } = &*self.inner;
        let draft = self.inner.draft(write)?;
        let record = names.record(key);
        let entry = self.inner.entry(key, write).await?;
        let version = old.version.to_be_bytes();
        let ends = layout::milliseconds(write.expires_at).to_string();
        let (keys, arguments) = entry.with([&record], [&version, &draft.bytes, ends.as_bytes()]);
        match link
            .script(&scripts::REPLACE, &keys, &arguments, Does::Write)
            .await?
        {
            1 => Ok(Replaced::Stored),
            2 => Ok(Replaced::Changed),
            0 => Ok(Replaced::Gone),
            other => Err(unexpected(other)),
        }
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let lists = self.inner.lists();
        let [needed, now] = needed(expires_at);
        let ends = layout::milliseconds(expires_at).to_string();
        let arguments = [
            &layout::end(expires_at)[..],
            ends.as_bytes(),
            lists.as_bytes(),
            key.as_bytes(),
            needed.as_bytes(),
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
            #[cfg(feature = "cluster")]
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
        let arguments = [
            &old.version.to_be_bytes()[..],
            self.inner.lists().as_bytes(),
            key.as_bytes(),
        ];
        match link
            .script(
                &scripts::DELETE,
                &[&names.record(key)],
                &arguments,
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
}

impl Directory for RedisStore {
    /// Two round trips, and one more for each further 64 records of the subject.
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let mut command = redis::cmd("ZRANGE");
        command.arg(names.list(subject.as_bytes())).arg(0).arg(-1);
        let members: Vec<Bytes> = link.command(&command, Does::Read).await?;
        let keys: Vec<_> = members
            .iter()
            .filter_map(|member| Key::new(std::str::from_utf8(member).ok()?))
            .collect();
        let mut records = Vec::with_capacity(keys.len());
        for keys in keys.chunks(64) {
            for (key, value) in keys.iter().zip(self.inner.values(keys).await?) {
                // The entry only says where to look: the record itself says whose it is.
                if let Some(found) = value.map(Found::parse).transpose()?
                    && found.subject.as_deref() == Some(subject.as_bytes())
                {
                    records.push((key.clone(), found.stored));
                }
            }
        }
        Ok(records)
    }
}

#[derive(Debug)]
struct Inner {
    link: Link,
    names: Names,
    versions: Versions,
}

impl Inner {
    fn draft(&self, write: &Write) -> Result<Draft, StoreError> {
        Draft::new(write, self.versions.next())
    }

    async fn value(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let record = self.names.record(key);
        let mut command = Cmd::with_capacity(2, record.len() + 3);
        command.arg("GET").arg(record);
        self.link.command(&command, Does::Read).await
    }

    /// What is under each of these keys.
    async fn values(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if self.link.is_cluster() {
            // They are on many nodes, and any of them may be moving.
            return try_join_all(keys.iter().map(|key| self.value(key))).await;
        }
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(self.names.record(key));
        }
        let values: Vec<_> = self.link.command(&command, Does::Read).await?;
        match values.len() == keys.len() {
            true => Ok(values),
            false => Err(failure::answer()),
        }
    }

    /// What a write with a subject adds to its script: the entry in the subject's list. In a cluster the list is on another
    /// node, and is written first.
    async fn entry(&self, key: &Key, write: &Write) -> Result<Entry, StoreError> {
        let Some(subject) = write.subject.as_deref() else {
            return Ok(Entry(None));
        };
        #[cfg(feature = "cluster")]
        if self.link.is_cluster() {
            self.enter(key, subject.as_bytes(), write.expires_at)
                .await?;
            return Ok(Entry(None));
        }
        let list = self.names.list(subject.as_bytes());
        let [needed, now] = needed(write.expires_at);
        Ok(Entry(Some((list, [key.as_str().to_owned(), needed, now]))))
    }

    #[cfg(feature = "cluster")]
    async fn enter(
        &self,
        key: &Key,
        subject: &[u8],
        expires_at: UnixTime,
    ) -> Result<(), StoreError> {
        let list = self.names.list(subject);
        let [needed, now] = needed(expires_at);
        let keys = [&list[..]];
        let arguments = [key.as_bytes(), needed.as_bytes(), now.as_bytes()];
        let done = self
            .link
            .script(&scripts::ENTER, &keys, &arguments, Does::Write);
        done.await.map(|_: i64| ())
    }

    /// What the names of lists begin with, for a script that finds out itself whose the record is; nothing in a cluster,
    /// where a script reaches only what is on the record's node.
    fn lists(&self) -> &str {
        if self.link.is_cluster() {
            ""
        } else {
            self.names.lists()
        }
    }
}

/// The name of a list, and the key, the end and the beginning of an entry.
struct Entry(Option<(Vec<u8>, [String; 3])>);

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

/// Until when an entry of a list is needed, and what time it is. Twice the record's life, and an hour for clocks that
/// differ: an entry that a touch could not prolong is then still there at the next one.
fn needed(expires_at: UnixTime) -> [String; 2] {
    let now = UnixTime::from(SystemTime::now());
    let life = expires_at.since(now);
    let needed = expires_at + life + std::time::Duration::from_secs(3600);
    [needed.to_string(), now.to_string()]
}

fn unexpected(answer: i64) -> StoreError {
    match answer {
        3 => failure::foreign(),
        _ => failure::answer(),
    }
}
