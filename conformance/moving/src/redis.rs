//! A Redis server for the tests.

use std::io;
use std::net::SocketAddr;

use cloakroom_servers::{Server, free_port, program};

/// The server of `REDIS_URL`, or one of this test's own. Ends when it is dropped.
pub struct Redis {
    pub url: String,
    _own: Option<(Server, tempfile::TempDir)>,
}

impl Redis {
    /// Starts it, and waits until it answers.
    pub fn start() -> io::Result<Self> {
        if let Ok(url) = std::env::var("REDIS_URL") {
            return Ok(Self { url, _own: None });
        }
        Self::start_own()
    }

    /// Starts one of this test's own in any case.
    pub fn start_own() -> io::Result<Self> {
        let program = program("redis-server", "redis-server redis-tools", &[])?;
        let (port, directory) = (free_port()?, tempfile::tempdir()?);
        let (number, place) = (port.to_string(), directory.path().display().to_string());
        let bound = ["--port", &number, "--bind", "127.0.0.1"];
        let arguments = [&bound[..], &["--save", "", "--dir", &place]].concat();
        let server = Server::start(&program, arguments, port)?;
        Ok(Self {
            url: format!("redis://127.0.0.1:{port}"),
            _own: Some((server, directory)),
        })
    }

    /// Returns the address of a server of this test's own.
    pub fn address(&self) -> SocketAddr {
        let address = self.url.strip_prefix("redis://");
        let address = address.and_then(|address| address.parse().ok());
        address.expect("an address and nothing else")
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(&*self.url).expect("a URL")
    }

    /// A command to the server, as an operator sends it.
    pub fn command<T: redis::FromRedisValue>(&self, words: &[&[u8]]) -> T {
        let mut connection = self.client().get_connection().expect("a connection");
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query(&mut connection).expect("an answer")
    }
}
