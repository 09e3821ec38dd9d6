//! `SESSION_TYPE = "memcached"`.

mod connection;
mod placement;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use connection::{Answer, Link};
pub use placement::MemcachedClient;

use crate::failure;

const STORE: &str = "flask-memcached";

/// Sessions in Memcached as Flask-Session's `memcached` keeps them. A handle: clones share the connections.
///
/// `replace` and `delete` compare Memcached's own CAS token, which every write changes, Flask's too. Flask's `set` itself
/// compares nothing and overwrites whatever is there.
///
/// - **One server or several.** How keys are spread over several is different in each of Flask's clients, so that one is to be
///   [named](MemcachedStore::connect_several).
/// - **Memcached 1.6 or later**, for the commands that tell how long a record has left and that delete by CAS token.
/// - **Ends are absolute.** Memcached takes more than 30 days for a date; this store always sends the date, Flask-Session only
///   when it must. What [`load`](Store::load) says of the end is made of the rest that the server tells, and may be a second off:
///   the layout has no place for the end itself. Memcached's own clock decides.
/// - **Nothing lasts**: Memcached drops what it has no room for, and everything when it is restarted.
///
/// Each operation is one round trip, and ends within 2 s with a transient error if the server does not answer. Writes are sent
/// once.
///
/// ```no_run
/// use cloakroom_flask_stores::MemcachedStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = MemcachedStore::connect("127.0.0.1:11211").await?; // SESSION_MEMCACHED
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// let write = Write::new(b"\x81\xa1a\x01".to_vec(), UnixTime::from_secs(4_000_000_000), None);
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
    /// Whose way of choosing among them it is.
    client: MemcachedClient,
}

impl MemcachedStore {
    /// The server at `host:port`, or `memcached://host:port`; without a port 11211. Makes sure that it answers.
    ///
    /// # Errors
    ///
    /// A transient one when the server does not answer, a permanent one when it is older than 1.6 or several are named.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MemcachedStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MemcachedStore::connect("10.0.0.1:11211,10.0.0.2:11211").await.unwrap_err();
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

    /// Several servers, each as for [`connect`](Self::connect), in the order and by the names that the Flask application has for its
    /// client. Makes sure that all of them answer.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect); a permanent one without a server.
    ///
    /// ```no_run
    /// use cloakroom_flask_stores::{MemcachedClient, MemcachedStore};
    ///
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// // SESSION_MEMCACHED = pymemcache.HashClient(["10.0.0.1:11211", "10.0.0.2:11211"])
    /// let servers = ["10.0.0.1:11211", "10.0.0.2:11211"];
    /// let store = MemcachedStore::connect_several(MemcachedClient::Pymemcache, servers).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_several<S: AsRef<str>>(
        client: MemcachedClient,
        servers: impl IntoIterator<Item = S>,
    ) -> Result<Self, StoreError> {
        let mut links = Vec::new();
        for server in servers {
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
        let servers = Arc::new(Servers { links, client });
        Ok(Self { servers })
    }

    /// The server that has the key.
    async fn ask(&self, key: &Key, request: Vec<u8>, reads: bool) -> Result<Answer, StoreError> {
        let Servers { links, client } = &*self.servers;
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

/// `host:port`, whatever else was said.
fn named(server: &str) -> String {
    let server = server.strip_prefix("memcached://").unwrap_or(server);
    let server = server.trim_end_matches('/').trim();
    match server.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => server.to_owned(),
        _ => format!("{server}:11211"),
    }
}

/// An end as Memcached takes it: a date whenever it is over 30 days' worth of seconds, which is every date since February
/// 1970. Its dates have 31 bits (a later one would count as over), and 0 means never.
fn end(time: UnixTime) -> i64 {
    match time.as_secs() {
        // What is over already.
        0..=2_592_000 => -1,
        seconds @ ..0x7fff_ffff => seconds.cast_signed(),
        _ => 0,
    }
}
