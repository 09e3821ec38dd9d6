//! A cluster of three masters with a replica each.

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Place};
use cloakroom_redis::{Builder, RedisStore};
use tempfile::TempDir;

use super::{
    Certificates, Flavor, Node, Plain, USER, clean, execute, namespace, not_removed, query,
};
use crate::say;
use crate::servers::{Server, free_port};

/// How long a cluster or its sentinels may take until they agree on what is asked for.
const AGREE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    /// The masters, then each one's replica. None of a given cluster, and in another process.
    nodes: Vec<Server>,
    /// What the store is told.
    url: String,
    namespace: String,
    /// In the process that made it: removes it at the end.
    remove: Option<TempDir>,
}

impl Cluster {
    const MASTERS: usize = 3;

    /// The one that `REDIS_CLUSTER_URL` names, or else one of this run's own.
    pub(crate) fn new() -> io::Result<Self> {
        let Ok(url) = env::var("REDIS_CLUSTER_URL") else {
            return Self::own(Ok);
        };
        if !url.starts_with("redis+cluster://") {
            let text =
                "REDIS_CLUSTER_URL is to be redis+cluster://user:password@host:port,host:port";
            return Err(io::Error::other(text));
        }
        say("server  a cluster, by REDIS_CLUSTER_URL");
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-redis-")
            .tempdir()?;
        Ok(Self {
            nodes: Vec::new(),
            url,
            namespace: namespace(&directory),
            remove: Some(directory),
        })
    }

    /// Clients find the node at `port` where `announced` says.
    pub(crate) fn own(announced: impl Fn(u16) -> io::Result<u16>) -> io::Result<Self> {
        Self::start(announced, false)
    }

    /// One of which clients find the nodes by TLS, and each node the others; with the certificates, and where they are.
    pub(crate) fn with_tls() -> io::Result<(Self, Certificates)> {
        let cluster = Self::start(Ok, true)?;
        let directory = cluster.remove.as_ref().map(TempDir::path);
        let certificates = Certificates::of(directory.unwrap_or_else(|| Path::new("")));
        Ok((cluster, certificates))
    }

    fn start(announced: impl Fn(u16) -> io::Result<u16>, tls: bool) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-redis-")
            .tempdir()?;
        let namespace = namespace(&directory);
        let program = Plain::program()?;
        let certificates = match tls {
            true => Some(Certificates::make(directory.path())?),
            false => None,
        };
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
            let mut more = [
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
            ]
            .map(String::from)
            .to_vec();
            let mut public = announced;
            if let Some(certificates) = &certificates {
                public = free_port()?;
                more.extend(certificates.arguments());
                let public = public.to_string();
                let tls = [
                    "--tls-port",
                    &public,
                    "--tls-cluster",
                    "yes",
                    "--tls-replication",
                    "yes",
                ];
                more.extend(tls.map(String::from));
                more.extend(["--cluster-announce-tls-port".to_owned(), public]);
            }
            nodes.push(node.start(port, more)?);
            addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, public)).to_string());
            buses.push((public, bus));
        }
        let scheme = if tls {
            "rediss+cluster"
        } else {
            "redis+cluster"
        };
        let cluster = Self {
            nodes,
            url: format!("{scheme}://{USER}{}", addresses[..Self::MASTERS].join(",")),
            namespace,
            remove: Some(directory),
        };
        cluster.join(&buses).map_err(io::Error::other)?;
        Ok(cluster)
    }

    fn join(&self, ports: &[(u16, u16)]) -> Result<(), FixtureError> {
        for (port, bus) in &ports[1..] {
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
        RedisStore::builder(&self.url).prefix(&format!("{}{name}:", self.namespace))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What this run started goes with all that is in it; and what another process attached is not over yet.
        if self.remove.is_some()
            && self.nodes.is_empty()
            && let Err(error) = clean_given(&self.url, &self.namespace)
        {
            not_removed(&error);
        }
    }
}

/// Removes all keys of a namespace from each master of a given cluster.
fn clean_given(url: &str, namespace: &str) -> redis::RedisResult<()> {
    let url = url.replacen("redis+cluster", "redis", 1);
    let (head, hosts) = url.split_at(url.rfind('@').map_or("redis://".len(), |at| at + 1));
    let first = hosts.split(',').next().unwrap_or_default();
    let nodes: String = query(&format!("{head}{first}"), "CLUSTER NODES")?;
    for node in nodes.lines().filter(|node| node.contains("master")) {
        let address = match node.contains("myself") {
            // It may not know its own.
            true => first,
            false => node.split([' ', '@']).nth(1).unwrap_or_default(),
        };
        clean(&format!("{head}{address}"), namespace)?;
    }
    Ok(())
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
        [&*self.url, &self.namespace].join("\n")
    }

    fn attach(address: &str) -> Self {
        let (url, namespace) = address.split_once('\n').unwrap_or_default();
        Self {
            nodes: Vec::new(),
            url: url.to_owned(),
            namespace: namespace.to_owned(),
            remove: None,
        }
    }
}
