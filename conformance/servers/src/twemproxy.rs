//! Redis behind twemproxy, which spreads keys over its servers.

use std::fs;
use std::io;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::install::program;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;

/// A proxy of this run's own, and the servers behind it.
pub struct Twemproxy {
    proxy: Server,
    _servers: Vec<Server>,
    _directory: TempDir,
}

impl Twemproxy {
    /// Starts a proxy in front of these servers.
    ///
    /// # Errors
    ///
    /// When the proxy cannot be installed or does not start.
    pub fn start(servers: Vec<Server>) -> io::Result<Self> {
        let program = program("nutcracker", "nutcracker", &[])?;
        say("server  twemproxy (nutcracker)");
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-twemproxy-")
            .tempdir()?;
        let (port, statistics) = (free_port()?, free_port()?);
        let mut settings = format!(
            "all:\n  listen: 127.0.0.1:{port}\n  hash: fnv1a_64\n  distribution: ketama\n  \
             auto_eject_hosts: false\n  redis: true\n  servers:\n"
        );
        for server in &servers {
            settings.push_str(&format!("   - {}:1\n", server.address()));
        }
        let file = directory.path().join("nutcracker.yml");
        fs::write(&file, settings)?;
        let (file, statistics) = (file.display().to_string(), statistics.to_string());
        let options = ["-c", &file, "-s", &statistics, "-a", "127.0.0.1"];
        // Its log's default place is there only where it is installed as a package.
        let arguments = options.into_iter().chain(["-o", "/dev/stderr"]);
        Ok(Self {
            proxy: Server::start(&program, arguments, port)?,
            _servers: servers,
            _directory: directory,
        })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }
}
