//! Shows the operator's page to browsers on this machine, by a name of this machine.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;

use crate::failure;
use crate::tls::Tls;

/// The other end of the connection itself, whatever a header says about it.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, Tls>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Tls>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// For others the page does not exist.
pub(super) async fn only_this_machine(request: Request, next: Next) -> Response {
    match is_of_this_machine(&request) {
        true => next.run(request).await,
        false => failure::no_such_page().await,
    }
}

fn is_of_this_machine(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    peer.is_some_and(|ConnectInfo(Peer(address))| is_loopback(address.ip()))
        && names_this_machine(request)
        && !is_forwarded(request.headers())
}

/// A page of another site may give its own name the address of this machine (DNS rebinding). The
/// browser then takes this server for that site, and still sends its name.
fn names_this_machine(request: &Request) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter();
    let mut hosts = hosts
        .map(|host| host.to_str().ok())
        .chain(request.uri().authority().map(|host| Some(host.as_str())))
        .peekable();
    hosts.peek().is_some() && hosts.all(|host| host.is_some_and(is_loopback_host))
}

fn is_loopback_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || bare.unwrap_or(name).parse().is_ok_and(is_loopback)
}

/// A socket for both versions of IP sees 127.0.0.1 as ::ffff:127.0.0.1.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A proxy on this machine is a peer on it, with visitors from everywhere. Most add one of these.
fn is_forwarded(headers: &HeaderMap) -> bool {
    const HEADERS: [&str; 5] = [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
    ];
    HEADERS.iter().any(|name| headers.contains_key(*name))
}
