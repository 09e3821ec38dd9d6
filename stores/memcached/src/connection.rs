use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::failure::Failure;
use crate::protocol::{self, Reply, Request};
use crate::url::Place;

/// A connection to a server, for one request after another.
///
/// An exchange that is dropped before its end drops the connection too: the next request would
/// take the answer for its own.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    buffer: BytesMut,
    /// One for all exchanges: setting it to a later moment takes no lock, a new one takes two.
    alarm: Pin<Box<Sleep>>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Connection {
    pub(crate) async fn open(place: &Place, end: Instant) -> io::Result<Self> {
        let stream = match place {
            Place::Tcp { host, port } => {
                let stream = TcpStream::connect((&**host, *port)).await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            #[cfg(unix)]
            Place::Socket(path) => Stream::Unix(UnixStream::connect(path).await?),
        };
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
            alarm: Box::pin(sleep_until(end)),
        })
    }

    /// Returns whether the server has neither closed the connection nor sent anything unasked.
    pub(crate) fn is_quiet(&self) -> bool {
        let unread = match &self.stream {
            Stream::Tcp(stream) => stream.try_read(&mut [0]),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.try_read(&mut [0]),
        };
        matches!(unread, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and waits for its answer, but not beyond `end`.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request,
        end: Instant,
    ) -> Result<Reply, Failure> {
        let Self {
            stream,
            buffer,
            alarm,
        } = self;
        alarm.as_mut().reset(end);
        match stream {
            Stream::Tcp(stream) => until(alarm, exchange(stream, buffer, request)).await,
            #[cfg(unix)]
            Stream::Unix(stream) => until(alarm, exchange(stream, buffer, request)).await,
        }
    }
}

async fn until(
    alarm: &mut Pin<Box<Sleep>>,
    exchange: impl Future<Output = Result<Reply, Failure>>,
) -> Result<Reply, Failure> {
    let mut exchange = pin!(exchange);
    poll_fn(|context| match exchange.as_mut().poll(context) {
        Poll::Ready(reply) => Poll::Ready(reply),
        Poll::Pending => alarm.as_mut().poll(context).map(|()| Err(Failure::Late)),
    })
    .await
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    request: &Request,
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

/// In one system call, where the system takes it at once.
async fn send<S: AsyncWrite + Unpin>(stream: &mut S, request: &Request) -> Result<(), Failure> {
    let (value, end): (&[u8], &[u8]) = match &request.large {
        Some(value) => (value, b"\r\n"),
        None => (&[], &[]),
    };
    let mut all = Buf::chain(&*request.text, value).chain(end);
    // The system took none of it: the server cannot have heard of the request.
    let first = stream.write_buf(&mut all).await;
    if first.map_err(Failure::Unsent)? == 0 {
        return Err(Failure::Unsent(io::ErrorKind::WriteZero.into()));
    }
    Ok(stream.write_all_buf(&mut all).await?)
}
