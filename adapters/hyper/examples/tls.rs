//! The `counter` behind TLS, by rustls: HTTP/1.1 and HTTP/2, whichever the client chooses in the
//! handshake (ALPN).
//!
//! `cargo run -p cloakroom-hyper --example tls`, then `curl -k -b jar -c jar
//! https://localhost:3443` and `curl -k -b jar -c jar -X POST https://localhost:3443/sign-in/ada`.
//! `-k`, because each start makes a new self-signed certificate. Use one of an authority.

use cloakroom_hyper::{Error, Session, SessionLayer, SessionService, session};
use cloakroom_memory::MemoryStore;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rcgen::generate_simple_self_signed;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// How long a client may take for its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (tls, _) = self_signed()?;
    serve(TcpListener::bind("127.0.0.1:3443").await?, tls).await;
    Ok(())
}

/// The TLS configuration of a server for `localhost`, and its certificate.
fn self_signed() -> Result<(TlsAcceptor, CertificateDer<'static>), Failure> {
    let made = generate_simple_self_signed(["localhost".to_owned()])?;
    let (shown, key) = (made.cert.der(), made.signing_key.serialize_der());
    let mut config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![shown.clone()], PrivatePkcs8KeyDer::from(key).into())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), shown.clone()))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor) {
    // One for all connections: each has its own clone.
    let service = SessionService::new(service_fn(answer), SessionLayer::new(MemoryStore::new()));
    loop {
        let stream = accept(&listener).await;
        let (service, tls) = (service.clone(), tls.clone());
        tokio::spawn(async move {
            // Too late, or not TLS: there is no client to answer.
            let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await else {
                return;
            };
            let server = Builder::new(TokioExecutor::new());
            // An error is a client that went away.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The next connection. One that is lost before it is accepted is no reason to keep the others out.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Out of files, most likely: they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let answer = route(&request).await;
    Ok(answer.unwrap_or_else(Response::from))
}

async fn route(request: &Request<Incoming>) -> Result<Response<String>, Error> {
    let path = request.uri().path();
    Ok(Response::new(match *request.method() {
        Method::GET if path == "/" => count(session(request).await?)?,
        Method::POST if let Some(name) = path.strip_prefix("/sign-in/") => {
            sign_in(session(request).await?, name)?
        }
        Method::POST if path == "/sign-out" => sign_out(session(request).await?)?,
        _ => {
            let mut response = Response::new("no such page".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    }))
}

fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
fn sign_in(session: Session, name: &str) -> Result<String, Error> {
    session.sign_in(name)?;
    Ok(format!("hello, {name}"))
}

fn sign_out(session: Session) -> Result<String, Error> {
    session.sign_out()?;
    Ok("goodbye".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cookie::Cookie;
    use http_body_util::{BodyExt as _, Empty};
    use hyper::body::Bytes;
    use hyper::client::conn::{http1, http2};
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::AsyncWriteExt as _;
    use tokio_rustls::TlsConnector;

    // R27
    #[tokio::test]
    async fn both_protocols_serve_one_session_with_the_default_cookie() {
        let server = Server::start().await;
        let mut browser = server.browser();
        for (one, two) in [("http/1.1", "h2"), ("h2", "http/1.1")] {
            assert_eq!(browser.get(one, "/").await, "visit 1 of a stranger");
            assert_eq!(browser.get(two, "/").await, "visit 2 of a stranger");
            let anonymous = browser.cookie.clone();
            assert_eq!(browser.post(two, "/sign-in/ada").await, "hello, ada");
            assert_ne!(browser.cookie, anonymous);
            assert_eq!(browser.get(one, "/").await, "visit 3 of ada");
            assert_eq!(browser.get(two, "/").await, "visit 4 of ada");
            let thief = browser.cookie.clone();
            assert_eq!(browser.post(one, "/sign-out").await, "goodbye");
            // R19: the browser drops the cookie, and a kept copy opens nothing.
            assert_eq!(browser.cookie, None);
            let mut stolen = server.browser();
            stolen.cookie = thief;
            assert_eq!(stolen.get(two, "/").await, "visit 1 of a stranger");
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_speak_tls_disturbs_nobody() {
        let server = Server::start().await;
        let mut rude = TcpStream::connect(("127.0.0.1", server.port)).await;
        let silent = TcpStream::connect(("127.0.0.1", server.port)).await;
        let line = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        rude.as_mut().unwrap().write_all(line).await.unwrap();
        let greeting = server.browser().get("h2", "/").await;
        assert_eq!(greeting, "visit 1 of a stranger");
        drop((rude, silent));
    }

    struct Server {
        port: u16,
        certificate: CertificateDer<'static>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Server {
        async fn start() -> Self {
            let (tls, certificate) = self_signed().unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Self {
                port: listener.local_addr().unwrap().port(),
                certificate,
                task: tokio::spawn(serve(listener, tls)),
            }
        }

        fn browser(&self) -> Browser {
            let mut trusted = RootCertStore::empty();
            trusted.add(self.certificate.clone()).unwrap();
            Browser {
                trusted: Arc::new(trusted),
                port: self.port,
                cookie: None,
            }
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    /// It trusts this server alone, and holds one cookie.
    struct Browser {
        trusted: Arc<RootCertStore>,
        port: u16,
        cookie: Option<String>,
    }

    impl Browser {
        async fn get(&mut self, protocol: &str, path: &str) -> String {
            self.send(protocol, Method::GET, path).await
        }

        async fn post(&mut self, protocol: &str, path: &str) -> String {
            self.send(protocol, Method::POST, path).await
        }

        /// Offers this protocol in the handshake, and speaks it.
        async fn send(&mut self, protocol: &str, method: Method, path: &str) -> String {
            let ring = rustls::crypto::ring::default_provider().into();
            let mut config = ClientConfig::builder_with_provider(ring)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(Arc::clone(&self.trusted))
                .with_no_client_auth();
            config.alpn_protocols = vec![protocol.into()];
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
            let stream = TlsConnector::from(Arc::new(config))
                .connect(ServerName::try_from("localhost").unwrap(), stream)
                .await
                .unwrap();
            let chosen = stream.get_ref().1.alpn_protocol();
            assert_eq!(chosen, Some(protocol.as_bytes()));

            let mut request = Request::builder()
                .method(method)
                .uri(format!("https://localhost:{}{path}", self.port))
                .header("host", "localhost");
            if let Some(pair) = &self.cookie {
                request = request.header("cookie", pair);
            }
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let stream = TokioIo::new(stream);
            let response = if protocol == "h2" {
                let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream)
                    .await
                    .unwrap();
                tokio::spawn(connection);
                client.send_request(request).await.unwrap()
            } else {
                let (mut client, connection) = http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                client.send_request(request).await.unwrap()
            };
            assert_eq!(response.status(), StatusCode::OK);
            if let Some(line) = response.headers().get("set-cookie") {
                let cookie = Cookie::parse(line.to_str().unwrap().to_owned()).unwrap();
                // Checks the attributes that a browser requires of a cookie with this prefix.
                assert!(cookie.name().starts_with("__Host-"), "{}", cookie.name());
                assert_eq!((cookie.secure(), cookie.path()), (Some(true), Some("/")));
                assert_eq!(cookie.domain(), None);
                let expired = line.to_str().unwrap().contains("Max-Age=0");
                self.cookie = (!expired).then(|| cookie.stripped().to_string());
            }
            let body = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        }
    }
}
