//! Raw bytes on a socket, HTTP/1.1, for malformed requests.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::App;
use super::script::Script;
use super::world::soon;
use crate::case::{Stop, fail};

/// A connection.
pub(super) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A response's head, as bytes.
pub(super) struct RawHead {
    pub(super) status: u16,
    text: String,
}

impl RawHead {
    /// The lines of this name, without it.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self
            .text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

impl Raw {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, Stop> {
        match TcpStream::connect(address).await {
            Ok(stream) => Ok(Self {
                stream,
                read: Vec::new(),
            }),
            Err(error) => fail(format!("no connection: {error}")),
        }
    }

    /// Sends a request whose header lines are, among others, these bytes.
    pub(super) async fn request(
        &mut self,
        path: &str,
        lines: &[&[u8]],
        script: &Script,
    ) -> Result<(), Stop> {
        let mut bytes = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\n{}: {}\r\n",
            App::SCRIPT,
            script.to_text()
        )
        .into_bytes();
        for line in lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        let _ = self.stream.write_all(&bytes).await;
        Ok(())
    }

    /// Sends this as it is.
    pub(super) async fn send(&mut self, text: &str) {
        // A server that has seen enough may close before it has read everything.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// The next response's head; `None` if the connection ends before.
    pub(super) async fn head(&mut self) -> Result<Option<RawHead>, Stop> {
        loop {
            let end = self
                .read
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                let rest = self.read.split_off(end + 4);
                let head = std::mem::replace(&mut self.read, rest);
                let text = String::from_utf8_lossy(&head).into_owned();
                let status = text
                    .split(' ')
                    .nth(1)
                    .and_then(|status| status.parse().ok());
                return match status {
                    Some(status) => Ok(Some(RawHead { status, text })),
                    None => fail("the response has no status line"),
                };
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// Exactly so many bytes of what follows the head.
    pub(super) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        while self.read.len() < count {
            if !self.more().await? {
                return fail("the connection ended too early");
            }
        }
        let rest = self.read.split_off(count);
        Ok(std::mem::replace(&mut self.read, rest))
    }

    async fn more(&mut self) -> Result<bool, Stop> {
        let read = soon(
            "an answer on the socket",
            self.stream.read_buf(&mut self.read),
        )
        .await?;
        // A reset is an end, too.
        Ok(read.unwrap_or(0) > 0)
    }
}
