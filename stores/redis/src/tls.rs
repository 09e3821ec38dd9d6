//! TLS by rustls.

use std::io;
use std::sync::Arc;

use cloakroom_store::StoreError;
use redis::TlsCertificates;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::failure;

/// Makes connections with the certificates that the store was given.
#[derive(Clone)]
pub(crate) struct Connector(TlsConnector);

impl Connector {
    pub(crate) fn new(certificates: Option<&TlsCertificates>) -> Result<Self, StoreError> {
        // An application that has chosen its cryptography keeps it: then this call fails.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = match certificates.and_then(|given| given.root_cert.as_deref()) {
            Some(pem) => given(pem)?,
            None => trusted_by_the_system(),
        };
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match certificates.and_then(|given| given.client_tls.as_ref()) {
            None => config.with_no_client_auth(),
            Some(client) => {
                let chain = chain(&client.client_cert)?;
                let key = PrivateKeyDer::from_pem_slice(&client.client_key).map_err(|_| {
                    failure::url("the client's private key cannot be read; it must be PEM")
                })?;
                config.with_client_auth_cert(chain, key).map_err(|_| {
                    failure::url(
                        "the client's certificate and private key cannot be used together; give \
                         the key that belongs to the certificate",
                    )
                })?
            }
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

fn given(pem: &[u8]) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        roots.add(certificate).map_err(|_| unreadable())?;
    }
    Ok(roots)
}

/// Certificates that rustls does not take are left out: a server that needs one is refused.
fn trusted_by_the_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> StoreError {
    failure::url("a certificate cannot be read; it must be PEM")
}
