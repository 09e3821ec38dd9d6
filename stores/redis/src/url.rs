//! From a URL to what it leads to.

use cloakroom_store::StoreError;
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::Builder;
use crate::failure;
use crate::link::Target;
#[cfg(feature = "tls")]
use crate::tls::Connector;
use crate::way::Way;

pub(crate) fn parse(builder: &Builder) -> Result<Target, StoreError> {
    let url = &*builder.url;
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(failure::url(
            "the URL has no scheme; a simple one is redis://127.0.0.1:6379/0",
        ));
    };
    // In which case it is makes no difference (RFC 3986, section 3.1).
    let scheme = scheme.to_ascii_lowercase();
    let scheme = scheme.as_str();
    // The client's names for the two kinds of connection.
    let with_tls = scheme.starts_with("rediss") || scheme == "valkeys";
    let plain = if with_tls { "rediss" } else { "redis" };
    #[cfg(feature = "tls")]
    let connector = connector(builder, with_tls)?;
    #[cfg(not(feature = "tls"))]
    let () = connector(builder, with_tls)?;
    match scheme {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" | "rediss" | "valkeys" => {
            Ok(Target::One(Way::new(
                info(url)?,
                #[cfg(feature = "tls")]
                connector,
            )))
        }
        "redis+cluster" | "rediss+cluster" => cluster(builder, plain, rest),
        "redis+sentinel" | "rediss+sentinel" => sentinel(
            builder,
            plain,
            rest,
            #[cfg(feature = "tls")]
            connector,
        ),
        _ => Err(failure::url(
            "the URL's scheme is unknown; known are redis, rediss, redis+cluster, rediss+cluster, \
             redis+sentinel, rediss+sentinel, valkey, valkeys, unix, redis+unix and valkey+unix",
        )),
    }
}

fn info(url: &str) -> Result<ConnectionInfo, StoreError> {
    options(url)?;
    // The client's error may contain the URL.
    let info = url.into_connection_info().map_err(|_| {
        failure::url(match has_database(url) {
            true => {
                "the URL cannot be read; write scheme://user:password@host:port/database, special \
                 characters of user and password percent-encoded"
            }
            false => {
                "the database in the URL is not a number; write redis://host/2 for database 2, or \
                 redis+unix:///SOCKET?db=2"
            }
        })
    })?;
    // The client would send its own name, for which the user needs a permission.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

/// Returns whether what stands where the database does is one. A slash in a password that is not
/// percent-encoded only looks like it.
fn has_database(url: &str) -> bool {
    let url = url.split('#').next().unwrap_or_default();
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, place) = place.split_once("://").unwrap_or_default();
    let path = place.split_once('/').map_or("", |(_, path)| path);
    let database = match scheme.to_ascii_lowercase().ends_with("unix") {
        true => options
            .split('&')
            .find_map(|option| option.strip_prefix("db=")),
        false => Some(path.trim_matches('/')).filter(|path| !path.is_empty()),
    };
    database.is_none_or(|database| database.contains('@') || database.parse::<i64>().is_ok())
}

/// The client passes over options that it does not know, and would lead elsewhere than the URL
/// says: `?db=2` to database 0.
fn options(url: &str) -> Result<(), StoreError> {
    let url = url.split('#').next().unwrap_or_default();
    let Some((place, options)) = url.split_once('?') else {
        return Ok(());
    };
    let by_socket = place
        .split(':')
        .next()
        .is_some_and(|it| it.to_ascii_lowercase().ends_with("unix"));
    let known: &[&str] = match by_socket {
        true => &["db", "user", "pass", "protocol"],
        false => &["protocol"],
    };
    let mut names = options.split('&').filter(|option| !option.is_empty());
    match names.all(|option| known.contains(&option.split('=').next().unwrap_or_default())) {
        true => Ok(()),
        false => Err(failure::url(
            "an option of the URL is unknown; redis:// has `protocol` alone (the database is its path, \
             redis://host/2), redis+unix:// has `db`, `user`, `pass` and `protocol`",
        )),
    }
}

#[cfg(feature = "tls")]
fn connector(builder: &Builder, wanted: bool) -> Result<Option<Connector>, StoreError> {
    let certificates = builder.certificates.as_ref();
    match (wanted, certificates) {
        (true, given) => Connector::new(given).map(Some),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(failure::url(
            "certificates are of use only with a rediss:// URL; write rediss:// or leave them out",
        )),
    }
}

#[cfg(not(feature = "tls"))]
fn connector(_builder: &Builder, wanted: bool) -> Result<(), StoreError> {
    if wanted {
        return Err(failure::url(
            "a URL with TLS needs the feature `tls`; add it to cloakroom-redis",
        ));
    }
    Ok(())
}

/// Returns the hosts and ports of a URL with TLS, and none of another URL.
pub(crate) fn hosts_with_tls(url: &str) -> Vec<(&str, u16)> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let scheme = scheme.to_ascii_lowercase();
    if !scheme.starts_with("rediss") && scheme != "valkeys" {
        return Vec::new();
    }
    let port = if scheme == "rediss+sentinel" {
        26379
    } else {
        6379
    };
    let (_, hosts, _) = parts(rest).unwrap_or_default();
    hosts
        .into_iter()
        .map(|host| {
            let given = host
                .rsplit_once(':')
                .and_then(|(name, given)| Some((name, given.parse().ok()?)));
            let (name, port) = given.unwrap_or((host, port));
            (name.trim_matches(['[', ']']), port)
        })
        .collect()
}

/// User and password (with the `@`), the hosts, and the text behind the slash.
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
fn cluster(builder: &Builder, scheme: &str, rest: &str) -> Result<Target, StoreError> {
    use crate::cluster::Cluster;

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
    let node = client(builder, nodes[0].clone())?;
    #[cfg(feature = "tls")]
    let certificates = builder.certificates.clone();
    let complete = move |settings: redis::cluster::ClusterClientBuilder| {
        #[cfg(feature = "tls")]
        let settings = match certificates.clone() {
            Some(certificates) => settings.certs(certificates),
            None => settings,
        };
        settings
    };
    let login = builder.login.clone();
    let cluster = Cluster::of(nodes, node, login, builder.timeout, complete)?;
    Ok(Target::Cluster(Box::new(cluster)))
}

/// For a node that the cluster names when a slot is moved.
#[cfg(feature = "cluster")]
fn client(builder: &Builder, info: ConnectionInfo) -> Result<redis::Client, StoreError> {
    #[cfg(feature = "tls")]
    let client = match builder.certificates.clone() {
        Some(certificates) => redis::Client::build_with_tls(info, certificates),
        None => redis::Client::open(info),
    };
    #[cfg(not(feature = "tls"))]
    let (client, _) = (redis::Client::open(info), builder);
    client.map_err(|error| failure::of(&error))
}

#[cfg(not(feature = "cluster"))]
fn cluster(_builder: &Builder, _scheme: &str, _rest: &str) -> Result<Target, StoreError> {
    Err(failure::url(
        "a URL of a cluster needs the feature `cluster`",
    ))
}

#[cfg(feature = "sentinel")]
fn sentinel(
    builder: &Builder,
    scheme: &str,
    rest: &str,
    #[cfg(feature = "tls")] connector: Option<Connector>,
) -> Result<Target, StoreError> {
    use redis::sentinel::{SentinelClientBuilder, SentinelServerType};

    const WRONG: &str = "the URL has no name of a master; write \
                         redis+sentinel://host:port,host:port/name-of-master/database";
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
            Ok(info(&format!("{scheme}://{host}"))?.addr().clone())
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    // The sentinels say where the master is. User, password and database are the URL's.
    let settings = info(&format!("{scheme}://{user}{}/{database}", hosts[0]))?;
    let settings = settings.redis_settings();
    let with = |error| failure::of(&error);
    let mut client =
        SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master).map_err(with)?;
    client = client.set_client_to_redis_db(settings.db());
    if let Some(user) = settings.username() {
        client = client.set_client_to_redis_username(user);
    }
    if let Some(password) = settings.password() {
        client = client.set_client_to_redis_password(password);
    }
    if let Some((user, password)) = &builder.sentinel_login {
        client = client
            .set_client_to_sentinel_username(user)
            .set_client_to_sentinel_password(password);
    }
    if scheme == "rediss" {
        client = client.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
    }
    #[cfg(feature = "tls")]
    if let Some(certificates) = builder.certificates.clone() {
        client = client
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    let client = client.build().map_err(with)?;
    Ok(Target::Sentinel {
        client: tokio::sync::Mutex::new(client),
        #[cfg(feature = "tls")]
        connector,
    })
}

#[cfg(not(feature = "sentinel"))]
fn sentinel(
    _builder: &Builder,
    _scheme: &str,
    _rest: &str,
    #[cfg(feature = "tls")] _connector: Option<Connector>,
) -> Result<Target, StoreError> {
    Err(failure::url(
        "a URL with sentinels needs the feature `sentinel`",
    ))
}
