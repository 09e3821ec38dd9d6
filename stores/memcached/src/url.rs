//! From a URL to the servers that it names.

use std::path::Path;

use cloakroom_store::StoreError;

use crate::failure;

/// A server and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) place: Place,
    /// Its name on the ring: the host, and the port if it is not 11211.
    pub(crate) name: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp {
        host: Box<str>,
        port: u16,
    },
    #[cfg(unix)]
    Socket(Box<Path>),
}

const PORT: u16 = 11211;

/// The servers of `memcached://host:port,host:port`, or the one of `memcached+unix:///path`.
pub(crate) fn parse(url: &str) -> Result<Vec<Server>, StoreError> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    // The case of a scheme makes no difference (RFC 3986, section 3.1).
    match scheme.to_ascii_lowercase().as_str() {
        "memcached" => servers(rest),
        "memcached+unix" => Ok(vec![socket(rest)?]),
        _ => Err(failure::setting(
            "the URL has another scheme than memcached:// and memcached+unix://; use \
             memcached://host:port for TCP, or memcached+unix:///run/memcached.sock for a socket",
        )),
    }
}

fn servers(hosts: &str) -> Result<Vec<Server>, StoreError> {
    if hosts.starts_with('/') {
        return Err(failure::setting(
            "the URL has no host; for a socket write memcached+unix:///run/memcached.sock",
        ));
    }
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
    if hosts.contains('@') {
        return Err(failure::setting(
            "the URL contains a user or a password, and the store has no authentication; remove \
             them",
        ));
    }
    if hosts.contains(['/', '?', '#']) {
        return Err(failure::setting(
            "the URL has a path or options behind the servers; remove them, it takes none",
        ));
    }
    let servers = hosts
        .split(',')
        .map(server)
        .collect::<Result<Vec<_>, _>>()?;
    let twice = |(at, server): (usize, &Server)| servers[..at].contains(server);
    if servers.iter().enumerate().any(twice) {
        return Err(failure::setting(
            "the URL names a server twice; name each server once",
        ));
    }
    Ok(servers)
}

fn server(text: &str) -> Result<Server, StoreError> {
    let wrong = || {
        failure::setting(
            "a server of the URL cannot be read; write host, host:port, or [address]:port for IPv6",
        )
    };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => return Err(wrong()),
        Some((host, port)) if !text.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (text, PORT),
    };
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
        None => host,
    };
    if bare.is_empty() || port == 0 || !bare.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    let name = match port {
        PORT => bare.into(),
        _ => format!("{bare}:{port}").into(),
    };
    let host = bare.into();
    Ok(Server {
        place: Place::Tcp { host, port },
        name,
    })
}

#[cfg(unix)]
fn socket(path: &str) -> Result<Server, StoreError> {
    if path.contains(['?', '#']) {
        return Err(failure::setting(
            "the URL of a socket has options behind its path; remove them, it takes none",
        ));
    }
    if !path.starts_with('/') || path.contains(['\0', ',']) {
        return Err(failure::setting(
            "the path of the URL's socket cannot be used; write one absolute path, as in \
             memcached+unix:///run/memcached.sock",
        ));
    }
    Ok(Server {
        place: Place::Socket(Path::new(path).into()),
        name: path.into(),
    })
}

#[cfg(not(unix))]
fn socket(_path: &str) -> Result<Server, StoreError> {
    let _: Option<&Path> = None;
    Err(failure::setting(
        "this system has no Unix sockets; write memcached://host:port",
    ))
}
