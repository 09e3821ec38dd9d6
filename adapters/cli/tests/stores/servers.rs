//! The stores that a URL can name, each on a server of the test's own.

use std::any::Any;
use std::io::{Error, ErrorKind, Result};

use cloakroom_conformance::Tally;
use cloakroom_servers::redis::Flavor;
use cloakroom_servers::{
    Dialect, MongoDb, Redis, RedisCluster, Standalone, Valkey, mariadb, memcached, mysql, postgres,
    say,
};

/// A server, and its store's abilities.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// Lists the sessions of a subject.
    pub(crate) lists: bool,
    /// Goes through all records.
    pub(crate) enumerates: bool,
    /// Removes expired records when it is asked to.
    pub(crate) sweeps: bool,
    _kept: Box<dyn Any>,
}

impl Server {
    /// Starts it. `None`: there is none to be had here, and the test is skipped by name.
    pub(crate) fn start(name: &'static str) -> Option<Self> {
        match Self::started(name) {
            Ok(server) => Some(server),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                assert!(!Tally::all_required(), "{name}: {error}");
                say(format_args!("skipped cli/stores[{name}]: {error}"));
                None
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }

    fn started(name: &'static str) -> Result<Self> {
        let (url, kept): (String, Box<dyn Any>) = match name {
            "file" | "sqlite" => {
                let directory = tempfile::tempdir()?;
                let path = directory.path().display();
                let url = match name {
                    "file" => format!("file:{path}/sessions"),
                    _ => format!("sqlite:{path}/sessions.db"),
                };
                (url, Box::new(directory))
            }
            "redis" => {
                let server = Redis::start()?;
                (server.admin(), Box::new(server))
            }
            "valkey" => valkey::<Valkey>()?,
            "redis-cluster" => {
                let cluster = RedisCluster::own(Ok)?;
                let nodes = cluster.nodes().iter();
                let nodes: Vec<_> = nodes.map(|node| node.address().to_string()).collect();
                let url = format!("redis+cluster://{}", nodes[..3].join(","));
                (url, Box::new(cluster))
            }
            "memcached" => {
                let server = memcached::start(&[])?;
                let url = format!("memcached://{}", server.address());
                (url, Box::new(server))
            }
            "mongodb" => {
                let server = MongoDb::new()?;
                server.own().ok_or_else(given)?;
                let url = server.by(server.server());
                let url = url.replace("/?", &format!("/{}?", server.database()));
                (url, Box::new(server))
            }
            "postgres" => sql::<postgres::Own>()?,
            "mariadb" => sql::<mariadb::Own>()?,
            "mysql" => sql::<mysql::Own>()?,
            _ => return Err(Error::other("an unknown store")),
        };
        let is_redis = name.starts_with("redis") || name == "valkey";
        Ok(Self {
            name,
            url,
            lists: name != "memcached",
            enumerates: !matches!(name, "memcached" | "redis-cluster"),
            sweeps: name != "memcached" && !is_redis,
            _kept: kept,
        })
    }
}

/// Under the other name of its URLs.
fn valkey<F: Flavor>() -> Result<(String, Box<dyn Any>)> {
    let server = Standalone::<F>::start()?;
    let url = server.admin().replacen("redis://", "valkey://", 1);
    Ok((url, Box::new(server)))
}

/// A server of its own, even if one is given: the command takes a table by its name alone, and the
/// tests of the stores have a schema.
fn sql<D: Dialect>() -> Result<(String, Box<dyn Any>)> {
    let directory = tempfile::Builder::new()
        .prefix("cloakroom-cli-")
        .tempdir()?;
    let server = D::start(directory.path(), false)?;
    let [before, after] = D::AROUND;
    let url = format!("{before}{}{after}", server.address());
    // The server ends before its directory does.
    Ok((url, Box::new((server, directory))))
}

fn given() -> Error {
    let text = "the command is not tested on a server that was given";
    Error::new(ErrorKind::Unsupported, text)
}
