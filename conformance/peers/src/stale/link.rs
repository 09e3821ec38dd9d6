//! A way to Redis that can be cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use crate::apps::Error;

/// A port that leads to Redis, until the program ends.
pub struct Link {
    /// That of Redis, by this way.
    pub url: String,
    mode: Arc<AtomicU8>,
}

#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Mode {
    Pass,
    /// Connections break, also new ones.
    Cut,
    /// Nothing comes back any more, and nothing breaks.
    Hang,
}

/// How soon a change of the mode is noticed.
const SOON: Duration = Duration::from_millis(2);

impl Link {
    pub fn start(url: &str) -> Result<Self, Error> {
        let (before, rest) = url.split_once("127.0.0.1:").ok_or("a server on loopback")?;
        let end = rest.find('/').unwrap_or(rest.len());
        let port: u16 = rest[..end].parse()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own = listener.local_addr()?.port();
        let mode = Arc::new(AtomicU8::new(Mode::Pass as u8));
        let shared = Arc::clone(&mode);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.load(Ordering::Relaxed) != Mode::Cut as u8 {
                    // A failure here is a connection that breaks.
                    let _ = carry(client, port, &shared);
                }
            }
        });
        Ok(Self {
            url: format!("{before}127.0.0.1:{own}{}", &rest[end..]),
            mode,
        })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }
}

fn carry(client: TcpStream, port: u16, mode: &Arc<AtomicU8>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (to_server, to_client) = (server.try_clone()?, client.try_clone()?);
    for (from, to, comes_back) in [(client, to_server, false), (server, to_client, true)] {
        let mode = Arc::clone(mode);
        thread::spawn(move || {
            let _ = copy(&from, &to, comes_back, &mode);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

fn copy(
    mut from: &TcpStream,
    mut to: &TcpStream,
    comes_back: bool,
    mode: &AtomicU8,
) -> io::Result<()> {
    from.set_read_timeout(Some(SOON))?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer);
        match mode.load(Ordering::Relaxed) {
            is if is == Mode::Cut as u8 => return Ok(()),
            is if is == Mode::Hang as u8 && comes_back => {
                thread::sleep(SOON);
                continue;
            }
            _ => {}
        }
        match read {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(error),
        }
    }
}
