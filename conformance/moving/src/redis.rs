//! A Redis server for the tests.

use std::io;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server of `REDIS_URL`, or one of this test's own from `redis-server` in the path. Ends when
/// it is dropped.
pub struct Redis {
    pub url: String,
    own: Option<(Child, tempfile::TempDir)>,
}

impl Redis {
    /// Starts it, and waits until it answers.
    pub fn start() -> io::Result<Self> {
        if let Ok(url) = std::env::var("REDIS_URL") {
            return Ok(Self { url, own: None });
        }
        Self::start_own()
    }

    /// Starts one of this test's own in any case.
    pub fn start_own() -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let directory = tempfile::tempdir()?;
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--bind",
                "127.0.0.1",
            ])
            .current_dir(&directory)
            .stdout(Stdio::null())
            .spawn()?;
        let redis = Self {
            url: format!("redis://127.0.0.1:{port}"),
            own: Some((child, directory)),
        };
        let begin = Instant::now();
        while redis.client().get_connection().is_err() {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(io::Error::other("redis-server does not answer"));
            }
            std::thread::yield_now();
        }
        Ok(redis)
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

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.own {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
