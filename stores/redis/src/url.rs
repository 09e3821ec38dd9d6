//! From a URL to what it leads to.

use cloakroom_store::StoreError;
use redis::{Client, ConnectionInfo, IntoConnectionInfo};

use crate::Builder;
use crate::failure;
use crate::link::Target;

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
    tls(builder, with_tls)?;
    match scheme {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" | "rediss" | "valkeys" => {
            let client = client(builder, info(url)?)?;
            Ok(Target::One(client))
        }
        "redis+cluster" | "rediss+cluster" => cluster(builder, plain, rest),
        "redis+sentinel" | "rediss+sentinel" => sentinel(builder, plain, rest),
        _ => Err(failure::url(
            "the URL's scheme is unknown; known are redis, rediss, redis+cluster, rediss+cluster, redis+sentinel, \
             rediss+sentinel, valkey, valkeys, unix, redis+unix and valkey+unix",
        )),
    }
}

fn client(builder: &Builder, info: ConnectionInfo) -> Result<Client, StoreError> {
    #[cfg(feature = "tls")]
    let client = match builder.certificates.clone() {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    };
    #[cfg(not(feature = "tls"))]
    let (client, _) = (Client::open(info), builder);
    client.map_err(|error| failure::of(&error))
}

fn info(url: &str) -> Result<ConnectionInfo, StoreError> {
    options(url)?;
    // What the client says of a URL that it cannot read may contain the URL.
    let info = url.into_connection_info().map_err(|_| {
        failure::url(match has_database(url) {
            true => {
                "the URL cannot be read; it is scheme://user:password@host:port/database, special characters of user and password \
                 percent-encoded"
            }
            false => "the database in the URL is not a number; redis://host/2 leads to database 2, as does redis+unix:///SOCKET?db=2",
        })
    })?;
    // It would tell the server its own name, which takes a permission and is of use to nobody.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

/// Whether what stands where the database does is one. A slash in a password that is not percent-encoded only looks like it.
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

/// The client passes over options that it does not know, and would lead elsewhere than the URL says: `?db=2` to database 0.
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
            "an option of the URL is unknown; redis:// has `protocol` alone (the database is its path: redis://host/2), redis+unix:// \
             has `db`, `user`, `pass` and `protocol`",
        )),
    }
}

#[cfg(feature = "tls")]
fn tls(builder: &Builder, wanted: bool) -> Result<(), StoreError> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    if let Some(certificates) = &builder.certificates {
        if !wanted {
            return Err(failure::url(
                "certificates are of use only with a rediss:// URL",
            ));
        }
        let is_certificate = |pem: &Vec<u8>| {
            let mut all = CertificateDer::pem_slice_iter(pem).peekable();
            all.peek().is_some() && all.all(|one| one.is_ok())
        };
        let client = certificates.client_tls.as_ref();
        if !certificates.root_cert.iter().all(is_certificate)
            || !client.is_none_or(|client| is_certificate(&client.client_cert))
        {
            return Err(failure::url(
                "a certificate cannot be read; it is to be PEM",
            ));
        }
        if client.is_some_and(|client| PrivateKeyDer::from_pem_slice(&client.client_key).is_err()) {
            return Err(failure::url(
                "the client's private key cannot be read; it is to be PEM",
            ));
        }
    }
    if wanted {
        // An application that has chosen its cryptography keeps it: then this fails, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Ok(())
}

#[cfg(not(feature = "tls"))]
fn tls(_builder: &Builder, wanted: bool) -> Result<(), StoreError> {
    if wanted {
        return Err(failure::url("a URL with TLS needs the feature `tls`"));
    }
    Ok(())
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
    let settings = redis::cluster::ClusterClientBuilder::new(nodes)
        // It would send again what may have been done. What the store may send again, it does itself.
        .retries(0)
        // So that a node that is silent does not keep the others from being used.
        .connection_timeout(builder.timeout / 4)
        .response_timeout(builder.timeout);
    #[cfg(feature = "tls")]
    let settings = match builder.certificates.clone() {
        Some(certificates) => settings.certs(certificates),
        None => settings,
    };
    let client = settings.build().map_err(|error| failure::of(&error))?;
    Ok(Target::Cluster(Box::new(Cluster::new(client, node))))
}

#[cfg(not(feature = "cluster"))]
fn cluster(_builder: &Builder, _scheme: &str, _rest: &str) -> Result<Target, StoreError> {
    Err(failure::url(
        "a URL of a cluster needs the feature `cluster`",
    ))
}

#[cfg(feature = "sentinel")]
fn sentinel(builder: &Builder, scheme: &str, rest: &str) -> Result<Target, StoreError> {
    use redis::sentinel::{SentinelClientBuilder, SentinelServerType};

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
            Ok(info(&format!("{scheme}://{host}"))?.addr().clone())
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    // Where the master is, the sentinels say; user, password and database are taken from here.
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
    Ok(Target::Sentinel(tokio::sync::Mutex::new(client)))
}

#[cfg(not(feature = "sentinel"))]
fn sentinel(_builder: &Builder, _scheme: &str, _rest: &str) -> Result<Target, StoreError> {
    Err(failure::url(
        "a URL with sentinels needs the feature `sentinel`",
    ))
}
