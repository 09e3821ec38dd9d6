use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use tokio::task::JoinSet;

use crate::Builder;
use crate::failure;
use crate::life;
use crate::name::{Name, Prefix};
use crate::node::Node;
use crate::protocol::{LARGEST_VALUE, Reply, Request};
use crate::ring::Ring;

/// Keeps sessions in Memcached. A handle: clones share the connections.
///
/// The [crate's documentation](crate) lists its guarantees.
///
/// ```no_run
/// use cloakroom_memcached::MemcachedStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = MemcachedStore::connect("memcached://127.0.0.1:11211").await?;
/// let key = Key::new("session:47DEQpj8HBSa").unwrap();
/// let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
///
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// assert_eq!(store.load(&key).await?.unwrap().bytes, "record");
/// # Ok(())
/// # }
/// ```
///
/// It is no [`Directory`](cloakroom_store::Directory), because Memcached cannot list. Code that
/// needs one does not compile with it.
///
/// ```compile_fail,E0277
/// fn shows_devices(store: impl cloakroom_store::Directory) {}
///
/// fn main_page(store: cloakroom_memcached::MemcachedStore) {
///     shows_devices(store);
/// }
/// ```
#[derive(Clone)]
pub struct MemcachedStore {
    inner: Arc<Inner>,
}

struct Inner {
    nodes: Vec<Node>,
    ring: Ring,
    prefix: Prefix,
    place: Place,
    timeout: Duration,
}

impl MemcachedStore {
    /// Connects with the defaults of the [builder](Self::builder).
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let url = "memcached://cache-1,cache-2,cache-3";
    /// let store = cloakroom_memcached::MemcachedStore::connect(url).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Returns the settings of a store on the servers of a [URL](crate#urls).
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// let builder =
    ///     MemcachedStore::builder("memcached://cache-1,cache-2").prefix("shop:");
    /// ```
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) fn new(
        nodes: Vec<Node>,
        ring: Ring,
        prefix: Prefix,
        place: Place,
        timeout: Duration,
    ) -> Self {
        let inner = Inner {
            nodes,
            ring,
            prefix,
            place,
            timeout,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Asks every server for an answer. One suffices: the others may come back, and only their
    /// share of the records waits.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let mut asked = JoinSet::new();
        for server in 0..self.inner.nodes.len() {
            let store = self.clone();
            asked.spawn(async move { store.inner.nodes[server].greet().await });
        }
        let mut failed = None;
        while let Some(outcome) = asked.join_next().await {
            match outcome {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => failed = Some(error),
                // Only if the runtime ends.
                Err(_) => {}
            }
        }
        Err(failed.unwrap_or_else(failure::misplaced))
    }

    /// Returns the name of a record, and the server that has it.
    fn find(&self, key: &Key) -> (Name, &Node) {
        let name = self.inner.prefix.name(key);
        let node = &self.inner.nodes[self.inner.ring.server(name.as_bytes())];
        (name, node)
    }
}

impl Store for MemcachedStore {
    fn place(&self) -> Option<Place> {
        Some(self.inner.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let (name, node) = self.find(key);
        match node.ask_twice(Request::load(&name)).await? {
            Reply::Missing => Ok(None),
            Reply::Value(item) if item.cas == 0 => Err(failure::without_cas()),
            Reply::Value(item) => {
                let end = life::end(now(), item.rest);
                Ok(Some(Stored::new(item.value, end, item.cas)))
            }
            _ => Err(failure::misplaced()),
        }
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let (name, node) = self.find(key);
        let exptime = life::exptime(now(), write.expires_at);
        let request = Request::create(&name, exptime, value(write)?);
        match node.ask(request).await? {
            Reply::Done => Ok(Created::Stored),
            Reply::Other => Ok(Created::Taken),
            _ => Err(failure::misplaced()),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let (name, node) = self.find(key);
        let exptime = life::exptime(now(), write.expires_at);
        let request = Request::replace(&name, old.version, exptime, value(write)?);
        match node.ask(request).await? {
            Reply::Done => Ok(Replaced::Stored),
            Reply::Other => Ok(Replaced::Changed),
            Reply::Missing => Ok(Replaced::Gone),
            _ => Err(failure::misplaced()),
        }
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let (name, node) = self.find(key);
        let request = Request::touch(&name, life::exptime(now(), expires_at));
        match node.ask(request).await? {
            Reply::Done => Ok(Touched::Extended),
            Reply::Missing => Ok(Touched::Gone),
            _ => Err(failure::misplaced()),
        }
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let (name, node) = self.find(key);
        match node.ask(Request::delete(&name, old.version)).await? {
            Reply::Done => Ok(Deleted::Deleted),
            Reply::Other => Ok(Deleted::Changed),
            Reply::Missing => Ok(Deleted::Gone),
            _ => Err(failure::misplaced()),
        }
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcachedStore")
            .field("servers", &self.inner.nodes.len())
            .field("prefix", &self.inner.prefix)
            .field("timeout", &self.inner.timeout)
            .finish()
    }
}

fn now() -> UnixTime {
    SystemTime::now().into()
}

fn value(write: &Write) -> Result<&Bytes, StoreError> {
    match write.bytes.len() <= LARGEST_VALUE {
        true => Ok(&write.bytes),
        false => Err(failure::too_large()),
    }
}
