//! From a URL to the servers that it names.

use cloakroom_store::StoreError;

use crate::failure;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    /// By which the ring knows it: the host, and the port if it is not the usual one.
    pub(crate) name: Box<str>,
}

const PORT: u16 = 11211;

/// The servers of `memcached://host:port,host:port`.
pub(crate) fn parse(url: &str) -> Result<Vec<Server>, StoreError> {
    let hosts = match url.split_once("://") {
        // In which case it is makes no difference (RFC 3986, section 3.1).
        Some((scheme, hosts)) if scheme.eq_ignore_ascii_case("memcached") => hosts,
        _ => return Err(failure::setting("the URL does not begin with memcached://")),
    };
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
    if hosts.contains('@') {
        return Err(failure::setting(
            "the URL contains a user or password; the store knows no authentication",
        ));
    }
    if hosts.contains(['/', '?', '#']) {
        return Err(failure::setting("nothing follows the servers in the URL"));
    }
    let servers = hosts
        .split(',')
        .map(server)
        .collect::<Result<Vec<_>, _>>()?;
    let twice = |(at, server): (usize, &Server)| servers[..at].contains(server);
    if servers.iter().enumerate().any(twice) {
        return Err(failure::setting("the URL names a server twice"));
    }
    Ok(servers)
}

fn server(text: &str) -> Result<Server, StoreError> {
    let wrong =
        || failure::setting("a server of the URL is host, host:port, or [address]:port for IPv6");
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
    Ok(Server {
        host: bare.into(),
        port,
        name,
    })
}
