//! Redis, and servers with its protocol.

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

use tempfile::TempDir;

use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;
use crate::proxy::Mode;
use crate::ways::Ways;
pub use certificates::Certificates;
pub use cluster::{Cluster, agree, arrived};
pub use flavor::{Balanced, Flavor, Impatient, Plain, Tls, Valkey, Valkey9};
pub use node::{Node, execute, query};
pub use sentinel::Sentinel;

/// The stores' user here, with exactly the permissions that the store's page requires.
const USER: &str = "sessions:password@";
const LOGIN: (&str, &str) = ("sessions", "password");
/// Not the first one, so that it is seen that it is chosen.
const DATABASE: &str = "/3";

/// Redis without TLS.
pub type Redis = Standalone<Plain>;

/// One server.
pub struct Standalone<F> {
    /// Up to the host, and from behind the port on: a way has another host and port.
    url: [String; 2],
    server: SocketAddr,
    /// A given server that is reached by its own name alone, because its certificate has that name.
    named: Option<String>,
    ways: Ways,
    directory: PathBuf,
    /// The prefix of this run's keys.
    namespace: String,
    /// In the process that started it, if it is not another's server.
    own: Option<Server>,
    /// In that process, a proxy in front of it.
    front: Option<Server>,
    /// In the process that made it: removes it at the end.
    remove: Option<TempDir>,
    flavor: PhantomData<fn() -> F>,
}

impl<F: Flavor> Standalone<F> {
    /// Starts a server, or takes the one that is named.
    pub fn new() -> io::Result<Self> {
        let Ok(url) = env::var(F::VARIABLE) else {
            return Self::start();
        };
        let (around, server) = split(&url, F::SCHEME, F::VARIABLE)?;
        say(format_args!("server  {server}, by {}", F::VARIABLE));
        let named = Some(url).filter(|_| F::SCHEME == "rediss");
        Self::at(around, server, named, directory()?, None)
    }

    /// Starts one of this run's own, even if one is given.
    pub fn start() -> io::Result<Self> {
        let directory = directory()?;
        let node = Node::new(F::program()?, directory.path(), &namespace(&directory));
        node.say()?;
        let own = node.start(free_port()?, F::arguments(directory.path())?)?;
        let around = [format!("{}://{USER}", F::SCHEME), DATABASE.to_owned()];
        let front = F::front(own.address(), directory.path())?;
        let address = front.as_ref().unwrap_or(&own).address();
        let mut this = Self::at(around, address, None, directory, Some(own))?;
        this.front = front;
        Ok(this)
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
            ways: Ways::new(server, &directory.path().join("ways"))?.usually(F::WAY),
            namespace: namespace(&directory),
            directory: directory.path().to_owned(),
            own,
            front: None,
            remove: Some(directory),
            flavor: PhantomData,
        })
    }

    /// Returns the address of the server itself.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Returns the server, if it is this run's own.
    pub fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// The prefix of a part of this run's keys. Also valid as a NATS subject.
    pub fn namespace(&self, part: &str) -> String {
        format!("{}{part}", self.namespace)
    }

    /// Returns the URL for a store that reaches the server at this address, as the user with the
    /// permissions that a store needs.
    pub fn store_url(&self, address: SocketAddr) -> String {
        let [before, after] = &self.url;
        let by_way = || format!("{before}{address}{after}");
        self.named.clone().unwrap_or_else(by_way)
    }

    /// Returns the URL for a store that reaches the server by its socket.
    pub fn socket_url(&self) -> String {
        let (directory, (user, password)) = (self.directory.display(), LOGIN);
        format!("unix://{directory}/redis.sock?db=3&user={user}&pass={password}")
    }

    /// Returns the way of this place.
    pub async fn way(&self, place: &str) -> io::Result<SocketAddr> {
        self.ways.address(place).await
    }

    /// Changes what happens on the way of this place.
    pub fn set(&self, place: &str, mode: Mode) -> io::Result<()> {
        self.ways.set(place, mode)
    }

    /// Changes back to what usually happens on the way of this place.
    pub fn reset(&self, place: &str) -> io::Result<()> {
        self.ways.reset(place)
    }

    /// Whether the server is a given one that is reached by its name alone, so that no proxy is in
    /// between.
    pub fn is_reached_by_name(&self) -> bool {
        self.named.is_some()
    }

    /// Starts a single node in cluster mode, without a cluster.
    pub fn node_of_a_cluster(&self) -> io::Result<Server> {
        let node = Node::new(F::program()?, &self.directory.join("node"), &self.namespace);
        let bus = free_port()?.to_string();
        let more = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        node.start(free_port()?, more.map(String::from).to_vec())
    }

    /// Starts a further server with these options, and a data directory of this name.
    pub fn another(&self, name: &str, more: &[&str]) -> io::Result<Server> {
        let node = Node::new(F::program()?, &self.directory.join(name), &self.namespace);
        let more = more.iter().map(|word| (*word).to_owned()).collect();
        node.start(free_port()?, more)
    }

    /// The server by the way of this place.
    pub async fn url(&self, place: &str) -> io::Result<String> {
        Ok(self.by(self.way(place).await?))
    }

    /// The prefix of this place's keys.
    pub fn prefix(&self, place: &str) -> String {
        format!("{}{place}:", self.namespace)
    }

    /// Returns the server's URL for a user with all permissions.
    pub fn admin(&self) -> String {
        self.by(self.server)
    }
}

impl Standalone<Tls> {
    /// The certificates that a server of this run and its clients show each other. A given server
    /// has none here.
    pub fn certificates(&self) -> Option<Certificates> {
        let made = self.directory.join("ca.pem").exists();
        made.then(|| Certificates::of(&self.directory))
    }
}

impl<F> Standalone<F> {
    /// Returns the URL by this way, which may be the server's own address, for a user with all
    /// permissions.
    pub fn by(&self, way: SocketAddr) -> String {
        let [before, after] = &self.url;
        // A server that this run started accepts clients without a user name.
        format!("{}{way}{after}", before.replace(USER, ""))
    }
}

fn directory() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("cloakroom-redis-")
        .tempdir()
}

/// The random name of this run's directory, which no other run has.
fn namespace(directory: &TempDir) -> String {
    let name = directory.path().file_name().unwrap_or_default();
    format!("cloakroom-conformance:{}:", name.display())
}

/// The text around host and port, and these as an address.
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
        // A server of this run ends with all its data. A server that another process attached goes
        // on.
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

impl<F: Flavor> Standalone<F> {
    /// Returns what another process needs to attach to this server.
    #[must_use]
    pub fn describe(&self) -> String {
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

    /// The server that [`describe`](Self::describe) describes, in another process.
    #[must_use]
    pub fn attach(description: &str) -> Self {
        let mut lines = description.split('\n');
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
            front: None,
            remove: None,
            flavor: PhantomData,
        }
    }
}
