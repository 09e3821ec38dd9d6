//! Memcached, or with `MEMCACHED_URL` what that names.

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::install::program;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;
use crate::process::version;
use crate::proxy::Mode;
use crate::user::User;
use crate::ways::Ways;

/// A Memcached for this run, or the one that `MEMCACHED_URL` names.
pub struct Memcached {
    server: SocketAddr,
    ways: Ways,
    directory: PathBuf,
    /// The prefix of this run's keys. Memcached does not list keys, so they stay on a given server
    /// until they expire or are evicted. They disturb nobody.
    namespace: String,
    /// In the process that started it, if it is not another's server.
    own: Option<Server>,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Memcached {
    /// With these options too, if it is this run's own.
    pub fn new(options: &[&str]) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-memcached-")
            .tempdir()?;
        let (server, own) = match env::var("MEMCACHED_URL") {
            Ok(url) => {
                let server = address(&url)?;
                say(format_args!(
                    "server  memcached at {server}, by MEMCACHED_URL"
                ));
                (server, None)
            }
            Err(_) => {
                let own = start(options)?;
                (own.address(), Some(own))
            }
        };
        // The random name of this run's directory, which no other run has.
        let name = directory.path().file_name().unwrap_or_default();
        Ok(Self {
            server,
            ways: Ways::new(server, &directory.path().join("ways"))?,
            namespace: format!("{}:", name.display()),
            directory: directory.path().to_owned(),
            own,
            _remove: Some(directory),
        })
    }

    /// Returns the address of the server itself.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The server by the way of this place.
    pub async fn way(&self, place: &str) -> io::Result<SocketAddr> {
        self.ways.address(place).await
    }

    /// The prefix of this place's keys.
    pub fn prefix(&self, place: &str) -> String {
        format!("{}{place}:", self.namespace)
    }

    /// The server, if it is this run's own.
    pub fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// Changes what happens on the way of this place.
    pub fn set(&self, place: &str, mode: Mode) -> io::Result<()> {
        self.ways.set(place, mode)
    }
}

/// A server of this run's own, with more options.
pub fn start(options: &[&str]) -> io::Result<Server> {
    let program = program("memcached", "memcached", &[])?;
    say(format_args!("server  {}", version(&program)?));
    let user = User::other_than_root(&["memcache", "nobody"])?;
    let port = free_port()?;
    let port_text = port.to_string();
    let mut arguments = vec!["--port", &port_text, "--listen", "127.0.0.1"];
    arguments.extend(options);
    let (program, arguments) = user.run(&program, &arguments);
    Server::start(&program, arguments, port)
}

/// A server of this run's own that listens at a socket alone, which is there when this returns.
pub struct AtSocket {
    /// Stands for the server: it ends with it.
    _server: Child,
    socket: PathBuf,
    _directory: TempDir,
}

impl AtSocket {
    /// Starts it.
    pub fn start() -> io::Result<Self> {
        let program = program("memcached", "memcached", &[])?;
        let user = User::other_than_root(&["memcache", "nobody"])?;
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-memcached-")
            .tempdir()?;
        #[cfg(unix)]
        std::fs::set_permissions(
            directory.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )?;
        let socket = directory.path().join("memcached.sock");
        let path = socket.display().to_string();
        let (program, arguments) = user.run(&program, &["--unix-socket", &path, "-a", "0777"]);
        let server = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self {
            _server: Child(server),
            socket,
            _directory: directory,
        };
        let begin = Instant::now();
        while !server.socket.exists() {
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(io::Error::other("memcached has made no socket"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// The URL of the socket.
    pub fn url(&self) -> String {
        format!("memcached+unix://{}", self.socket.display())
    }
}

/// Killed when dropped.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn address(url: &str) -> io::Result<SocketAddr> {
    let wrong = || io::Error::other("MEMCACHED_URL is to be memcached://host:port");
    let host = url.strip_prefix("memcached://").ok_or_else(wrong)?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let host = match host.contains(':') {
        true => host.to_owned(),
        false => format!("{host}:11211"),
    };
    host.to_socket_addrs()?.next().ok_or_else(wrong)
}

impl Memcached {
    /// Returns what another process needs to attach to this server.
    #[must_use]
    pub fn describe(&self) -> String {
        let (server, directory) = (
            self.server.to_string(),
            self.directory.display().to_string(),
        );
        [&server, &directory, &self.namespace]
            .map(String::as_str)
            .join("\n")
    }

    /// The server that [`describe`](Self::describe) describes, in another process.
    #[must_use]
    pub fn attach(description: &str) -> Self {
        let mut lines = description.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        #[expect(clippy::expect_used, reason = "this program wrote it")]
        let server = line().parse().expect("an address");
        let directory = PathBuf::from(line());
        Self {
            server,
            ways: Ways::find(server, &directory.join("ways")),
            directory,
            namespace: line().to_owned(),
            own: None,
            _remove: None,
        }
    }
}
