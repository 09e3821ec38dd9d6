//! https, with a certificate of its own for each start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::PublicKeyData as _;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

/// How long a client may take for its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// More clients than this wait until others have finished theirs.
const HANDSHAKES: usize = 64;

/// A listener behind TLS.
pub(crate) struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// Those that shake hands. A slow one keeps no other out.
    arriving: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Tls {
    /// Makes a certificate, and returns the SHA-256 of its public key as Chromium's option takes
    /// it.
    pub(crate) fn new(listener: TcpListener) -> Result<(Self, String), String> {
        let problem = |error: &dyn std::fmt::Display| format!("cannot serve https: {error}");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| problem(&error))?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(&error))?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .map_err(|error| problem(&error))?;
        let public = made.signing_key.subject_public_key_info();
        let tls = Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            arriving: JoinSet::new(),
        };
        Ok((tls, STANDARD.encode(Sha256::digest(public))))
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(arrived) = self.arriving.join_next() => {
                    if let Ok(Some(arrived)) = arrived {
                        return arrived;
                    }
                }
                (stream, address) = Listener::accept(&mut self.listener),
                    if self.arriving.len() < HANDSHAKES =>
                {
                    let acceptor = self.acceptor.clone();
                    self.arriving.spawn(async move {
                        let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await;
                        Some((stream.ok()?.ok()?, address))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
