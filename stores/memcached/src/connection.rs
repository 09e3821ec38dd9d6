use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

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
    /// One for all exchanges: to set it to a later moment takes no lock, to make one and drop it takes two.
    alarm: Pin<Box<Sleep>>,
}

impl Connection {
    pub(crate) async fn open(server: &Server, end: Instant) -> io::Result<Self> {
        let stream = TcpStream::connect((&*server.host, server.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
            alarm: Box::pin(sleep_until(end)),
        })
    }

    /// Whether the server has neither closed the connection nor sent what nobody asked for. Asks the system, not the server.
    pub(crate) fn is_quiet(&self) -> bool {
        let unread = self.stream.try_read(&mut [0]);
        matches!(unread, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and waits for its answer, but not beyond `end`.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request<'_>,
        end: Instant,
    ) -> Result<Reply, Failure> {
        let Self {
            stream,
            buffer,
            alarm,
        } = self;
        alarm.as_mut().reset(end);
        let mut exchange = pin!(exchange(stream, buffer, request));
        poll_fn(|context| match exchange.as_mut().poll(context) {
            Poll::Ready(reply) => Poll::Ready(reply),
            Poll::Pending => alarm.as_mut().poll(context).map(|()| Err(Failure::Late)),
        })
        .await
    }
}

async fn exchange(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    request: &Request<'_>,
) -> Result<Reply, Failure> {
    send(stream, request).await?;
    loop {
        if let Some(reply) = protocol::take_reply(buffer)? {
            return match buffer.is_empty() {
                true => Ok(reply),
                // More than one answer.
                false => Err(protocol::Refusal::Garbled.into()),
            };
        }
        buffer.reserve(4096);
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

/// In one call of the system.
async fn send(stream: &mut TcpStream, request: &Request<'_>) -> io::Result<()> {
    match request.large {
        None => stream.write_all(&request.text).await,
        Some(value) => {
            let mut all = Buf::chain(&*request.text, value).chain(&b"\r\n"[..]);
            stream.write_all_buf(&mut all).await
        }
    }
}
