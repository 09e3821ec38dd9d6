//! `SESSION_TYPE = "memcached"`.

mod connection;
mod placement;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use connection::{Answer, Link};
pub use placement::MemcachedClient;

use crate::failure;

const STORE: &str = "flask-memcached";

/// Sessions in Memcached as Flask-Session's `memcached` keeps them. A handle: clones share the
/// connections.
///
/// `replace` and `delete` compare Memcached's own CAS token, which every write changes, Flask's
/// too. Flask's `set` itself compares nothing and overwrites whatever is there.
///
/// - **One server or several.** Each of Flask's clients spreads keys over several servers in
///   another way, so [name](MemcachedStore::connect_several) the client.
/// - **Memcached 1.6 or later**, for the commands that return the time left of a record and that
///   delete by CAS token.
/// - **Expiry times are absolute.** Memcached takes more than 30 days for a date. This store always
///   sends the date, Flask-Session only when it must. The layout has no place for the expiry
///   itself, so [`load`](Store::load) computes it from the time left, and it may be a second off.
///   Memcached's own clock decides.
/// - **Nothing is durable.** Memcached drops records for which it has no room, and all of them when
///   it restarts.
///
/// Each operation is one round trip, and ends within 2 s with a transient error if the server does
/// not answer. Writes are sent once.
///
/// ```no_run
/// use cloakroom_flask_stores::MemcachedStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// // The server of Flask's SESSION_MEMCACHED.
/// let store = MemcachedStore::connect("127.0.0.1:11211").await?;
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// let write = Write::new(
///     b"\x81\xa1a\x01".to_vec(),
///     UnixTime::from_secs(4_000_000_000),
///     None,
/// );
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemcachedStore {
    servers: Arc<Servers>,
}

struct Servers {
    links: Vec<Link>,
    place: Place,
    /// The Python client whose way of choosing a server is used.
    client: MemcachedClient,
}

impl MemcachedStore {
    /// Connects to the server at `host:port`, or `memcached://host:port`, and checks that it
    /// answers. Default port: 11211.
    ///
    /// # Errors
    ///
    /// Transient if the server does not answer. Permanent if it is older than 1.6, or if several
    /// are named.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MemcachedStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MemcachedStore::connect("10.0.0.1:11211,10.0.0.2:11211")
    ///     .await
    ///     .unwrap_err();
    /// assert!(error.to_string().contains("SESSION_MEMCACHED_CLIENT"));
    /// # }
    /// ```
    pub async fn connect(server: &str) -> Result<Self, StoreError> {
        if server.contains(',') {
            return Err(failure::permanent(
                STORE,
                "how keys are spread over several servers is different in each Flask client: name it by SESSION_MEMCACHED_CLIENT, or `connect_several`",
            ));
        }
        // With one server there is nothing to choose.
        Self::connect_several(MemcachedClient::Pylibmc, [server]).await
    }

    /// Connects to several servers, each as for [`connect`](Self::connect), and checks that all of
    /// them answer. Use the order and the names that the Flask application gives its client.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect), and a permanent one without a server.
    ///
    /// ```no_run
    /// use cloakroom_flask_stores::{MemcachedClient, MemcachedStore};
    ///
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// // SESSION_MEMCACHED = pymemcache.HashClient([
    /// //     "10.0.0.1:11211", "10.0.0.2:11211"])
    /// let servers = ["10.0.0.1:11211", "10.0.0.2:11211"];
    /// let store =
    ///     MemcachedStore::connect_several(MemcachedClient::Pymemcache, servers)
    ///         .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_several<S: AsRef<str>>(
        client: MemcachedClient,
        servers: impl IntoIterator<Item = S>,
    ) -> Result<Self, StoreError> {
        let (mut links, mut names) = (Vec::new(), Vec::new());
        for server in servers {
            names.push(named(server.as_ref()));
            let link = Link::new(named(server.as_ref()), Duration::from_secs(2));
            match link.ask(b"mn\r\n".to_vec(), true).await? {
                Answer::Done => links.push(link),
                _ => return Err(connection::unexpected()),
            }
        }
        if links.is_empty() {
            return Err(failure::permanent(
                STORE,
                "SESSION_MEMCACHED names no server",
            ));
        }
        let servers = Arc::new(Servers {
            links,
            place: Place::new(STORE, names.iter().map(|name| &**name)),
            client,
        });
        Ok(Self { servers })
    }

    /// Returns the server that has the key.
    async fn ask(&self, key: &Key, request: Vec<u8>, reads: bool) -> Result<Answer, StoreError> {
        let Servers { links, client, .. } = &*self.servers;
        let at = match &links[..] {
            [_] => 0,
            several => client.place(key.as_str(), several.iter().map(Link::server)),
        };
        match links.get(at) {
            Some(link) => link.ask(request, reads).await,
            None => Err(connection::unexpected()),
        }
    }

    async fn store(&self, key: &Key, command: String, bytes: &[u8]) -> Result<Answer, StoreError> {
        let mut request = command.into_bytes();
        request.extend_from_slice(bytes);
        request.extend_from_slice(b"\r\n");
        self.ask(key, request, false).await
    }
}

impl Store for MemcachedStore {
    fn place(&self) -> Option<Place> {
        Some(self.servers.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let request = format!("mg {} v c t\r\n", key.as_str());
        match self.ask(key, request.into_bytes(), true).await? {
            Answer::Missing => Ok(None),
            Answer::Value { bytes, cas, rest } => {
                let now = UnixTime::from(SystemTime::now());
                let end = rest.map_or(UnixTime::MAX, |rest| now + Duration::from_secs(rest));
                Ok(Some(Stored::new(bytes, end, cas)))
            }
            _ => Err(connection::unexpected()),
        }
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let (name, end, len) = (key.as_str(), end(write.expires_at), write.bytes.len());
        let command = format!("add {name} 0 {end} {len}\r\n");
        match self.store(key, command, &write.bytes).await? {
            Answer::Done => Ok(Created::Stored),
            Answer::Other => Ok(Created::Taken),
            _ => Err(connection::unexpected()),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let (name, end, len) = (key.as_str(), end(write.expires_at), write.bytes.len());
        let command = format!("cas {name} 0 {end} {len} {}\r\n", old.version);
        match self.store(key, command, &write.bytes).await? {
            Answer::Done => Ok(Replaced::Stored),
            Answer::Other => Ok(Replaced::Changed),
            Answer::Missing => Ok(Replaced::Gone),
            Answer::Value { .. } => Err(connection::unexpected()),
        }
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let request = format!("touch {} {}\r\n", key.as_str(), end(expires_at));
        match self.ask(key, request.into_bytes(), false).await? {
            Answer::Done => Ok(Touched::Extended),
            Answer::Missing => Ok(Touched::Gone),
            _ => Err(connection::unexpected()),
        }
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let request = format!("md {} C{}\r\n", key.as_str(), old.version);
        match self.ask(key, request.into_bytes(), false).await? {
            Answer::Done => Ok(Deleted::Deleted),
            Answer::Other => Ok(Deleted::Changed),
            Answer::Missing => Ok(Deleted::Gone),
            Answer::Value { .. } => Err(connection::unexpected()),
        }
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemcachedStore(..)")
    }
}

/// Returns `host:port` without the rest of the address.
fn named(server: &str) -> String {
    let server = server.strip_prefix("memcached://").unwrap_or(server);
    let server = server.trim_end_matches('/').trim();
    match server.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => server.to_owned(),
        _ => format!("{server}:11211"),
    }
}

/// Converts an expiry for Memcached, which treats numbers over 30 days' worth of seconds as a date.
/// That is every date since February 1970. Its dates have 31 bits (a later one would count as
/// past), and 0 means never.
fn end(time: UnixTime) -> i64 {
    match time.as_secs() {
        // An expiry in the past.
        0..=2_592_000 => -1,
        seconds @ ..0x7fff_ffff => seconds.cast_signed(),
        _ => 0,
    }
}
