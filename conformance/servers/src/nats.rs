//! NATS: not a store, but a transport.

use std::env;
use std::fs;
use std::io;

use tempfile::TempDir;

use crate::install::program;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;
use crate::process::version;

/// A server for this run, or a given one, of which this run has subjects of its own.
pub struct Nats {
    url: String,
    /// The prefix of this run's subjects.
    namespace: String,
    /// Killed before its directory is removed.
    _own: Option<Server>,
    _remove: TempDir,
}

impl Nats {
    /// Starts a server, or takes the one that is named.
    pub fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-nats-")
            .tempdir()?;
        let (url, own) = match env::var("NATS_URL") {
            Ok(url) => {
                // Without the URL: it may have a password in it.
                say("server  nats, by NATS_URL");
                (url, None)
            }
            Err(_) => {
                let own = start(&directory)?;
                (format!("nats://{}", own.address()), Some(own))
            }
        };
        let name = directory.path().file_name().unwrap_or_default();
        // A dot begins the next part of a subject.
        let namespace = name.display().to_string().replace('.', "-");
        Ok(Self {
            url,
            namespace,
            _own: own,
            _remove: directory,
        })
    }

    /// Returns the server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A subject that no other run has.
    pub fn subject(&self, name: impl std::fmt::Display) -> String {
        format!("{}.{name}", self.namespace)
    }
}

fn start(directory: &TempDir) -> io::Result<Server> {
    let program = program("nats-server", "nats-server", &[])?;
    say(format_args!("server  {}", version(&program)?));
    let port = free_port()?;
    let settings = directory.path().join("nats.conf");
    // The suite has values that are larger than a message may be without being asked.
    let lines = format!("listen: \"127.0.0.1:{port}\"\nmax_payload: 8388608\n");
    fs::write(&settings, lines)?;
    let settings = settings.display().to_string();
    Server::start(&program, ["--config", &settings], port)
}
