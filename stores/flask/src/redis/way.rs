//! Connections that count what they send, so that a command that was certainly not sent can be
//! sent on the next one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisConnectionInfo, RedisResult};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// A handle.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: MultiplexedConnection,
    /// How many bytes the system has taken; unknown with TLS, which is the client's.
    written: Option<Arc<AtomicU64>>,
    /// Ends the connection's task with the last handle.
    _task: Option<Arc<Task>>,
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    pub(super) async fn open(client: &Client, config: &AsyncConnectionConfig) -> RedisResult<Self> {
        let info = client.get_connection_info();
        match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let stream = TcpStream::connect((&**host, *port)).await?;
                stream.set_nodelay(true)?;
                Self::on(stream, info.redis_settings(), config).await
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Self::on(stream, info.redis_settings(), config).await
            }
            _ => {
                let connecting = client.get_multiplexed_async_connection_with_config(config);
                Ok(Self {
                    client: connecting.await?,
                    written: None,
                    _task: None,
                })
            }
        }
    }

    async fn on(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        settings: &RedisConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<Self> {
        let written = Arc::default();
        let stream = Counted {
            stream,
            written: Arc::clone(&written),
        };
        let opening = MultiplexedConnection::new_with_config(settings, stream, config.clone());
        let (client, task) = opening.await?;
        Ok(Self {
            client,
            written: Some(written),
            _task: Some(Arc::new(Task(tokio::spawn(task).abort_handle()))),
        })
    }

    /// Changes with everything that is sent.
    pub(super) fn written(&self) -> Option<u64> {
        let written = self.written.as_ref()?;
        Some(written.load(Ordering::Acquire))
    }
}

struct Counted<S> {
    stream: S,
    written: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(length)) = &taken {
            self.written.fetch_add(*length as u64, Ordering::AcqRel);
        }
        taken
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
