//! Counts the commands that reach Redis, with its MONITOR command.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use crate::apps::Error;

/// A command that only the end of a count sends.
const END: &str = "the-end-of-the-count";

pub struct Monitor {
    lines: BufReader<TcpStream>,
    address: String,
}

impl Monitor {
    /// Starts a count.
    pub fn new(url: &str) -> Result<Self, Error> {
        let rest = url.strip_prefix("redis://").ok_or("no URL of Redis")?;
        let address = rest.split('/').next().unwrap_or_default().to_owned();
        let mut stream = TcpStream::connect(&address)?;
        stream.write_all(b"MONITOR\r\n")?;
        let mut lines = BufReader::new(stream);
        lines.read_line(&mut String::new())?;
        Ok(Self { lines, address })
    }

    /// Returns the count, without the commands that scripts called.
    pub fn commands(self) -> Result<u64, Error> {
        let mut other = TcpStream::connect(&self.address)?;
        write!(other, "ECHO {END}\r\n")?;
        let mut count = 0;
        for line in self.lines.lines() {
            let line = line?;
            if line.contains(END) {
                return Ok(count);
            }
            count += u64::from(!line.contains(" lua]"));
        }
        Err("Redis ended".into())
    }
}
