//! A way to a server for each place of a store suite.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::proxy::{Mode, Proxy};

/// A way to a server for each place, so that the server can be taken from one case and not from the
/// others.
///
/// The ports are in files of a directory, where other processes that work on a place find theirs.
#[derive(Debug)]
pub struct Ways {
    server: SocketAddr,
    directory: PathBuf,
    proxies: Mutex<HashMap<String, Proxy>>,
    /// In the process that opened them; another finds them.
    own: bool,
    /// The default behaviour of each way.
    usual: Mode,
}

impl Ways {
    /// Opens ways to `server`, and keeps their ports in this directory.
    pub fn new(server: SocketAddr, directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self::at(server, directory, true))
    }

    /// The same ways, in another process.
    pub fn find(server: SocketAddr, directory: &Path) -> Self {
        Self::at(server, directory, false)
    }

    fn at(server: SocketAddr, directory: &Path, own: bool) -> Self {
        Self {
            server,
            directory: directory.to_owned(),
            proxies: Mutex::default(),
            own,
            usual: Mode::Pass,
        }
    }

    /// Returns the same ways with this default behaviour.
    #[must_use]
    pub fn usually(self, usual: Mode) -> Self {
        Self { usual, ..self }
    }

    /// Changes back to what usually happens on the way of this place.
    pub fn reset(&self, place: &str) -> io::Result<()> {
        self.set(place, self.usual)
    }

    /// Where the server is for this place.
    pub async fn address(&self, place: &str) -> io::Result<SocketAddr> {
        let file = self.directory.join(place);
        match fs::read_to_string(&file) {
            Ok(address) => return address.parse().map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !self.own {
                    // A place that only other processes have opened: nothing is to happen on its
                    // way.
                    return Ok(self.server);
                }
            }
            Err(error) => return Err(error),
        }
        let proxy = Proxy::start(self.server).await?;
        proxy.set(self.usual);
        let address = proxy.address();
        fs::write(file, address.to_string())?;
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.insert(place.to_owned(), proxy);
        Ok(address)
    }

    /// Changes what happens on the way of this place.
    pub fn set(&self, place: &str, mode: Mode) -> io::Result<()> {
        let proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        match proxies.get(place) {
            Some(proxy) => {
                proxy.set(mode);
                Ok(())
            }
            None => Err(io::Error::other("the place was not opened")),
        }
    }
}
