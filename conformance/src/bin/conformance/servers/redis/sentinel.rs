//! A master with a replica, watched by three sentinels.

use std::fs;
use std::io;
use std::time::Duration;

use cloakroom_conformance::store::{Ability, Claims, Fixture, FixtureError, Place};
use cloakroom_redis::{Builder, RedisStore};
use tempfile::TempDir;

use super::cluster::agree;
use super::{DATABASE, Flavor, Node, Plain, USER, namespace, query};
use crate::servers::{Server, free_port};

pub(crate) struct Sentinel {
    /// The one that begins as master, and its replica.
    servers: [Server; 2],
    sentinels: Vec<Server>,
    namespace: String,
    /// Removed at the end.
    _remove: TempDir,
}

impl Sentinel {
    /// What the sentinels call the master, and want to hear from their clients.
    const MASTER: &'static str = "sessions";
    const LOGIN: [&'static str; 2] = ["default", "watchman"];

    pub(crate) fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-redis-")
            .tempdir()?;
        let namespace = namespace(&directory);
        let program = Plain::program()?;
        let node =
            |name: &str| Node::new(program.clone(), &directory.path().join(name), &namespace);
        node("master").say()?;
        let master = node("master").start(free_port()?, Vec::new())?;
        let port = master.address().port();
        let replica = ["--replicaof", "127.0.0.1", &port.to_string()].map(String::from);
        let replica = node("replica").start(free_port()?, replica.to_vec())?;
        let mut sentinels = Vec::new();
        for index in 0..3 {
            let port_of_sentinel = free_port()?;
            let place = directory.path().join(format!("sentinel-{index}"));
            fs::create_dir(&place)?;
            let (name, [_, password]) = (Self::MASTER, Self::LOGIN);
            let settings = place.join("sentinel.conf");
            let lines = format!(
                "bind 127.0.0.1\nport {port_of_sentinel}\ndir {}\nrequirepass {password}\n\
                 sentinel sentinel-pass {password}\n\
                 sentinel monitor {name} 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds {name} 1000\n\
                 sentinel failover-timeout {name} 2000\n",
                place.display()
            );
            fs::write(&settings, lines)?;
            let arguments = [settings.display().to_string(), "--sentinel".to_owned()];
            sentinels.push(Server::start(&program, arguments, port_of_sentinel)?);
        }
        let sentinel = Self {
            servers: [master, replica],
            sentinels,
            namespace,
            _remove: directory,
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
    pub(crate) fn servers(&self) -> &[Server; 2] {
        &self.servers
    }

    /// A store at one of the servers, whatever that is.
    pub(crate) fn at(&self, server: &Server, name: &str) -> Builder {
        let address = server.address();
        RedisStore::builder(&format!("redis://{USER}{address}{DATABASE}"))
            .prefix(&self.prefix(name))
    }

    pub(crate) fn builder(&self, name: &str) -> Builder {
        let sentinels: Vec<_> = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.address().to_string())
            .collect();
        let (sentinels, master) = (sentinels.join(","), Self::MASTER);
        let [user, password] = Self::LOGIN;
        RedisStore::builder(&format!(
            "redis+sentinel://{USER}{sentinels}/{master}{DATABASE}"
        ))
        .sentinel_login(user, password)
        .prefix(&self.prefix(name))
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
