//! From a URL to what it leads to.

use std::time::Duration;

use cloakroom_store::StoreError;
use redis::{Client, ConnectionInfo, IntoConnectionInfo};

use crate::failure;
use crate::link::Target;

pub(crate) fn parse(url: &str, timeout: Duration) -> Result<Target, StoreError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(failure::url(
            "the URL has no scheme; a simple one is redis://127.0.0.1:6379/0",
        ));
    };
    match scheme {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => one(url),
        "rediss" | "valkeys" => {
            tls()?;
            one(url)
        }
        "redis+cluster" => cluster("redis", rest, timeout),
        "rediss+cluster" => {
            tls()?;
            cluster("rediss", rest, timeout)
        }
        "redis+sentinel" => sentinel("redis", rest),
        "rediss+sentinel" => {
            tls()?;
            sentinel("rediss", rest)
        }
        _ => Err(failure::url(
            "the URL's scheme is unknown; known are redis, rediss, redis+cluster, rediss+cluster, redis+sentinel, \
             rediss+sentinel, valkey, valkeys, unix, redis+unix and valkey+unix",
        )),
    }
}

fn one(url: &str) -> Result<Target, StoreError> {
    let client = Client::open(info(url)?).map_err(|error| failure::of(&error))?;
    Ok(Target::One(client))
}

fn info(url: &str) -> Result<ConnectionInfo, StoreError> {
    // What the client says of a URL that it cannot read may contain the URL.
    url.into_connection_info().map_err(|_| {
        failure::url(
            "the URL cannot be read; it is scheme://user:password@host:port/database, special characters of user and password \
             percent-encoded",
        )
    })
}

#[cfg(feature = "tls")]
fn tls() -> Result<(), StoreError> {
    // An application that has chosen its cryptography keeps it: then this fails, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(())
}

#[cfg(not(feature = "tls"))]
fn tls() -> Result<(), StoreError> {
    Err(failure::url("a URL with TLS needs the feature `tls`"))
}

/// User and password (with the `@`), the hosts, and what comes after the slash.
#[cfg(any(feature = "cluster", feature = "sentinel"))]
fn parts(rest: &str) -> Result<(&str, Vec<&str>, &str), StoreError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let hosts: Vec<_> = hosts.split(',').collect();
    if hosts.iter().any(|host| host.is_empty()) {
        return Err(failure::url(
            "a host of the URL is empty; several are separated by one comma",
        ));
    }
    Ok((user, hosts, path.strip_prefix('/').unwrap_or(path)))
}

#[cfg(feature = "cluster")]
fn cluster(scheme: &str, rest: &str, timeout: Duration) -> Result<Target, StoreError> {
    let (user, hosts, path) = parts(rest)?;
    if !path.is_empty() {
        return Err(failure::url(
            "nothing follows the hosts in the URL of a cluster: it has one database",
        ));
    }
    let nodes = hosts
        .into_iter()
        .map(|host| info(&format!("{scheme}://{user}{host}")))
        .collect::<Result<Vec<_>, _>>()?;
    let client = redis::cluster::ClusterClientBuilder::new(nodes)
        .connection_timeout(timeout)
        .response_timeout(timeout)
        .build()
        .map_err(|error| failure::of(&error))?;
    Ok(Target::Cluster(client))
}

#[cfg(not(feature = "cluster"))]
fn cluster(_scheme: &str, _rest: &str, _timeout: Duration) -> Result<Target, StoreError> {
    Err(failure::url(
        "a URL of a cluster needs the feature `cluster`",
    ))
}

#[cfg(feature = "sentinel")]
fn sentinel(scheme: &str, rest: &str) -> Result<Target, StoreError> {
    use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};

    const WRONG: &str = "the URL of a master behind sentinels is redis+sentinel://host:port,host:port/name-of-master/database";
    let (user, hosts, path) = parts(rest)?;
    let (master, database) = path.split_once('/').unwrap_or((path, "0"));
    if master.is_empty() || master.contains(['?', '#']) {
        return Err(failure::url(WRONG));
    }
    let sentinels = hosts
        .iter()
        .map(|host| {
            let host = match host.rsplit_once(':') {
                Some((_, port)) if port.parse::<u16>().is_ok() => (*host).to_owned(),
                _ => format!("{host}:26379"),
            };
            info(&format!("{scheme}://{host}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Where the master is, the sentinels say; user, password and database are taken from here.
    let settings = info(&format!("{scheme}://{user}{}/{database}", hosts[0]))?;
    let mut node = SentinelNodeConnectionInfo::default()
        .set_redis_connection_info(settings.redis_settings().clone());
    if scheme == "rediss" {
        node = node.set_tls_mode(redis::TlsMode::Secure);
    }
    let client = SentinelClient::build(sentinels, master, Some(node), SentinelServerType::Master)
        .map_err(|error| failure::of(&error))?;
    Ok(Target::Sentinel(tokio::sync::Mutex::new(client)))
}

#[cfg(not(feature = "sentinel"))]
fn sentinel(_scheme: &str, _rest: &str) -> Result<Target, StoreError> {
    Err(failure::url(
        "a URL with sentinels needs the feature `sentinel`",
    ))
}
