//! The counter behind TLS, by rustls: HTTP/1.1 and HTTP/2, whichever the client chooses in the handshake (ALPN).
//!
//! `cargo run -p cloakroom-hyper --example tls`, then `curl -k -b jar -c jar https://localhost:3443` and
//! `curl -k -b jar -c jar -X POST https://localhost:3443/sign-in`. `-k`, because the certificate is the server's own word for
//! itself, made anew at each start. Yours comes from an authority.

use cloakroom_hyper::{Error, Session, SessionLayer, SessionService, session};
use cloakroom_memory::MemoryStore;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rcgen::generate_simple_self_signed;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
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
    serve(TcpListener::bind("127.0.0.1:3443").await?, tls).await
}

/// What a server for `localhost` needs, and the certificate that it shows.
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

async fn serve(listener: TcpListener, tls: TlsAcceptor) -> Result<(), Failure> {
    // One for all connections: each has its own clone.
    let service = SessionService::new(service_fn(answer), SessionLayer::new(MemoryStore::new()));
    loop {
        let (stream, _) = listener.accept().await?;
        let (service, tls) = (service.clone(), tls.clone());
        tokio::spawn(async move {
            // Late, or not TLS: then there is nobody to be answered.
            let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await else {
                return;
            };
            let server = Builder::new(TokioExecutor::new());
            // An error is a client that went away.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let answer = route(&request).await;
    Ok(answer.unwrap_or_else(Error::into_response))
}

async fn route(request: &Request<Incoming>) -> Result<Response<String>, Error> {
    Ok(Response::new(
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/") => count(session(request).await?)?,
            (&Method::POST, "/sign-in") => sign_in(session(request).await?)?,
            _ => {
                let mut response = Response::new("no such page".to_owned());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return Ok(response);
            }
        },
    ))
}

fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
fn sign_in(session: Session) -> Result<String, Error> {
    session.sign_in("ada")?;
    Ok("hello, ada".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::cookie::Jar;
    use reqwest::{Certificate, Client, Version};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    // R27, R35
    #[tokio::test]
    async fn both_protocols_serve_one_session_whose_cookie_goes_over_tls_alone() {
        let server = Server::start().await;
        let jar = Arc::new(Jar::default());
        let first = server.browser(Version::HTTP_11, &jar);
        let greeting = "visit 1 of a stranger";
        server.get(&first, Version::HTTP_11, "/", greeting).await;
        for (version, visits) in [(Version::HTTP_11, [2, 3]), (Version::HTTP_2, [4, 5])] {
            let browser = server.browser(version, &jar);
            server
                .post(&browser, version, "/sign-in", "hello, ada")
                .await;
            for visit in visits {
                let greeting = format!("visit {visit} of ada");
                server.get(&browser, version, "/", &greeting).await;
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_speak_tls_disturbs_nobody() {
        let server = Server::start().await;
        let mut rude = TcpStream::connect(("127.0.0.1", server.port))
            .await
            .unwrap();
        rude.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let silent = TcpStream::connect(("127.0.0.1", server.port))
            .await
            .unwrap();
        let browser = server.browser(Version::HTTP_2, &Arc::default());
        let greeting = "visit 1 of a stranger";
        server.get(&browser, Version::HTTP_2, "/", greeting).await;
        drop((rude, silent));
    }

    struct Server {
        port: u16,
        certificate: Certificate,
        task: tokio::task::JoinHandle<Result<(), Failure>>,
    }

    impl Server {
        async fn start() -> Self {
            let (tls, certificate) = self_signed().unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Self {
                port: listener.local_addr().unwrap().port(),
                certificate: Certificate::from_der(&certificate).unwrap(),
                task: tokio::spawn(serve(listener, tls)),
            }
        }

        /// It trusts this server alone, and keeps cookies by the rules: one with Secure goes over TLS only.
        fn browser(&self, version: Version, jar: &Arc<Jar>) -> Client {
            // Another test may have been faster; all want the same.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let browser = Client::builder()
                .cookie_provider(Arc::clone(jar))
                .no_proxy()
                .tls_certs_only([self.certificate.clone()]);
            let browser = match version {
                Version::HTTP_11 => browser.http1_only(),
                _ => browser,
            };
            browser.build().unwrap()
        }

        async fn get(&self, browser: &Client, version: Version, path: &str, text: &str) {
            self.expect(browser.get(self.url(path)), version, text)
                .await;
        }

        async fn post(&self, browser: &Client, version: Version, path: &str, text: &str) {
            self.expect(browser.post(self.url(path)), version, text)
                .await;
        }

        async fn expect(&self, request: reqwest::RequestBuilder, version: Version, text: &str) {
            let response = request.send().await.unwrap();
            assert_eq!(response.version(), version);
            if let Some(line) = response.headers().get("set-cookie") {
                let line = line.to_str().unwrap();
                assert!(line.starts_with("__Host-session="), "{line}");
                assert!(line.contains("; Secure"), "{line}");
            }
            assert_eq!(response.text().await.unwrap(), text);
        }

        fn url(&self, path: &str) -> String {
            format!("https://localhost:{}{path}", self.port)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }
}
