//! A cluster of three masters with a replica each.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Place};
use cloakroom_redis::{Builder, RedisStore};
use tempfile::TempDir;

use super::{Flavor, Node, Plain, USER, execute, namespace, query};
use crate::servers::{Server, free_port};

/// How long a cluster or its sentinels may take until they agree on what is asked for.
const AGREE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    /// The masters, then each one's replica.
    nodes: Vec<Server>,
    addresses: Vec<SocketAddr>,
    namespace: String,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Cluster {
    const MASTERS: usize = 3;

    /// Clients find the node at `port` where `announced` says.
    pub(crate) fn new(announced: impl Fn(u16) -> io::Result<u16>) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-redis-")
            .tempdir()?;
        let namespace = namespace(&directory);
        let program = Plain::program()?;
        let mut nodes = Vec::new();
        let mut addresses = Vec::new();
        let mut buses = Vec::new();
        for index in 0..2 * Self::MASTERS {
            let place = directory.path().join(index.to_string());
            let node = Node::new(program.clone(), &place, &namespace);
            if index == 0 {
                node.say()?;
            }
            let (port, bus) = (free_port()?, free_port()?);
            let announced = announced(port)?;
            let more = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--cluster-port",
                &bus.to_string(),
                "--cluster-announce-ip",
                "127.0.0.1",
                "--cluster-announce-port",
                &announced.to_string(),
                "--cluster-announce-bus-port",
                &bus.to_string(),
                // A master whose replica is not there yet is to be replaced all the same.
                "--cluster-replica-validity-factor",
                "0",
                "--repl-ping-replica-period",
                "1",
            ];
            nodes.push(node.start(port, more.map(String::from).to_vec())?);
            addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, announced)));
            buses.push(bus);
        }
        let cluster = Self {
            nodes,
            addresses,
            namespace,
            _remove: Some(directory),
        };
        cluster.join(&buses).map_err(io::Error::other)?;
        Ok(cluster)
    }

    fn join(&self, buses: &[u16]) -> Result<(), FixtureError> {
        for (index, bus) in buses.iter().enumerate().skip(1) {
            let port = self.nodes[index].address().port();
            self.tell(0, &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"))?;
        }
        let slots = ["0 5460", "5461 10922", "10923 16383"];
        for (master, slots) in slots.iter().enumerate() {
            self.tell(master, &format!("CLUSTER ADDSLOTSRANGE {slots}"))?;
        }
        for master in 0..Self::MASTERS {
            let id: String = query(&self.admin(master), "CLUSTER MYID")?;
            let replica = master + Self::MASTERS;
            agree("a node to know its master", || {
                let known = self.ask(replica, "CLUSTER NODES")?;
                Ok(known.contains(&id))
            })?;
            self.tell(replica, &format!("CLUSTER REPLICATE {id}"))?;
        }
        self.whole()
    }

    /// Waits until all nodes know each other, every slot is served, and every master that lives has its replica.
    pub(crate) fn whole(&self) -> Result<(), FixtureError> {
        agree("the cluster", || {
            for index in 0..self.nodes.len() {
                let nodes = self.ask(index, "CLUSTER NODES")?;
                let state = self.ask(index, "CLUSTER INFO")?;
                let role = self.ask(index, "INFO replication")?;
                let whole = nodes.lines().count() == self.nodes.len()
                    && !nodes.contains("fail")
                    && state.contains("cluster_state:ok")
                    && (role.contains("master_link_status:up") || role.contains("state=online"));
                if !whole {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    fn ask(&self, index: usize, command: &str) -> redis::RedisResult<String> {
        query(&self.admin(index), command)
    }

    fn tell(&self, index: usize, command: &str) -> redis::RedisResult<()> {
        execute(&self.admin(index), command)
    }

    /// A node, for whoever may do everything there.
    pub(crate) fn admin(&self, index: usize) -> String {
        format!("redis://{}", self.nodes[index].address())
    }

    pub(crate) fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// What a record's key is called on the server.
    pub(crate) fn key(&self, name: &str, key: &str) -> String {
        format!("{}{name}:{key}", self.namespace)
    }

    pub(crate) fn builder(&self, name: &str) -> Builder {
        let [first, second, third, ..] = &self.addresses[..] else {
            return RedisStore::builder("");
        };
        RedisStore::builder(&format!("redis+cluster://{USER}{first},{second},{third}"))
            .prefix(&format!("{}{name}:", self.namespace))
    }
}

/// Waits until the replicas of a master have what it has now.
pub(crate) fn arrived(master: &str) -> Result<(), FixtureError> {
    let number = |info: &str, name: &str| {
        let (_, rest) = info.split_once(name)?;
        rest.split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse::<u64>()
            .ok()
    };
    let now: String = query(master, "INFO replication")?;
    let now = number(&now, "master_repl_offset:");
    agree("the replica", || {
        let info: String = query(master, "INFO replication")?;
        let there = number(&info, ",offset=");
        Ok(there.is_some() && there >= now)
    })
}

/// Waits until a question is answered by yes.
pub(crate) fn agree(
    what: &str,
    mut question: impl FnMut() -> redis::RedisResult<bool>,
) -> Result<(), FixtureError> {
    let begin = Instant::now();
    loop {
        let answer = question();
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        if begin.elapsed() > AGREE {
            let seconds = AGREE.as_secs();
            return Err(match answer {
                Err(error) => format!("{what} took longer than {seconds} s: {error}").into(),
                Ok(_) => format!("{what} took longer than {seconds} s").into(),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

impl Fixture for Cluster {
    type Store = RedisStore;
    const NAME: &'static str = "redis-cluster";

    async fn open(&self, place: &Place) -> Result<RedisStore, FixtureError> {
        Ok(self.builder(place.name()).connect().await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .directory()
            .never(Ability::Sweep, "the servers remove what has expired")
            .never(
                Ability::Outage,
                "a node is not taken from one case alone; outages are among the faults",
            )
            .real_time(Duration::from_millis(100))
    }
}

impl Attach for Cluster {
    fn address(&self) -> String {
        let addresses = self.addresses.iter().map(SocketAddr::to_string);
        let words: Vec<_> = addresses.chain([self.namespace.clone()]).collect();
        words.join("\n")
    }

    fn attach(address: &str) -> Self {
        let mut lines: Vec<_> = address.lines().collect();
        let namespace = lines.pop().unwrap_or_default().to_owned();
        Self {
            nodes: Vec::new(),
            addresses: lines.iter().filter_map(|line| line.parse().ok()).collect(),
            namespace,
            _remove: None,
        }
    }
}
