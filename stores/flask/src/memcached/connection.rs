//! Requests and answers of Memcached's text protocol, and the idle connections.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use cloakroom_store::connections::Outlive;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::STORE;
use crate::failure::{permanent, timed_out, transient};

/// The longest line that an answer may begin with. Those that are meant to come have less than 100
/// bytes.
const LONGEST_LINE: u64 = 2048;
/// The longest value that is read. A server takes at most 1 MiB by default.
const LONGEST_VALUE: usize = 64 << 20;
/// How many connections there may be to a server.
const CONNECTIONS: usize = 16;

/// A server's answer.
pub(super) enum Answer {
    Done,
    /// Another record is there.
    Other,
    Missing,
    Value {
        bytes: Vec<u8>,
        cas: u64,
        /// How many seconds it has left; `None` if it has no end.
        rest: Option<u64>,
    },
}

/// A server. A handle.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    server: String,
    timeout: Duration,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

/// Why an exchange failed.
enum Failure {
    /// The system sent nothing of the request, so the server cannot have received it.
    Unsent(StoreError),
    Other(StoreError),
}

impl Link {
    pub(super) fn new(server: String, timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            server,
            timeout,
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::default(),
        }))
    }

    /// Its name, `host:port`.
    pub(super) fn server(&self) -> &str {
        &self.0.server
    }

    /// Sends a request and waits for its answer. A failed connection is closed. A cancelled request
    /// keeps its connection: a task reads the answer.
    pub(super) async fn ask(&self, request: Vec<u8>, reads: bool) -> Result<Answer, StoreError> {
        let inner = Arc::clone(&self.0);
        let turn = tokio::time::timeout(inner.timeout, Arc::clone(&inner.turns).acquire_owned());
        // Never closed.
        let Ok(Ok(turn)) = turn.await else {
            return Err(timed_out(STORE, inner.timeout));
        };
        let work = async move {
            let _turn = turn;
            let asking = inner.ask(&request, reads);
            let done = tokio::time::timeout(inner.timeout, asking).await;
            done.unwrap_or_else(|_| Err(timed_out(STORE, inner.timeout)))
        };
        Outlive::new(work).await
    }
}

impl Inner {
    async fn ask(&self, request: &[u8], reads: bool) -> Result<Answer, StoreError> {
        if let Some(connection) = self.waiting() {
            match self.ask_on(connection, request).await {
                Err(Failure::Unsent(_)) => {}
                // The server closed it while it was idle. Repeating a read is harmless.
                Err(Failure::Other(error)) if reads && error.is_transient() => {}
                Err(Failure::Other(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
        let connection = TcpStream::connect(&self.server).await;
        let connection = connection.map_err(unreachable)?;
        // One small request at a time: nothing to wait for.
        connection.set_nodelay(true).map_err(broken)?;
        let answer = self.ask_on(BufReader::new(connection), request).await;
        answer.map_err(|(Failure::Unsent(error) | Failure::Other(error))| error)
    }

    async fn ask_on(
        &self,
        mut connection: BufReader<TcpStream>,
        request: &[u8],
    ) -> Result<Answer, Failure> {
        let socket = connection.get_mut();
        let taken = socket.write(request).await;
        let taken = taken.map_err(|error| Failure::Unsent(broken(error)))?;
        let other = |error| Failure::Other(broken(error));
        socket.write_all(&request[taken..]).await.map_err(other)?;
        let answer = read(&mut connection).await.map_err(Failure::Other)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
        Ok(answer)
    }

    /// Returns an open connection without unexpected bytes.
    fn waiting(&self) -> Option<BufReader<TcpStream>> {
        loop {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = idle.pop()?;
            drop(idle);
            let quiet = connection
                .get_ref()
                .try_read(&mut [0])
                .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            if quiet && connection.buffer().is_empty() {
                return Some(connection);
            }
        }
    }
}

async fn read(connection: &mut BufReader<TcpStream>) -> Result<Answer, StoreError> {
    let mut line = Vec::new();
    let mut limited = (&mut *connection).take(LONGEST_LINE);
    limited.read_until(b'\n', &mut line).await.map_err(broken)?;
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return Err(transient(STORE, "the connection broke"));
    };
    let Some(header) = line.strip_prefix(b"VA ") else {
        return status(line);
    };
    let header = std::str::from_utf8(header).map_err(|_| unexpected())?;
    let mut words = header.split_ascii_whitespace();
    let length: usize = number(words.next())?;
    if length > LONGEST_VALUE {
        return Err(permanent(STORE, "the server has a value over 64 MiB there"));
    }
    let (mut cas, mut rest) = (None, None);
    for word in words {
        match word.as_bytes().first() {
            Some(b'c') => cas = Some(number(word.get(1..))?),
            Some(b't') if word == "t-1" => {}
            Some(b't') => rest = Some(number(word.get(1..))?),
            _ => {}
        }
    }
    let mut bytes = vec![0; length + 2];
    connection.read_exact(&mut bytes).await.map_err(broken)?;
    let cas = cas.ok_or_else(unexpected)?;
    match bytes.strip_suffix(b"\r\n") {
        Some(_) => bytes.truncate(length),
        None => return Err(unexpected()),
    }
    Ok(Answer::Value { bytes, cas, rest })
}

fn status(line: &[u8]) -> Result<Answer, StoreError> {
    match line {
        b"HD" | b"STORED" | b"TOUCHED" | b"MN" => Ok(Answer::Done),
        b"NS" | b"NOT_STORED" | b"EX" | b"EXISTS" => Ok(Answer::Other),
        b"EN" | b"NF" | b"NOT_FOUND" => Ok(Answer::Missing),
        b"ERROR" => Err(permanent(
            STORE,
            "the server does not know the command: Memcached 1.6 or later is needed",
        )),
        b"SERVER_ERROR object too large for cache" => Err(permanent(
            STORE,
            "the session is larger than the server takes (-I); nothing was written",
        )),
        _ if line.starts_with(b"SERVER_ERROR out of memory") => {
            Err(transient(STORE, "the server has no room"))
        }
        _ if line.starts_with(b"CLIENT_ERROR") => Err(permanent(
            STORE,
            "the server refused the command; if it requires a user name and password, turn that \
             off",
        )),
        _ => Err(unexpected()),
    }
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Result<T, StoreError> {
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(unexpected)
}

pub(super) fn unexpected() -> StoreError {
    transient(
        STORE,
        "the server's answer does not belong to the command; check the proxies in between",
    )
}

fn broken(error: std::io::Error) -> StoreError {
    let kind = error.kind();
    transient(
        STORE,
        format!("the connection broke: {kind}; the next operation makes a new one"),
    )
}

fn unreachable(error: std::io::Error) -> StoreError {
    let what = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            "nothing listens at the address of SESSION_MEMCACHED; start Memcached or mend it".into()
        }
        kind => format!("the server could not be reached: {kind}; check SESSION_MEMCACHED"),
    };
    transient(STORE, what)
}
