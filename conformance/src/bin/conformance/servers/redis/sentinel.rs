//! A master with a replica, watched by three sentinels.

use std::env;
use std::fs;
use std::io;
use std::time::Duration;

use cloakroom_conformance::store::{Ability, Claims, Fixture, FixtureError, Place};
use cloakroom_redis::{Builder, RedisStore};
use tempfile::TempDir;

use super::cluster::agree;
use super::{Certificates, DATABASE, Flavor, Node, Plain, USER, namespace, query};
use crate::say;
use crate::servers::{Server, free_port};

pub(crate) struct Sentinel {
    /// The one that begins as master, and its replica.
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    /// What the store is told, and user and password for the sentinels.
    url: String,
    login: Option<[String; 2]>,
    namespace: String,
    /// Removed at the end.
    remove: TempDir,
}

impl Sentinel {
    /// What the sentinels call the master, and want to hear from their clients.
    const MASTER: &'static str = "sessions";
    const LOGIN: [&'static str; 2] = ["default", "watchman"];

    /// Those that `REDIS_SENTINEL_URL` names, with what `REDIS_SENTINEL_LOGIN` says to the sentinels; or else some of this run's own.
    pub(crate) fn new() -> io::Result<Self> {
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

    pub(crate) fn own() -> io::Result<Self> {
        Self::start(false)
    }

    /// All of them by TLS, and the certificates.
    pub(crate) fn with_tls() -> io::Result<(Self, Certificates)> {
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
        // Where clients find a server, and with TLS what it is told of that.
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
                 sentinel down-after-milliseconds {name} 1000\n\
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

    /// Waits until each sentinel knows the replica and the other sentinels.
    pub(crate) fn whole(&self) -> Result<(), FixtureError> {
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

    /// The server that is master at the beginning, and its replica.
    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// A store at one of the servers, whatever that is.
    pub(crate) fn at(&self, server: &Server, name: &str) -> Builder {
        let address = server.address();
        RedisStore::builder(&format!("redis://{USER}{address}{DATABASE}"))
            .prefix(&self.prefix(name))
    }

    pub(crate) fn builder(&self, name: &str) -> Builder {
        let builder = RedisStore::builder(&self.url).prefix(&self.prefix(name));
        match &self.login {
            Some([user, password]) => builder.sentinel_login(user, password),
            None => builder,
        }
    }

    fn prefix(&self, name: &str) -> String {
        format!("{}{name}:", self.namespace)
    }
}

impl Fixture for Sentinel {
    type Store = RedisStore;
    const NAME: &'static str = "redis-sentinel";

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        Ok(self.builder(place.name()).connect().await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        const ELSEWHERE: &str = "as `redis`: the sentinels only say where the server is";
        claims
            .handles_by_open()
            .durable()
            .directory()
            .never(Ability::Shared, ELSEWHERE)
            .never(Ability::SurvivesKill, ELSEWHERE)
            .never(Ability::Sweep, "the server removes what has expired")
            .never(
                Ability::Outage,
                "a server is not taken from one case alone; outages are among the faults",
            )
            .real_time(Duration::from_millis(100))
    }
}
