//! A master with a replica, watched by three sentinels.

use std::env;
use std::fs;
use std::io;

use tempfile::TempDir;

use super::cluster::{agree, arrived};
use super::{Certificates, DATABASE, Flavor, Node, Plain, USER, execute, namespace, query};
use crate::Failure;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;

/// Milliseconds of silence after which the sentinels replace the master: where a case waited for
/// its replica, and elsewhere. On a busy machine a master may answer late, and unreplicated writes
/// would be lost.
const SOON: u32 = 1_000;
const NEVER: u32 = 86_400_000;

/// A master with a replica, watched by sentinels.
pub struct Sentinel {
    /// The one that begins as master, and its replica.
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    /// The store's options, and the sentinels' user and password.
    url: String,
    login: Option<[String; 2]>,
    namespace: String,
    /// Removed at the end.
    remove: TempDir,
}

impl Sentinel {
    /// The master's name at the sentinels, and the password that they require.
    const MASTER: &'static str = "sessions";
    const LOGIN: [&'static str; 2] = ["default", "watchman"];

    /// The sentinels of `REDIS_SENTINEL_URL`, with the login of `REDIS_SENTINEL_LOGIN`. Without
    /// these, some of this run's own.
    pub fn new() -> io::Result<Self> {
        let Ok(url) = env::var("REDIS_SENTINEL_URL") else {
            return Self::own();
        };
        if !url.starts_with("redis+sentinel://") {
            let text = "REDIS_SENTINEL_URL is to be redis+sentinel://user:password@host:port,host:port/name-of-master/database";
            return Err(io::Error::other(text));
        }
        say(
            "server  a master behind sentinels, by REDIS_SENTINEL_URL; what this run makes there ends by itself",
        );
        let login = env::var("REDIS_SENTINEL_LOGIN").ok();
        let login = login.as_deref().and_then(|login| login.split_once(':'));
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-redis-")
            .tempdir()?;
        Ok(Self {
            servers: Vec::new(),
            sentinels: Vec::new(),
            url,
            login: login.map(|(user, password)| [user, password].map(String::from)),
            namespace: namespace(&directory),
            remove: directory,
        })
    }

    /// Starts servers of this run's own, even if some are given.
    pub fn own() -> io::Result<Self> {
        Self::start(false)
    }

    /// All of them by TLS, and the certificates.
    pub fn with_tls() -> io::Result<(Self, Certificates)> {
        let sentinel = Self::start(true)?;
        let certificates = Certificates::of(sentinel.remove.path());
        Ok((sentinel, certificates))
    }

    fn start(tls: bool) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-redis-")
            .tempdir()?;
        let namespace = namespace(&directory);
        let program = Plain::program()?;
        let node =
            |name: &str| Node::new(program.clone(), &directory.path().join(name), &namespace);
        node("master").say()?;
        let certificates = match tls {
            true => Some(Certificates::make(directory.path())?),
            false => None,
        };
        // The address that clients use for a server, with its TLS options.
        let public = |plain: u16| match &certificates {
            None => Ok((plain, Vec::new())),
            Some(certificates) => {
                let mut settings = certificates.settings().to_vec();
                let port = free_port()?;
                settings.push(("tls-port", port.to_string()));
                settings.push(("tls-replication", "yes".to_owned()));
                Ok::<_, io::Error>((port, settings))
            }
        };
        let arguments = |settings: Vec<(&'static str, String)>| {
            let settings = settings.into_iter();
            settings.flat_map(|(name, value)| [format!("--{name}"), value])
        };
        let plain = free_port()?;
        let (port, settings) = public(plain)?;
        let master = node("master").start(plain, arguments(settings).collect())?;
        let plain = free_port()?;
        let (_, settings) = public(plain)?;
        let replica = ["--replicaof", "127.0.0.1", &port.to_string()].map(String::from);
        let replica = arguments(settings).chain(replica);
        let replica = node("replica").start(plain, replica.collect())?;
        let (mut sentinels, mut addresses) = (Vec::new(), Vec::new());
        for index in 0..3 {
            let port_of_sentinel = free_port()?;
            let (public, settings_of_tls) = public(port_of_sentinel)?;
            let place = directory.path().join(format!("sentinel-{index}"));
            fs::create_dir(&place)?;
            let (name, [_, password]) = (Self::MASTER, Self::LOGIN);
            let settings = place.join("sentinel.conf");
            let tls = settings_of_tls.into_iter();
            let tls: String = tls
                .map(|(name, value)| format!("{name} {value}\n"))
                .collect();
            let lines = format!(
                "{tls}bind 127.0.0.1\nport {port_of_sentinel}\ndir {}\nrequirepass {password}\n\
                 sentinel sentinel-pass {password}\n\
                 sentinel monitor {name} 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds {name} {NEVER}\n\
                 sentinel failover-timeout {name} 2000\n",
                place.display()
            );
            fs::write(&settings, lines)?;
            let arguments = [settings.display().to_string(), "--sentinel".to_owned()];
            sentinels.push(Server::start(&program, arguments, port_of_sentinel)?);
            addresses.push(format!("127.0.0.1:{public}"));
        }
        let scheme = if tls {
            "rediss+sentinel"
        } else {
            "redis+sentinel"
        };
        let (addresses, master_name) = (addresses.join(","), Self::MASTER);
        let sentinel = Self {
            servers: vec![master, replica],
            sentinels,
            url: format!("{scheme}://{USER}{addresses}/{master_name}{DATABASE}"),
            login: Some(Self::LOGIN.map(String::from)),
            namespace,
            remove: directory,
        };
        sentinel.whole().map_err(io::Error::other)?;
        Ok(sentinel)
    }

    /// Waits until each sentinel has found the replica and the other sentinels.
    pub fn whole(&self) -> Result<(), Failure> {
        let [_, password] = Self::LOGIN;
        agree("the sentinels", || {
            for sentinel in &self.sentinels {
                let url = format!("redis://:{password}@{}", sentinel.address());
                let info: String = query(&url, "INFO sentinel")?;
                if !(info.contains("status=ok") && info.contains("slaves=1,sentinels=3")) {
                    return Ok(false);
                }
            }
            let replication = self.servers.iter().map(|server| {
                query::<String>(&format!("redis://{}", server.address()), "INFO replication")
            });
            let replication = replication.collect::<Result<Vec<_>, _>>()?.concat();
            Ok(replication.contains("master_link_status:up")
                && replication.contains("state=online"))
        })
    }

    /// Waits until the replica has the master's data. From then on the sentinels replace a master
    /// that does not answer, until [`end_failovers`](Self::end_failovers).
    pub fn begin_failovers(&self) -> Result<(), Failure> {
        for server in &self.servers {
            let admin = format!("redis://{}", server.address());
            if query::<String>(&admin, "INFO replication")?.contains("role:master") {
                arrived(&admin)?;
            }
        }
        self.set_down_after(SOON)
    }

    /// Waits until everything is whole, and keeps the master as it is from then on.
    pub fn end_failovers(&self) -> Result<(), Failure> {
        self.whole()?;
        self.set_down_after(NEVER)
    }

    fn set_down_after(&self, milliseconds: u32) -> Result<(), Failure> {
        let ([_, password], name) = (Self::LOGIN, Self::MASTER);
        for sentinel in &self.sentinels {
            let url = format!("redis://:{password}@{}", sentinel.address());
            let command = format!("SENTINEL SET {name} down-after-milliseconds {milliseconds}");
            execute(&url, &command)?;
        }
        Ok(())
    }

    /// The server that is master at the beginning, and its replica.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Returns the URL for a store at one of the servers, master or replica.
    pub fn url_at(&self, server: &Server) -> String {
        format!("redis://{USER}{}{DATABASE}", server.address())
    }

    /// Returns the URL for a store.
    pub fn store_url(&self) -> &str {
        &self.url
    }

    /// Returns user and password for the sentinels.
    pub fn login(&self) -> Option<&[String; 2]> {
        self.login.as_ref()
    }

    /// The prefix of this place's keys.
    pub fn prefix(&self, place: &str) -> String {
        format!("{}{place}:", self.namespace)
    }

    /// A client of the redis crate for a kind of server, with every permission there.
    pub fn client(
        &self,
        server: redis::sentinel::SentinelServerType,
    ) -> redis::RedisResult<redis::sentinel::SentinelClient> {
        let sentinels = self.sentinels.iter().map(|sentinel| {
            let address = sentinel.address();
            redis::ConnectionAddr::Tcp(address.ip().to_string(), address.port())
        });
        let builder = redis::sentinel::SentinelClientBuilder::new(sentinels, Self::MASTER, server)?;
        let [user, password] = Self::LOGIN;
        builder
            .set_client_to_sentinel_username(user)
            .set_client_to_sentinel_password(password)
            .build()
    }
}
