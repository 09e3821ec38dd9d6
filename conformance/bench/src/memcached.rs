//! Memcached: the store's commands by hand, on as many connections as the store has.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::Failure;
use crate::direct::{self, wrong};

pub(crate) const PREFIX: &str = "bench:";
/// The store's default.
const CONNECTIONS: usize = 10;
/// The last time that Memcached knows, which is before the records' expiry.
const LAST: i32 = i32::MAX;

#[derive(Clone)]
pub(crate) struct Direct(Arc<Pool>);

struct Pool {
    server: String,
    places: Semaphore,
    idle: Mutex<Vec<BufStream<TcpStream>>>,
}

impl Direct {
    pub(crate) fn new(url: &str) -> Self {
        Self(Arc::new(Pool {
            server: url.trim_start_matches("memcached://").to_owned(),
            places: Semaphore::new(CONNECTIONS),
            idle: Mutex::default(),
        }))
    }

    /// Sends a command, with its value if it has one, and reads the line and the value of the
    /// answer.
    async fn send(&self, line: String, value: Option<&[u8]>) -> Result<String, Failure> {
        let pool = &*self.0;
        let _place = pool.places.acquire().await?;
        let idle = pool
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&pool.server).await?;
                stream.set_nodelay(true)?;
                BufStream::new(stream)
            }
        };
        stream.write_all(line.as_bytes()).await?;
        if let Some(value) = value {
            stream.write_all(value).await?;
            stream.write_all(b"\r\n").await?;
        }
        stream.flush().await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        if let Some(rest) = answer.strip_prefix("VA ") {
            let length = rest
                .split(' ')
                .next()
                .unwrap_or_default()
                .parse::<usize>()?;
            stream.read_exact(&mut vec![0; length + 2]).await?;
        }
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(stream);
        Ok(answer)
    }

    async fn done(&self, line: String, value: Option<&[u8]>, answer: &str) -> Result<(), Failure> {
        match self.send(line, value).await?.trim_end() == answer {
            true => Ok(()),
            false => wrong(answer),
        }
    }
}

impl direct::Direct for Direct {
    type Version = u64;

    async fn load(&self, key: &str) -> Result<u64, Failure> {
        let answer = self
            .send(format!("mg {PREFIX}{key} v c t\r\n"), None)
            .await?;
        let number = |mark: char| {
            let mut words = answer.split_ascii_whitespace();
            words.find_map(|word| word.strip_prefix(mark))
        };
        match (number('c'), number('t')) {
            (Some(cas), Some(rest)) => {
                let _rest: i64 = rest.parse()?;
                Ok(cas.parse()?)
            }
            _ => wrong("mg"),
        }
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let line = format!("add {PREFIX}{key} 0 {LAST} {}\r\n", value.len());
        self.done(line, Some(value), "STORED").await
    }

    async fn replace(&self, key: &str, old: u64, value: &[u8]) -> Result<(), Failure> {
        let line = format!("cas {PREFIX}{key} 0 {LAST} {} {old}\r\n", value.len());
        self.done(line, Some(value), "STORED").await
    }

    async fn touch(&self, key: &str) -> Result<(), Failure> {
        self.done(format!("touch {PREFIX}{key} {LAST}\r\n"), None, "TOUCHED")
            .await
    }

    async fn delete(&self, key: &str, old: u64) -> Result<(), Failure> {
        self.done(format!("md {PREFIX}{key} C{old}\r\n"), None, "HD")
            .await
    }
}
