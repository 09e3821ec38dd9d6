//! Certificates for servers and clients that speak TLS, made anew for each run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cloakroom_redis::Builder;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority's certificate (`ca.pem`), and those that it has signed for the server and for the client.
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    pub(crate) fn make(directory: &Path) -> io::Result<Self> {
        let authority = KeyPair::generate().map_err(io::Error::other)?;
        let mut of_authority = CertificateParams::default();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Who signs and who is signed must not have the same name.
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
    pub(crate) fn of(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// What a server is to know of them, which wants to see its clients' too.
    pub(crate) fn settings(&self) -> [(&'static str, String); 4] {
        let path = |name: &str| self.0.join(name).display().to_string();
        [
            ("tls-cert-file", path("server.pem")),
            ("tls-key-file", path("server.key")),
            ("tls-ca-cert-file", path("ca.pem")),
            ("tls-auth-clients", "yes".to_owned()),
        ]
    }

    /// The same as arguments.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let settings = self.settings().into_iter();
        settings
            .flat_map(|(name, value)| [format!("--{name}"), value])
            .collect()
    }

    /// What the store is told.
    pub(crate) fn prepare(&self, builder: Builder) -> io::Result<Builder> {
        let read = |name: &str| fs::read(self.0.join(name));
        let (chain, key) = (read("client.pem")?, read("client.key")?);
        Ok(self.trust(builder)?.client_certificate(&chain, &key))
    }

    /// The same, but for the client's own.
    pub(crate) fn trust(&self, builder: Builder) -> io::Result<Builder> {
        Ok(builder.root_certificates(&fs::read(self.0.join("ca.pem"))?))
    }
    /// What redis-py is told, in its URL.
    pub(crate) fn options(&self) -> String {
        let path = |name: &str| self.0.join(name).display().to_string();
        let [authority, chain, key] = ["ca.pem", "client.pem", "client.key"].map(path);
        format!("ssl_ca_certs={authority}&ssl_certfile={chain}&ssl_keyfile={key}")
    }
}
