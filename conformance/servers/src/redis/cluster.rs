//! A cluster of three masters with a replica each.

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{
    Certificates, Flavor, Node, Plain, USER, clean, execute, namespace, not_removed, query,
};
use crate::Failure;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;

/// How long a cluster or its sentinels may take until they agree on what is asked for.
const AGREE: Duration = Duration::from_secs(180);

/// A Redis Cluster for this run, or the one that `REDIS_CLUSTER_URL` names.
pub struct Cluster {
    /// The masters, then each one's replica. None for a given cluster, or in another process.
    nodes: Vec<Server>,
    /// The store's options.
    url: String,
    namespace: String,
    /// In the process that made it: removes it at the end.
    remove: Option<TempDir>,
}

impl Cluster {
    const MASTERS: usize = 3;

    /// The one that `REDIS_CLUSTER_URL` names, or else one of this run's own.
    pub fn new() -> io::Result<Self> {
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

    /// Clients find the node of `port` at the port `announced`.
    pub fn own(announced: impl Fn(u16) -> io::Result<u16>) -> io::Result<Self> {
        Self::start(announced, false)
    }

    /// One of which clients find the nodes by TLS, and each node the others; with the certificates,
    /// and where they are.
    pub fn with_tls() -> io::Result<(Self, Certificates)> {
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
                // A master is replaced even if its replica has not caught up.
                "--cluster-replica-validity-factor",
                "0",
                "--repl-ping-replica-period",
                "1",
                // On a busy machine a master may answer late. What its replica does not have yet
                // would be lost, so a replica takes over only where a case waited for it.
                "--cluster-replica-no-failover",
                "yes",
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

    fn join(&self, ports: &[(u16, u16)]) -> Result<(), Failure> {
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

    /// Waits until all nodes know each other, every slot is served, and every master that lives has
    /// its replica.
    pub fn whole(&self) -> Result<(), Failure> {
        agree("the cluster", || {
            for index in 0..self.nodes.len() {
                let nodes = self.ask(index, "CLUSTER NODES")?;
                let state = self.ask(index, "CLUSTER INFO")?;
                let role = self.ask(index, "INFO replication")?;
                let whole = nodes.lines().count() == self.nodes.len()
                    && !nodes.lines().any(fails)
                    && state.contains("cluster_state:ok")
                    && (role.contains("master_link_status:up") || role.contains("state=online"));
                if !whole {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Waits until every replica has what its master has now, and from then on lets replicas take
    /// over. Until [`end_failovers`](Self::end_failovers), a master that stands still loses its
    /// role.
    pub fn begin_failovers(&self) -> Result<(), Failure> {
        for index in 0..self.nodes.len() {
            if self.ask(index, "INFO replication")?.contains("role:master") {
                arrived(&self.admin(index))?;
            }
        }
        self.set_failovers("no")
    }

    /// Waits until the cluster is whole, and keeps every role as it is from then on.
    pub fn end_failovers(&self) -> Result<(), Failure> {
        self.whole()?;
        self.set_failovers("yes")
    }

    fn set_failovers(&self, forbidden: &str) -> Result<(), Failure> {
        for index in 0..self.nodes.len() {
            self.tell(
                index,
                &format!("CONFIG SET cluster-replica-no-failover {forbidden}"),
            )?;
        }
        Ok(())
    }

    fn ask(&self, index: usize, command: &str) -> redis::RedisResult<String> {
        query(&self.admin(index), command)
    }

    fn tell(&self, index: usize, command: &str) -> redis::RedisResult<()> {
        execute(&self.admin(index), command)
    }

    /// Returns the URL of a node for a user with all permissions.
    pub fn admin(&self, index: usize) -> String {
        format!("redis://{}", self.nodes[index].address())
    }

    /// Returns the nodes, if they are this run's own.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The name of a record's key on the server.
    pub fn key(&self, name: &str, key: &str) -> String {
        format!("{}{name}:{key}", self.namespace)
    }

    /// Returns the URL for a store.
    pub fn store_url(&self) -> &str {
        &self.url
    }

    /// The prefix of this place's keys.
    pub fn prefix(&self, place: &str) -> String {
        format!("{}{place}:", self.namespace)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Servers of this run end with all their data. Those that another process attached go on.
        if self.remove.is_some()
            && self.nodes.is_empty()
            && let Err(error) = clean_given(&self.url, &self.namespace)
        {
            not_removed(&error);
        }
    }
}

/// Whether a line of `CLUSTER NODES` is about a node that is thought to have failed. The flag
/// `nofailover` says nothing of the kind.
fn fails(line: &str) -> bool {
    let flags = line.split(' ').nth(2).unwrap_or_default();
    flags
        .split(',')
        .any(|flag| flag == "fail" || flag == "fail?")
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
pub fn arrived(master: &str) -> Result<(), Failure> {
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
pub fn agree(
    what: &str,
    mut question: impl FnMut() -> redis::RedisResult<bool>,
) -> Result<(), Failure> {
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

impl Cluster {
    /// Returns what another process needs to attach to this cluster.
    #[must_use]
    pub fn describe(&self) -> String {
        [&*self.url, &self.namespace].join("\n")
    }

    /// The cluster that [`describe`](Self::describe) describes, in another process.
    #[must_use]
    pub fn attach(description: &str) -> Self {
        let (url, namespace) = description.split_once('\n').unwrap_or_default();
        Self {
            nodes: Vec::new(),
            url: url.to_owned(),
            namespace: namespace.to_owned(),
            remove: None,
        }
    }
}
