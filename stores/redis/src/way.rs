//! From an address to a connection that counts what it sends.
//!
//! The client's own connections do not report whether a command was sent before they broke. These
//! do, so that a command that was certainly not sent can be sent on the next connection. They also
//! keep what a server said before it closed a connection.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion,
    RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::failure::UnknownHost;
#[cfg(feature = "tls")]
use crate::tls::Connector;

/// Returns the current user and password.
pub(crate) type Login = Arc<dyn Fn() -> (String, String) + Send + Sync>;

/// How to get to a server.
pub(crate) struct Way {
    info: ConnectionInfo,
    /// Of the store's own; without it a connection with TLS is the client's.
    #[cfg(feature = "tls")]
    connector: Option<Connector>,
}

/// A connection to one server. A handle.
#[derive(Clone)]
pub(crate) struct One {
    pub(crate) connection: MultiplexedConnection,
    /// Unknown for a connection of the client's making.
    told: Option<Arc<Told>>,
    /// Ends the connection's task with the last handle.
    _task: Option<Arc<Task>>,
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl One {
    /// Returns how many bytes the system has taken.
    pub(crate) fn written(&self) -> Option<u64> {
        let told = self.told.as_ref()?;
        Some(told.written.load(Ordering::Acquire))
    }
}

impl Way {
    /// The same way with the protocol in which a server sends announcements.
    pub(crate) fn pushing(&self) -> Self {
        let settings = self.info.redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        Self {
            info: self.info.clone().set_redis_settings(settings),
            #[cfg(feature = "tls")]
            connector: self.connector.clone(),
        }
    }

    pub(crate) fn new(
        info: ConnectionInfo,
        #[cfg(feature = "tls")] connector: Option<Connector>,
    ) -> Self {
        Self {
            info,
            #[cfg(feature = "tls")]
            connector,
        }
    }

    /// Returns the address and the database, without user and password.
    pub(crate) fn place(&self) -> String {
        let database = self.info.redis_settings().db();
        format!("{}/{database}", self.info.addr())
    }

    pub(crate) async fn open(
        &self,
        login: Option<&Login>,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<One> {
        let settings = logged_in(self.info.redis_settings(), login);
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let stream = self.tcp(host, *port).await?;
                one(stream, &settings, config).await
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await?;
                one(stream, &settings, config).await
            }
            #[cfg(feature = "tls")]
            ConnectionAddr::TcpTls { host, port, .. } if self.connector.is_some() => {
                let Some(connector) = &self.connector else {
                    return self.by_client(settings, config).await;
                };
                let stream = self.tcp(host, *port).await?;
                let stream = connector.connect(host, stream).await?;
                one(stream, &settings, config).await
            }
            _ => self.by_client(settings, config).await,
        }
    }

    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = open(host, port).await?;
        stream.set_nodelay(true)?;
        let socket = redis::io::tcp::socket2::SockRef::from(&stream);
        if let Some(keepalive) = self.info.tcp_settings().keepalive() {
            socket.set_tcp_keepalive(keepalive)?;
        }
        Ok(stream)
    }

    /// With TLS settings that only the application's client has.
    async fn by_client(
        &self,
        settings: RedisConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<One> {
        let client = Client::open(self.info.clone().set_redis_settings(settings))?;
        let connecting = client.get_multiplexed_async_connection_with_config(config);
        Ok(One {
            connection: connecting.await?,
            told: None,
            _task: None,
        })
    }
}

pub(crate) fn logged_in(
    settings: &RedisConnectionInfo,
    login: Option<&Login>,
) -> RedisConnectionInfo {
    let settings = settings.clone();
    match login.map(|login| login()) {
        Some((user, password)) => settings.set_username(user).set_password(password),
        None => settings,
    }
}

async fn one(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    settings: &RedisConnectionInfo,
    config: &AsyncConnectionConfig,
) -> RedisResult<One> {
    let told = Arc::new(Told::default());
    let stream = Counted {
        stream,
        told: Arc::clone(&told),
        reader: None,
        broken: false,
    };
    let opening = MultiplexedConnection::new_with_config(settings, stream, config.clone());
    // The client takes any answer to its login for a refused password.
    let (connection, task) = opening
        .await
        .map_err(|error| told.refusal().unwrap_or(error))?;
    Ok(One {
        connection,
        told: Some(told),
        _task: Some(Arc::new(Task(tokio::spawn(task).abort_handle()))),
    })
}

/// Opens a TCP connection. The error of a name without an address says so.
pub(crate) async fn open(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<_> = addresses
        .map_err(|_| io::Error::other(UnknownHost))?
        .collect();
    TcpStream::connect(&*addresses).await
}

/// Returns whether one of these servers answers without TLS.
pub(crate) async fn speaks_plainly(hosts: &[(&str, u16)], timeout: Duration) -> bool {
    let asking = async {
        for host in hosts {
            let mut answer = [0];
            let asked: io::Result<()> = async {
                let mut stream = TcpStream::connect(*host).await?;
                stream.write_all(b"PING\r\n").await?;
                stream.read_exact(&mut answer).await?;
                Ok(())
            }
            .await;
            if asked.is_ok() && matches!(answer, [b'+' | b'-']) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(timeout, asking).await.unwrap_or(false)
}

/// Observations of a connection from outside.
#[derive(Default)]
struct Told {
    written: AtomicU64,
    /// How the server's first answer begins.
    first: OnceLock<Box<[u8]>>,
}

impl Told {
    /// Returns the error that a server sends to every refused client, whatever the client sends.
    fn refusal(&self) -> Option<RedisError> {
        let first = self.first.get()?;
        if first.starts_with(b"-ERR max number of clients") {
            let kind = ErrorKind::Server(ServerErrorKind::ResponseError);
            let said = "max number of clients".to_owned();
            Some((kind, "the server lets in nobody", said).into())
        } else if first.starts_with(b"-DENIED") {
            Some(redis::make_extension_error("DENIED".to_owned(), None))
        } else {
            None
        }
    }
}

struct Counted<S> {
    stream: S,
    told: Arc<Told>,
    /// Waits for the first write.
    reader: Option<Waker>,
    /// Nothing more can be written.
    broken: bool,
}

impl<S> Counted<S> {
    /// A server that closes the connection may have said why. So a write to it does not fail, and
    /// what can still be read does.
    fn survives(&mut self, error: &io::Error) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

        self.broken = matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset
        );
        if self.broken {
            self.wake();
        }
        self.broken
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The client drops what comes before it has asked.
        if self.told.written.load(Ordering::Acquire) == 0 && !self.broken {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = &buffer.filled()[before..];
        if !came.is_empty() && self.told.first.get().is_none() {
            let _ = self.told.first.set(came.iter().take(32).copied().collect());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Ok(bytes.len()));
        }
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(length)) => {
                self.told.written.fetch_add(length as u64, Ordering::AcqRel);
                self.wake();
                Poll::Ready(Ok(length))
            }
            Poll::Ready(Err(error)) if self.survives(&error) => Poll::Ready(Ok(bytes.len())),
            other => other,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(Err(error)) if self.survives(&error) => Poll::Ready(Ok(())),
            other => other,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
