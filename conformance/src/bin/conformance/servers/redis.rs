//! Redis, and what speaks its protocol.

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_redis::{Builder, RedisStore};
use tempfile::TempDir;

use super::process::version;
use super::{Server, Ways, free_port, program};
use crate::proxy::Mode;
use crate::say;

pub(crate) struct Redis {
    /// Up to the host, and from behind the port on: a way has another host and port.
    url: [String; 2],
    server: SocketAddr,
    ways: Ways,
    directory: PathBuf,
    /// What the keys of this run begin with.
    namespace: String,
    /// In the process that started it, if it is not another's server.
    own: Option<Server>,
    /// In the process that made it: removes it at the end.
    remove: Option<TempDir>,
}

impl Redis {
    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    pub(crate) fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// The server by this way, which may be its own address.
    pub(crate) fn by(&self, way: SocketAddr) -> String {
        let [before, after] = &self.url;
        format!("{before}{way}{after}")
    }

    /// What the keys of a part of this run begin with. Good for a NATS subject too.
    pub(crate) fn namespace(&self, part: &str) -> String {
        format!("{}{part}", self.namespace)
    }

    /// A store that reaches the server at this address; its keys begin with the run's and this name.
    pub(crate) fn builder(&self, address: SocketAddr, name: &str) -> Builder {
        RedisStore::builder(&self.by(address)).prefix(&format!("{}{name}:", self.namespace))
    }

    /// The server by the way of this place.
    pub(crate) async fn url(&self, place: &Place) -> Result<String, FixtureError> {
        let [before, after] = &self.url;
        Ok(format!(
            "{before}{}{after}",
            self.ways.address(place).await?
        ))
    }

    /// What the keys of this place begin with.
    pub(crate) fn prefix(&self, place: &Place) -> String {
        format!("{}{}:", self.namespace, place.name())
    }

    /// Makes the server forget what scripts it knows.
    pub(crate) fn forget_scripts(&self) -> redis::RedisResult<()> {
        let mut connection = redis::Client::open(self.by(self.server))?.get_connection()?;
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connection)
    }

    pub(crate) fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-redis-")
            .tempdir()?;
        let (url, server, own) = match env::var("REDIS_URL") {
            Ok(url) => {
                let (url, server) = split(&url)?;
                say(format_args!("server  redis at {server}, by REDIS_URL"));
                (url, server, None)
            }
            Err(_) => {
                let own = start(&directory)?;
                let url = ["redis://".to_owned(), String::new()];
                (url, own.address(), Some(own))
            }
        };
        Ok(Self {
            url,
            server,
            ways: Ways::new(server, &directory.path().join("ways"))?,
            namespace: namespace(&directory),
            directory: directory.path().to_owned(),
            own,
            remove: Some(directory),
        })
    }
}

/// What no other run has: the random name of its directory.
fn namespace(directory: &TempDir) -> String {
    let name = directory.path().file_name().unwrap_or_default();
    format!("cloakroom-conformance:{}:", name.display())
}

fn start(directory: &TempDir) -> io::Result<Server> {
    let program = program("redis-server", "redis-server", &[])?;
    say(format_args!("server  {}", version(&program)?));
    let port = free_port()?;
    let (port_text, directory) = (port.to_string(), directory.path().display().to_string());
    let arguments = [
        "--bind",
        "127.0.0.1",
        "--port",
        &port_text,
        "--dir",
        &directory,
        "--save",
        "",
        // What was answered is to outlast a kill.
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--daemonize",
        "no",
    ];
    Server::start(&program, arguments, port)
}

/// What stands around host and port, and these as an address.
fn split(url: &str) -> io::Result<([String; 2], SocketAddr)> {
    let wrong = || io::Error::other("REDIS_URL is to be redis://user:password@host:port/database");
    let rest = url.strip_prefix("redis://").ok_or_else(wrong)?;
    let path = rest.find('/').unwrap_or(rest.len());
    let host = rest[..path].rfind('@').map_or(0, |at| at + 1);
    let name = &rest[host..path];
    let name = match name.contains(':') {
        true => name.to_owned(),
        false => format!("{name}:6379"),
    };
    let server = name.to_socket_addrs()?.next().ok_or_else(wrong)?;
    let around = [
        format!("redis://{}", &rest[..host]),
        rest[path..].to_owned(),
    ];
    Ok((around, server))
}

impl Drop for Redis {
    fn drop(&mut self) {
        // A server of this run's own goes with all that is in it; and what another process attached is not over yet.
        if self.own.is_some() || self.remove.is_none() {
            return;
        }
        if let Err(error) = clean(&self.by(self.server), &self.namespace) {
            say(format_args!(
                "server  redis could not be cleaned up: {}",
                error.category()
            ));
        }
    }
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
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).exec(&mut connection)?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

impl Fixture for Redis {
    type Store = RedisStore;
    const NAME: &'static str = "redis";

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        let way = self.ways.address(place).await?;
        let store = self.builder(way, place.name()).connect();
        Ok(store.await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .never(Ability::Sweep, "the server removes what has expired")
            .real_time(std::time::Duration::from_millis(100))
    }
}

impl Attach for Redis {
    fn address(&self) -> String {
        let [before, after] = &self.url;
        let directory = self.directory.display();
        [
            before,
            after,
            &self.server.to_string(),
            &directory.to_string(),
            &self.namespace,
        ]
        .map(String::as_str)
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
        Self {
            url,
            server,
            ways: Ways::find(server, &directory.join("ways")),
            directory,
            namespace,
            own: None,
            remove: None,
        }
    }
}

impl Outage for Redis {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Cut)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Pass)
    }
}
