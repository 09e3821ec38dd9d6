use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::failure::Failure;
use crate::protocol::{self, Reply, Request};
use crate::url::Server;

/// A connection to a server, for one request after another.
///
/// Whoever drops an exchange before its end drops the connection too, because the answer would be taken for that to the next
/// request.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub(crate) async fn open(server: &Server) -> io::Result<Self> {
        let stream = TcpStream::connect((&*server.host, server.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
        })
    }

    /// Whether the server has neither closed the connection nor sent what nobody asked for. Asks the system, not the server.
    pub(crate) fn is_quiet(&self) -> bool {
        let unread = self.stream.try_read(&mut [0]);
        matches!(unread, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    pub(crate) async fn exchange(&mut self, request: &Request) -> Result<Reply, Failure> {
        self.send(request).await?;
        loop {
            if let Some(reply) = protocol::take_reply(&mut self.buffer)? {
                return match self.buffer.is_empty() {
                    true => Ok(reply),
                    // More than one answer.
                    false => Err(protocol::Refusal::Garbled.into()),
                };
            }
            self.buffer.reserve(4096);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    async fn send(&mut self, request: &Request) -> io::Result<()> {
        let Some(value) = &request.value else {
            return self.stream.write_all(&request.line).await;
        };
        // In one call of the system, and without a copy of the value.
        let tail = Bytes::from_static(b"\r\n");
        let mut all = Buf::chain(&*request.line, value.clone()).chain(tail);
        self.stream.write_all_buf(&mut all).await
    }
}
