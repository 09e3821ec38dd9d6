use std::fmt;
use std::time::Duration;

use cloakroom_store::StoreError;

use crate::MemcachedStore;
use crate::failure;
use crate::name::Prefix;
use crate::node::Node;
use crate::ring::Ring;
use crate::url;

/// How a [`MemcachedStore`] is to work. From [`MemcachedStore::builder`].
///
/// ```no_run
/// use cloakroom_memcached::MemcachedStore;
/// use std::time::Duration;
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = MemcachedStore::builder("memcached://cache-1,cache-2,cache-3")
///     .prefix("shop:")
///     .timeout(Duration::from_millis(500))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct Builder {
    url: Box<str>,
    prefix: Box<str>,
    timeout: Duration,
    max_connections: usize,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            prefix: "cloakroom:".into(),
            timeout: Duration::from_secs(2),
            max_connections: 10,
        }
    }

    /// What all the store's keys on the servers begin with; `cloakroom:` unless said otherwise. At most 200 bytes of printable
    /// ASCII without spaces. Applications that share servers take one each, of which none begins with another.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1").prefix("shop:");
    /// ```
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long an operation may take, with all that belongs to it: waiting for a connection, making one, and the answer; 2 s
    /// unless said otherwise. Then it ends with a transient error.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// # use std::time::Duration;
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1").timeout(Duration::from_millis(500));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many connections there may be to each server; 10 unless said otherwise, and at least 1. Whoever needs one more waits
    /// for one that becomes free.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1").max_connections(32);
    /// ```
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Asks all servers whether they are there, and is content with one that is: the loss of one of several is not to keep an
    /// application from starting.
    ///
    /// # Errors
    ///
    /// A permanent one when URL, prefix or timeout cannot be, or when what answers is no Memcached that can be used; a transient
    /// one when no server answers.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MemcachedStore::connect("memcached://user:secret@127.0.0.1").await.unwrap_err();
    /// assert!(!error.is_transient());
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<MemcachedStore, StoreError> {
        if self.timeout.is_zero() {
            return Err(failure::setting(
                "a timeout of zero leaves no time for an answer",
            ));
        }
        let prefix = Prefix::new(&self.prefix)?;
        let servers = url::parse(&self.url)?;
        let ring = Ring::new(servers.iter().map(|server| &*server.name));
        let nodes = servers
            .into_iter()
            .map(|server| Node::new(server, self.max_connections, self.timeout));
        let store = MemcachedStore::new(nodes.collect(), ring, prefix, self.timeout);
        store.check().await?;
        Ok(store)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password, though the store would not take it.
        f.debug_struct("Builder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
