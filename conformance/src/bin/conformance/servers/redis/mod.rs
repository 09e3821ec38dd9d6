//! Redis, and what speaks its protocol.

mod certificates;
mod cluster;
mod flavor;
mod node;
mod sentinel;

use std::env;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_redis::{Builder, RedisStore};
use tempfile::TempDir;

use super::{Server, Ways, free_port};
use crate::proxy::Mode;
use crate::say;
pub(crate) use certificates::Certificates;
pub(crate) use cluster::{Cluster, agree, arrived};
pub(crate) use flavor::{Flavor, Plain, Tls, Valkey};
pub(crate) use node::{Node, execute, query};
pub(crate) use sentinel::Sentinel;

/// The user that the stores are here, with no more permissions than the store's page says that it needs.
const USER: &str = "sessions:password@";
const LOGIN: (&str, &str) = ("sessions", "password");
/// Not the first one, so that it is seen that it is chosen.
const DATABASE: &str = "/3";

pub(crate) type Redis = Standalone<Plain>;

/// One server.
pub(crate) struct Standalone<F> {
    /// Up to the host, and from behind the port on: a way has another host and port.
    url: [String; 2],
    server: SocketAddr,
    /// A given server that is reached by its own name alone, because its certificate has that name.
    named: Option<String>,
    ways: Ways,
    directory: PathBuf,
    /// What the keys of this run begin with.
    namespace: String,
    /// In the process that started it, if it is not another's server.
    own: Option<Server>,
    /// In the process that made it: removes it at the end.
    remove: Option<TempDir>,
    flavor: PhantomData<fn() -> F>,
}

impl<F: Flavor> Standalone<F> {
    pub(crate) fn new() -> io::Result<Self> {
        let Ok(url) = env::var(F::VARIABLE) else {
            return Self::start();
        };
        let (around, server) = split(&url, F::SCHEME, F::VARIABLE)?;
        say(format_args!("server  {server}, by {}", F::VARIABLE));
        let named = Some(url).filter(|_| F::SCHEME == "rediss");
        Self::at(around, server, named, directory()?, None)
    }

    /// One of this run's own, whatever is given.
    pub(crate) fn start() -> io::Result<Self> {
        let directory = directory()?;
        let node = Node::new(F::program()?, directory.path(), &namespace(&directory));
        node.say()?;
        let own = node.start(free_port()?, F::arguments(directory.path())?)?;
        let around = [format!("{}://{USER}", F::SCHEME), DATABASE.to_owned()];
        Self::at(around, own.address(), None, directory, Some(own))
    }

    fn at(
        url: [String; 2],
        server: SocketAddr,
        named: Option<String>,
        directory: TempDir,
        own: Option<Server>,
    ) -> io::Result<Self> {
        Ok(Self {
            url,
            server,
            named,
            ways: Ways::new(server, &directory.path().join("ways"))?,
            namespace: namespace(&directory),
            directory: directory.path().to_owned(),
            own,
            remove: Some(directory),
            flavor: PhantomData,
        })
    }

    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    pub(crate) fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// What the keys of a part of this run begin with. Good for a NATS subject too.
    pub(crate) fn namespace(&self, part: &str) -> String {
        format!("{}{part}", self.namespace)
    }

    /// A store that reaches the server at this address; its keys begin with the run's and this name.
    pub(crate) fn builder(&self, address: SocketAddr, name: &str) -> Result<Builder, FixtureError> {
        let [before, after] = &self.url;
        let by_way = || format!("{before}{address}{after}");
        let builder = RedisStore::builder(&self.named.clone().unwrap_or_else(by_way))
            .prefix(&format!("{}{name}:", self.namespace));
        F::prepare(builder, &self.directory)
    }

    /// The same by the server's socket.
    pub(crate) fn by_socket(&self, name: &str) -> Builder {
        let (directory, (user, password)) = (self.directory.display(), LOGIN);
        let url = format!("unix://{directory}/redis.sock?db=3&user={user}&pass={password}");
        RedisStore::builder(&url).prefix(&format!("{}{name}:", self.namespace))
    }

    /// A further server, which is to be part of a cluster and is alone.
    pub(crate) fn node_of_a_cluster(&self) -> io::Result<Server> {
        let node = Node::new(F::program()?, &self.directory.join("node"), &self.namespace);
        let bus = free_port()?.to_string();
        let more = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        node.start(free_port()?, more.map(String::from).to_vec())
    }

    /// The server by the way of this place.
    pub(crate) async fn url(&self, place: &Place) -> Result<String, FixtureError> {
        Ok(self.by(self.ways.address(place).await?))
    }

    /// What the keys of this place begin with.
    pub(crate) fn prefix(&self, place: &Place) -> String {
        format!("{}{}:", self.namespace, place.name())
    }

    /// The server, for whoever may do everything there.
    pub(crate) fn admin(&self) -> String {
        self.by(self.server)
    }
}

impl Standalone<Tls> {
    /// What a server of this run's own and its clients show each other.
    pub(crate) fn certificates(&self) -> Certificates {
        Certificates::of(&self.directory)
    }
}

impl<F> Standalone<F> {
    /// The server by this way, which may be its own address, for whoever may do everything there.
    pub(crate) fn by(&self, way: SocketAddr) -> String {
        let [before, after] = &self.url;
        // A server of this run's own lets everybody in who does not say a name.
        format!("{}{way}{after}", before.replace(USER, ""))
    }
}

fn directory() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("cloakroom-redis-")
        .tempdir()
}

/// What no other run has: the random name of its directory.
fn namespace(directory: &TempDir) -> String {
    let name = directory.path().file_name().unwrap_or_default();
    format!("cloakroom-conformance:{}:", name.display())
}

/// What stands around host and port, and these as an address.
fn split(url: &str, scheme: &str, variable: &str) -> io::Result<([String; 2], SocketAddr)> {
    let wrong = || {
        let text = format!("{variable} is to be {scheme}://user:password@host:port/database");
        io::Error::other(text)
    };
    let rest = url.strip_prefix(scheme);
    let rest = rest.and_then(|rest| rest.strip_prefix("://"));
    let rest = rest.ok_or_else(wrong)?;
    let path = rest.find('/').unwrap_or(rest.len());
    let host = rest[..path].rfind('@').map_or(0, |at| at + 1);
    let name = &rest[host..path];
    let name = match name.contains(':') {
        true => name.to_owned(),
        false => format!("{name}:6379"),
    };
    let server = name.to_socket_addrs()?.next().ok_or_else(wrong)?;
    let around = [
        format!("{scheme}://{}", &rest[..host]),
        rest[path..].to_owned(),
    ];
    Ok((around, server))
}

impl<F> Drop for Standalone<F> {
    fn drop(&mut self) {
        // A server of this run's own goes with all that is in it; and what another process attached is not over yet.
        if self.own.is_some() || self.remove.is_none() {
            return;
        }
        if self.named.is_some() {
            say(
                "server  what this run made on the given Redis with TLS ends by itself, after two hours at most",
            );
            return;
        }
        if let Err(error) = clean(&self.by(self.server), &self.namespace) {
            not_removed(&error);
        }
    }
}

fn not_removed(error: &redis::RedisError) {
    say(format_args!(
        "server  what this run made on the given Redis could not be removed: {}",
        error.category()
    ));
}

/// Removes all keys of a namespace.
fn clean(url: &str, namespace: &str) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<Vec<u8>>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{namespace}*"))
            .arg("COUNT")
            .arg(1000)
            .query(&mut connection)?;
        for key in keys {
            // Each by itself: in a cluster they are in different slots.
            redis::cmd("UNLINK").arg(key).exec(&mut connection)?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

impl<F: Flavor> Fixture for Standalone<F> {
    type Store = RedisStore;
    const NAME: &'static str = F::NAME;

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        let way = self.ways.address(place).await?;
        let store = self.builder(way, place.name())?.connect();
        Ok(store.await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        let claims = match F::SCHEME == "rediss" && env::var_os(F::VARIABLE).is_some() {
            true => claims.never(
                Ability::Outage,
                "a given server with TLS has no way that can be cut",
            ),
            false => claims.outage(),
        };
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .directory()
            .never(Ability::Sweep, "the server removes what has expired")
            .real_time(std::time::Duration::from_millis(100))
    }
}

impl<F: Flavor> Attach for Standalone<F> {
    fn address(&self) -> String {
        let [before, after] = &self.url;
        let directory = self.directory.display();
        [
            &**before,
            after,
            &self.server.to_string(),
            &directory.to_string(),
            &self.namespace,
            self.named.as_deref().unwrap_or_default(),
        ]
        .join("\n")
    }

    fn attach(address: &str) -> Self {
        let mut lines = address.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        let url = [line().to_owned(), line().to_owned()];
        #[expect(clippy::expect_used, reason = "this program wrote it")]
        let server = line().parse().expect("an address");
        let directory = PathBuf::from(line());
        let namespace = line().to_owned();
        let named = Some(line().to_owned()).filter(|url| !url.is_empty());
        Self {
            url,
            server,
            named,
            ways: Ways::find(server, &directory.join("ways")),
            directory,
            namespace,
            own: None,
            remove: None,
            flavor: PhantomData,
        }
    }
}

impl<F: Flavor> Outage for Standalone<F> {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Cut)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Pass)
    }
}
