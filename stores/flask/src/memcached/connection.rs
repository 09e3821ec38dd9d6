//! Requests and answers of Memcached's text protocol, and the connections that nobody uses just now.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cloakroom_store::StoreError;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::STORE;
use crate::failure::{permanent, timed_out, transient};

/// The longest line that an answer may begin with. Those that are meant to come have less than 100 bytes.
const LONGEST_LINE: u64 = 2048;
/// The longest value that is read. A server takes at most 1 MiB unless it is told otherwise.
const LONGEST_VALUE: usize = 64 << 20;
/// How many idle connections are kept.
const IDLE: usize = 16;

/// What a server answered.
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

pub(super) struct Link {
    server: String,
    timeout: Duration,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

impl Link {
    pub(super) fn new(server: String, timeout: Duration) -> Self {
        Self {
            server,
            timeout,
            idle: Mutex::default(),
        }
    }

    /// Its name, `host:port`.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Sends a request and waits for its answer. A connection that fails, or that nobody waits for any more, is closed.
    pub(super) async fn ask(&self, request: Vec<u8>, reads: bool) -> Result<Answer, StoreError> {
        let work = async {
            if let Some(connection) = self.waiting() {
                match self.ask_on(connection, &request).await {
                    // The server closed it while nobody used it. A read does no harm twice.
                    Err(error) if reads && error.is_transient() => {}
                    outcome => return outcome,
                }
            }
            let connection = TcpStream::connect(&self.server).await.map_err(broken)?;
            // One small request at a time: nothing to wait for.
            connection.set_nodelay(true).map_err(broken)?;
            self.ask_on(BufReader::new(connection), &request).await
        };
        let done = tokio::time::timeout(self.timeout, work).await;
        done.unwrap_or_else(|_| Err(timed_out(STORE, self.timeout)))
    }

    async fn ask_on(
        &self,
        mut connection: BufReader<TcpStream>,
        request: &[u8],
    ) -> Result<Answer, StoreError> {
        let socket = connection.get_mut();
        socket.write_all(request).await.map_err(broken)?;
        let answer = read(&mut connection).await?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(answer)
    }

    /// A connection that is open and on which nothing came that nobody asked for.
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
            "the server refused the command (does it want a user name and password?)",
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
        "the server gave an answer that the command does not have",
    )
}

fn broken(error: std::io::Error) -> StoreError {
    transient(STORE, format!("the connection failed: {}", error.kind()))
}
