//! From SESSION_REDIS, as redis-py reads it, to a client.

use cloakroom_store::StoreError;
use redis::Client;

use super::STORE;
use crate::failure::permanent;
use crate::tls::Options;

pub(super) fn client(url: &str) -> Result<Client, StoreError> {
    if misplaced(url) {
        return Err(permanent(
            STORE,
            "SESSION_REDIS has its database, user or password among its options, where they are \
             not read; write redis://user:password@host:port/database, or \
             unix:///socket?db=…&user=…&pass=…",
        ));
    }
    // To Python a fragment is nothing. This client might read `#insecure`.
    let url = url.split('#').next().unwrap_or_default();
    let (url, options) = Options::take_from(url, STORE)?;
    if asks_for_tls(&url) {
        return with_tls(&url, options);
    }
    options.end(
        "SESSION_REDIS has TLS options without the scheme rediss; write rediss:// or \
                 remove them",
    )?;
    Client::open(url).map_err(|_| unreadable())
}

/// Returns whether the URL requires TLS. Recognizes the schemes even if their feature is off.
fn asks_for_tls(url: &str) -> bool {
    redis::parse_redis_url(url).is_some_and(|url| matches!(url.scheme(), "rediss" | "valkeys"))
}

#[cfg(feature = "tls")]
fn with_tls(url: &str, mut options: Options) -> Result<Client, StoreError> {
    let info = redis::IntoConnectionInfo::into_connection_info(url).map_err(|_| unreadable())?;
    // On a client's side Python's `optional` is the same as `required`.
    if !matches!(
        options.take("ssl_cert_reqs").as_deref(),
        None | Some("required" | "optional")
    ) {
        return Err(options.refused(
            "ssl_cert_reqs must be `required`: otherwise any impostor of the server would get the \
             password and the sessions; for a certificate of your own set ssl_ca_certs",
        ));
    }
    if options.switch("ssl_check_hostname")? == Some(false) {
        return Err(options.refused(
            "ssl_check_hostname=false is refused: the certificate must have the host name of \
             SESSION_REDIS; remove the option",
        ));
    }
    let root_cert = options.certificates("ssl_ca_certs")?.map(|pem| pem.bytes);
    let client_tls = options.client("ssl_certfile", "ssl_keyfile")?;
    options.end(
        "SESSION_REDIS has an unsupported TLS option; supported are ssl_ca_certs, ssl_certfile, \
         ssl_keyfile, ssl_cert_reqs and ssl_check_hostname",
    )?;
    let certificates = redis::TlsCertificates {
        client_tls: client_tls.map(|[chain, key]| redis::ClientTlsConfig {
            client_cert: chain.bytes,
            client_key: key.bytes,
        }),
        root_cert,
    };
    // An application that has chosen its cryptography keeps it: then this fails, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::build_with_tls(info, certificates).map_err(|_| {
        permanent(
            STORE,
            "a certificate that SESSION_REDIS names cannot be used",
        )
    })
}

#[cfg(not(feature = "tls"))]
fn with_tls(url: &str, options: Options) -> Result<Client, StoreError> {
    let _ = url;
    Err(options.missing())
}

fn unreadable() -> StoreError {
    permanent(
        STORE,
        "SESSION_REDIS must be redis://user:password@host:port/database, or rediss:// with TLS",
    )
}

/// Returns whether Python's client reads a user or an address from an option that this client
/// ignores. Such a URL would lead elsewhere.
fn misplaced(url: &str) -> bool {
    let url = url.split('#').next().unwrap_or_default();
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let by_socket = place
        .split(':')
        .next()
        .is_some_and(|it| it.ends_with("unix"));
    // In front of a socket's path Python has the user.
    let user = by_socket && place.contains('@');
    let mut names = options
        .split('&')
        .map(|option| option.split('=').next().unwrap_or_default());
    user || names.any(|name| match name {
        "db" => !by_socket,
        "username" | "password" => true,
        _ => false,
    })
}
