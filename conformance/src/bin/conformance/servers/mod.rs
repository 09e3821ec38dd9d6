//! The servers that stores stand on: found or installed, started for this run on free ports of the loopback, and stopped with
//! it.
//!
//! A server that a variable of the environment names (`POSTGRES_URL`, `REDIS_URL`, …; `cargo conformance help` has all) is used as it is.

mod install;
pub(crate) mod mariadb;
pub(crate) mod memcached;
mod mongodb;
mod nats;
mod ports;
pub(crate) mod postgres;
mod process;
mod pypi;
mod redis;
mod sql;
mod user;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cloakroom_conformance::store::{FixtureError, Place};

pub(crate) use install::program;
pub(crate) use mariadb::MariaDb;
pub(crate) use memcached::Memcached;
pub(crate) use mongodb::MongoDb;
pub(crate) use nats::Nats;
pub(crate) use ports::free_port;
pub(crate) use postgres::Postgres;
pub(crate) use process::{Server, version};
pub(crate) use pypi::pypi;
pub(crate) use redis::{
    Certificates as RedisCertificates, Cluster as RedisCluster, Redis, Sentinel, Standalone, Tls,
    Valkey, agree, arrived, execute, query,
};
pub(crate) use sql::{Dialect, Sql, SqlServer};

use crate::proxy::{Mode, Proxy};

/// A way to a server for each place, so that the server can be taken from one case and not from the others.
///
/// The ports are in files of a directory, where other processes that work on a place find theirs.
#[derive(Debug)]
pub(crate) struct Ways {
    server: SocketAddr,
    directory: PathBuf,
    proxies: Mutex<HashMap<String, Proxy>>,
    /// In the process that opened them; another finds them.
    own: bool,
}

impl Ways {
    pub(crate) fn new(server: SocketAddr, directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self::at(server, directory, true))
    }

    /// The same ways, in another process.
    pub(crate) fn find(server: SocketAddr, directory: &Path) -> Self {
        Self::at(server, directory, false)
    }

    fn at(server: SocketAddr, directory: &Path, own: bool) -> Self {
        Self {
            server,
            directory: directory.to_owned(),
            proxies: Mutex::default(),
            own,
        }
    }

    /// Where the server is for this place.
    pub(crate) async fn address(&self, place: &Place) -> Result<SocketAddr, FixtureError> {
        let file = self.directory.join(place.name());
        match fs::read_to_string(&file) {
            Ok(address) => return Ok(address.parse()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !self.own {
                    // A place that only other processes have opened: nothing is to happen on its way.
                    return Ok(self.server);
                }
            }
            Err(error) => return Err(error.into()),
        }
        let proxy = Proxy::start(self.server).await?;
        let address = proxy.address();
        fs::write(file, address.to_string())?;
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.insert(place.name().to_owned(), proxy);
        Ok(address)
    }

    /// Changes what happens on the way of this place.
    pub(crate) fn set(&self, place: &Place, mode: Mode) -> Result<(), FixtureError> {
        let proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        match proxies.get(place.name()) {
            Some(proxy) => {
                proxy.set(mode);
                Ok(())
            }
            None => Err("the place was not opened".into()),
        }
    }
}
