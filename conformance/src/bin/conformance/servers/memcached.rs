//! Memcached, or with `MEMCACHED_URL` what that names.

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_memcached::{Builder, MemcachedStore};
use tempfile::TempDir;

use super::process::version;
use super::user::User;
use super::{Server, Ways, free_port, program};
use crate::proxy::Mode;
use crate::say;

pub(crate) struct Memcached {
    server: SocketAddr,
    ways: Ways,
    directory: PathBuf,
    /// What the keys of this run begin with. Memcached does not list keys, so that they stay on a given server until they end
    /// or are evicted; of no use to anybody, and in nobody's way.
    namespace: String,
    /// In the process that started it, if it is not another's server.
    own: Option<Server>,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Memcached {
    /// With these options too, if it is this run's own.
    pub(crate) fn new(options: &[&str]) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-memcached-")
            .tempdir()?;
        let (server, own) = match env::var("MEMCACHED_URL") {
            Ok(url) => {
                let server = address(&url)?;
                say(format_args!(
                    "server  memcached at {server}, by MEMCACHED_URL"
                ));
                (server, None)
            }
            Err(_) => {
                let own = start(options)?;
                (own.address(), Some(own))
            }
        };
        // What no other run has: the random name of its directory.
        let name = directory.path().file_name().unwrap_or_default();
        Ok(Self {
            server,
            ways: Ways::new(server, &directory.path().join("ways"))?,
            namespace: format!("{}:", name.display()),
            directory: directory.path().to_owned(),
            own,
            _remove: Some(directory),
        })
    }

    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    /// The server by the way of this place.
    pub(crate) async fn way(&self, place: &Place) -> Result<SocketAddr, FixtureError> {
        self.ways.address(place).await
    }

    /// What the keys of this place begin with.
    pub(crate) fn prefix(&self, place: &Place) -> String {
        format!("{}{}:", self.namespace, place.name())
    }

    /// The server, if it is this run's own.
    pub(crate) fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// A store that reaches the server at this address; its keys begin with the run's and this name.
    pub(crate) fn builder(&self, address: SocketAddr, name: &str) -> Builder {
        MemcachedStore::builder(&format!("memcached://{address}"))
            .prefix(&format!("{}{name}:", self.namespace))
    }
}

/// A server of this run's own, with more options.
pub(crate) fn start(options: &[&str]) -> io::Result<Server> {
    let program = program("memcached", "memcached", &[])?;
    say(format_args!("server  {}", version(&program)?));
    let user = User::other_than_root(&["memcache", "nobody"])?;
    let port = free_port()?;
    let port_text = port.to_string();
    let mut arguments = vec!["--port", &port_text, "--listen", "127.0.0.1"];
    arguments.extend(options);
    let (program, arguments) = user.run(&program, &arguments);
    Server::start(&program, arguments, port)
}

fn address(url: &str) -> io::Result<SocketAddr> {
    let wrong = || io::Error::other("MEMCACHED_URL is to be memcached://host:port");
    let host = url.strip_prefix("memcached://").ok_or_else(wrong)?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let host = match host.contains(':') {
        true => host.to_owned(),
        false => format!("{host}:11211"),
    };
    host.to_socket_addrs()?.next().ok_or_else(wrong)
}

impl Fixture for Memcached {
    type Store = MemcachedStore;
    const NAME: &'static str = "memcached";
    /// What a server takes that nobody has told otherwise is a little less than a MiB.
    const MAX_VALUE: usize = 1_000_000;

    async fn open(&self, place: &Place) -> Result<MemcachedStore, FixtureError> {
        let way = self.ways.address(place).await?;
        // With few connections, because many cases run at once, and each has handles of its own.
        let store = self.builder(way, place.name()).max_connections(4).connect();
        Ok(store.await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .never(Ability::Directory, "Memcached cannot list")
            .never(Ability::Sweep, "the server removes what has expired")
            // The server's clock ticks once in a second.
            .real_time(Duration::from_secs(2))
    }
}

impl Attach for Memcached {
    fn address(&self) -> String {
        let (server, directory) = (
            self.server.to_string(),
            self.directory.display().to_string(),
        );
        [&server, &directory, &self.namespace]
            .map(String::as_str)
            .join("\n")
    }

    fn attach(address: &str) -> Self {
        let mut lines = address.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        #[expect(clippy::expect_used, reason = "this program wrote it")]
        let server = line().parse().expect("an address");
        let directory = PathBuf::from(line());
        Self {
            server,
            ways: Ways::find(server, &directory.join("ways")),
            directory,
            namespace: line().to_owned(),
            own: None,
            _remove: None,
        }
    }
}

impl Outage for Memcached {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Cut)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Pass)
    }
}
