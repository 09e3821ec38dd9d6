//! Requests and answers: bytes in, bytes out, no I/O.
//!
//! Writes use the classic commands `add` and `cas`. The newer `ms` does the same in one command.
//! But if the new record does not fit into the server, `ms` removes the present one, even if it was
//! not to be replaced. Two newer commands do more than the classic ones: `mg` returns a record's
//! remaining lifetime, and `md` is a delete that compares.
//!
//! Every request has one answer: `noreply` and `q` are never used.

use std::io::Write as _;

use bytes::{Buf as _, Bytes, BytesMut};
use cloakroom_store::Key;

use crate::name::Name;

/// The longest line that a server may answer with. Memcached's have less than 100 bytes.
const LONGEST_LINE: usize = 2048;

/// The largest value that is sent or read. A server takes 1 MiB by default (`-I`).
pub(crate) const LARGEST_VALUE: usize = 64 << 20;

/// From here on a value is not copied.
const LARGE: usize = 16 * 1024;

/// One request.
pub(crate) struct Request {
    /// The line, and behind it the value with a line break of its own.
    pub(crate) text: Vec<u8>,
    /// A value that is too large to be copied behind the line, without its line break.
    pub(crate) large: Option<Bytes>,
}

impl Request {
    /// Asks for nothing, to see whether a server is there.
    pub(crate) fn ping() -> Self {
        Self::line(format_args!("mn\r\n"))
    }

    pub(crate) fn load(name: &Name) -> Self {
        Self::line(format_args!("mg {name} v c t\r\n"))
    }

    pub(crate) fn create(name: &Name, exptime: i64, value: &Bytes) -> Self {
        let length = value.len();
        Self::with_value(format_args!("add {name} 0 {exptime} {length}\r\n"), value)
    }

    pub(crate) fn replace(name: &Name, cas: u64, exptime: i64, value: &Bytes) -> Self {
        let length = value.len();
        let line = format_args!("cas {name} 0 {exptime} {length} {cas}\r\n");
        Self::with_value(line, value)
    }

    pub(crate) fn touch(name: &Name, exptime: i64) -> Self {
        Self::line(format_args!("touch {name} {exptime}\r\n"))
    }

    pub(crate) fn delete(name: &Name, cas: u64) -> Self {
        Self::line(format_args!("md {name} C{cas}\r\n"))
    }

    fn line(line: std::fmt::Arguments<'_>) -> Self {
        Self {
            text: text(line, 0),
            large: None,
        }
    }

    fn with_value(line: std::fmt::Arguments<'_>, value: &Bytes) -> Self {
        if value.len() > LARGE {
            let large = Some(value.clone());
            return Self {
                large,
                ..Self::line(line)
            };
        }
        let mut text = text(line, value.len() + 2);
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
        Self { text, large: None }
    }
}

/// Returns a line, with room for what comes behind it.
fn text(line: std::fmt::Arguments<'_>, room: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(Key::MAX_LEN + 64 + room);
    // Writing to a vector does not fail.
    let _ = text.write_fmt(line);
    text
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `VA`: a record.
    Value(Item),
    /// `HD`, `STORED`, `TOUCHED`: it is done.
    Done,
    /// `NOT_STORED`, `EX`, `EXISTS`: another record is there.
    Other,
    /// `EN`, `NF`, `NOT_FOUND`: nothing is there.
    Missing,
    /// `MN`: the answer to a ping.
    Pong,
}

/// A record as the server has it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) value: Bytes,
    pub(crate) cas: u64,
    /// How many seconds it has left; `None` if it has no end.
    pub(crate) rest: Option<u64>,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Item")
            .field("len", &self.value.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The value is over the server's limit. The record is as it was.
    TooLarge,
    /// The server has no room. The record is as it was.
    Full,
    /// The server has as many connections as it may have.
    Crowded,
    /// The server failed in another way.
    Server,
    /// The server does not support the command.
    Unknown,
    /// The server requires authentication.
    Unauthenticated,
    /// The reply is no answer to the request.
    Garbled,
}

/// Takes an answer from the front of `buffer`; `None` if it is not yet there as a whole.
pub(crate) fn take_reply(buffer: &mut BytesMut) -> Result<Option<Reply>, Refusal> {
    let Some(end) = line_end(buffer)? else {
        return Ok(None);
    };
    let line = &buffer[..end];
    let Some(header) = line.strip_prefix(b"VA ") else {
        let reply = status(line)?;
        buffer.advance(end + 2);
        return Ok(Some(reply));
    };
    let header = Header::parse(header)?;
    let value = end + 2;
    let Some(tail) = buffer.get(value + header.length..value + header.length + 2) else {
        return Ok(None);
    };
    if tail != b"\r\n" {
        return Err(Refusal::Garbled);
    }
    buffer.advance(value);
    let value = take_value(buffer, header.length);
    buffer.advance(2);
    Ok(Some(Reply::Value(Item {
        value,
        cas: header.cas,
        rest: header.rest,
    })))
}

/// Returns where the first line ends.
fn line_end(buffer: &[u8]) -> Result<Option<usize>, Refusal> {
    let line = &buffer[..buffer.len().min(LONGEST_LINE)];
    match line.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Ok(Some(end)),
        None if line.len() == LONGEST_LINE => Err(Refusal::Garbled),
        None => Ok(None),
    }
}

fn status(line: &[u8]) -> Result<Reply, Refusal> {
    match line {
        b"HD" | b"STORED" | b"TOUCHED" => Ok(Reply::Done),
        b"NOT_STORED" | b"EX" | b"EXISTS" => Ok(Reply::Other),
        b"EN" | b"NF" | b"NOT_FOUND" => Ok(Reply::Missing),
        b"MN" => Ok(Reply::Pong),
        b"ERROR" => Err(Refusal::Unknown),
        b"ERROR Too many open connections" => Err(Refusal::Crowded),
        b"CLIENT_ERROR unauthenticated" => Err(Refusal::Unauthenticated),
        b"SERVER_ERROR object too large for cache" => Err(Refusal::TooLarge),
        line if line.starts_with(b"SERVER_ERROR out of memory") => Err(Refusal::Full),
        line if line.starts_with(b"SERVER_ERROR ") => Err(Refusal::Server),
        line if line.starts_with(b"CLIENT_ERROR ") => Err(Refusal::Unknown),
        _ => Err(Refusal::Garbled),
    }
}

/// The header before a value.
struct Header {
    length: usize,
    cas: u64,
    rest: Option<u64>,
}

impl Header {
    fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(text).map_err(|_| Refusal::Garbled)?;
        let mut words = text.split(' ');
        let length = words.next().and_then(|word| word.parse().ok());
        let (mut cas, mut rest) = (None, None);
        for word in words {
            match word.split_at_checked(1) {
                Some(("c", number)) => cas = number.parse().ok(),
                Some(("t", "-1")) => rest = Some(None),
                Some(("t", number)) => rest = number.parse().ok().map(Some),
                // Flags that the store does not request: another program has marked the item stale.
                _ => {}
            }
        }
        match (length, cas, rest) {
            (Some(length), Some(cas), Some(rest)) if length <= LARGEST_VALUE => {
                Ok(Self { length, cas, rest })
            }
            _ => Err(Refusal::Garbled),
        }
    }
}

/// A large value takes the buffer with it, a small one is copied, so that the buffer serves the
/// next answer too.
fn take_value(buffer: &mut BytesMut, length: usize) -> Bytes {
    if length > LARGE {
        return buffer.split_to(length).freeze();
    }
    let copy = Bytes::copy_from_slice(&buffer[..length]);
    buffer.advance(length);
    copy
}
