use std::fmt;
use std::time::Duration;

use cloakroom_store::{Place, StoreError};

use crate::MemcachedStore;
use crate::failure;
use crate::name::Prefix;
use crate::node::Node;
use crate::ring::Ring;
use crate::url;

/// Settings of a [`MemcachedStore`], from [`MemcachedStore::builder`].
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

    /// Sets what all the store's keys on the servers begin with. Default: `cloakroom:`.
    ///
    /// At most 200 bytes of printable ASCII without spaces. Applications that share servers take
    /// one each, of which none begins with another.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1").prefix("shop:");
    /// ```
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Limits the time of an operation, with all that belongs to it: waiting for a connection,
    /// making one, and the answer. Default: 2 s.
    ///
    /// Then it ends with a transient error.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// # use std::time::Duration;
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1")
    ///     .timeout(Duration::from_millis(500));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many connections there may be to each server. Default: 10. At least 1: with 0
    /// [`connect`](Self::connect) fails.
    ///
    /// Further operations wait for one that becomes free.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// let builder =
    ///     MemcachedStore::builder("memcached://127.0.0.1").max_connections(32);
    /// ```
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.min(tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Asks all servers for an answer, in one round trip each. One answer suffices: the loss of one
    /// of several servers does not keep an application from starting.
    ///
    /// # Errors
    ///
    /// A permanent one when URL, prefix or timeout cannot be used, or when a server that answers is
    /// no Memcached that can be used. A transient one when no server answers.
    ///
    /// ```
    /// # use cloakroom_memcached::MemcachedStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MemcachedStore::connect("memcached://user:secret@127.0.0.1")
    ///     .await
    ///     .unwrap_err();
    /// assert!(!error.is_transient());
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<MemcachedStore, StoreError> {
        if self.timeout.is_zero() {
            return Err(failure::setting(
                "a timeout of zero leaves no time for an answer; give more",
            ));
        }
        if self.max_connections == 0 {
            return Err(failure::setting(
                "`max_connections` is 0, which leaves none for an operation; set at least 1",
            ));
        }
        let prefix = Prefix::new(&self.prefix)?;
        let servers = url::parse(&self.url)?;
        let names: Vec<_> = servers.iter().map(|server| &*server.name).collect();
        let place = Place::new("memcached", [&*names.join(","), &*self.prefix]);
        let ring = Ring::new(servers.iter().map(|server| &*server.name));
        let nodes = servers
            .into_iter()
            .map(|server| Node::new(server, self.max_connections, self.timeout));
        let store = MemcachedStore::new(nodes.collect(), ring, prefix, place, self.timeout);
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
