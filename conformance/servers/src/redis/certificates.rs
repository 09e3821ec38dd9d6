//! TLS certificates for servers and clients, made for each run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority's certificate (`ca.pem`), and those that it has signed for the server and for the
/// client.
pub struct Certificates(PathBuf);

impl Certificates {
    /// Makes certificates in this directory.
    pub fn make(directory: &Path) -> io::Result<Self> {
        let authority = KeyPair::generate().map_err(io::Error::other)?;
        let mut of_authority = CertificateParams::default();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Issuer and subject must have different names.
        of_authority
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let certificate = of_authority
            .self_signed(&authority)
            .map_err(io::Error::other)?;
        fs::write(directory.join("ca.pem"), certificate.pem())?;
        let issuer = Issuer::new(of_authority, authority);
        for name in ["server", "client"] {
            let key = KeyPair::generate().map_err(io::Error::other)?;
            let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
                .and_then(|params| params.signed_by(&key, &issuer))
                .map_err(io::Error::other)?;
            fs::write(directory.join(format!("{name}.pem")), certificate.pem())?;
            fs::write(directory.join(format!("{name}.key")), key.serialize_pem())?;
        }
        Ok(Self::of(directory))
    }

    /// Those that have been made here.
    pub fn of(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// The server's TLS options, with client certificates required.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        let path = |name: &str| self.0.join(name).display().to_string();
        [
            ("tls-cert-file", path("server.pem")),
            ("tls-key-file", path("server.key")),
            ("tls-ca-cert-file", path("ca.pem")),
            ("tls-auth-clients", "yes".to_owned()),
        ]
    }

    /// The same as arguments.
    pub fn arguments(&self) -> Vec<String> {
        let settings = self.settings().into_iter();
        settings
            .flat_map(|(name, value)| [format!("--{name}"), value])
            .collect()
    }

    /// Returns the authority's certificate, in PEM.
    pub fn authority(&self) -> io::Result<Vec<u8>> {
        fs::read(self.0.join("ca.pem"))
    }

    /// Returns the client's certificate and its key, in PEM.
    pub fn client_certificate(&self) -> io::Result<[Vec<u8>; 2]> {
        let read = |name: &str| fs::read(self.0.join(name));
        Ok([read("client.pem")?, read("client.key")?])
    }

    /// A client of the redis crate that has them.
    pub fn client(&self, url: &str) -> io::Result<redis::Client> {
        let read = |name: &str| fs::read(self.0.join(name));
        let certificates = redis::TlsCertificates {
            client_tls: Some(redis::ClientTlsConfig {
                client_cert: read("client.pem")?,
                client_key: read("client.key")?,
            }),
            root_cert: Some(read("ca.pem")?),
        };
        redis::Client::build_with_tls(url, certificates).map_err(io::Error::other)
    }

    /// redis-py's TLS options, in its URL.
    pub fn options(&self) -> String {
        let path = |name: &str| self.0.join(name).display().to_string();
        let [authority, chain, key] = ["ca.pem", "client.pem", "client.key"].map(path);
        format!("ssl_ca_certs={authority}&ssl_certfile={chain}&ssl_keyfile={key}")
    }
}
