//! A server of this run's own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// How long a server may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// A process that serves a port of the loopback. Killed when dropped; on Linux also when this
/// process ends in whatever way.
#[derive(Debug)]
pub struct Server {
    command: Mutex<Command>,
    child: Mutex<Child>,
    address: SocketAddr,
    /// The server's output, which is only read if it does not start.
    log: NamedTempFile,
    /// Servers and directories that it depends on, and that end with it.
    _beneath: Option<Box<Self>>,
}

impl Server {
    /// Starts `program` and waits until it listens at `port`.
    ///
    /// # Errors
    ///
    /// If it does not start, exits at once, or does not listen in time. The error has the end of
    /// its output.
    pub fn start<S: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        port: u16,
    ) -> io::Result<Self> {
        let log = NamedTempFile::with_prefix("cloakroom-log-")?;
        let mut command = command(program, "KILL");
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.as_file().try_clone()?)
            .stderr(log.as_file().try_clone()?);
        // A Ctrl-C in the terminal is this process's affair: it stops its servers in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn()?;
        let server = Self {
            command: command.into(),
            child: child.into(),
            address: (Ipv4Addr::LOCALHOST, port).into(),
            log,
            _beneath: None,
        };
        server.wait()?;
        Ok(server)
    }

    /// Returns the address that the server listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server as a power failure would: it can do nothing about it.
    pub fn kill(&self) -> io::Result<()> {
        let mut child = self.child();
        child.kill()?;
        child.wait().map(drop)
    }

    /// Starts it again, in the same place with the same arguments.
    ///
    /// # Errors
    ///
    /// Those of [`Server::start`].
    pub fn start_again(&self) -> io::Result<()> {
        let mut command = self.command.lock().unwrap_or_else(PoisonError::into_inner);
        *self.child() = command.spawn()?;
        self.wait()
    }

    /// Stops the process (`SIGSTOP`) or lets it continue. Stopped, it keeps its connections and
    /// sends nothing.
    #[cfg(unix)]
    pub fn pause(&self, pause: bool) -> io::Result<()> {
        use rustix::process::{Pid, Signal, kill_process};

        let id = i32::try_from(self.child().id())
            .ok()
            .and_then(Pid::from_raw);
        let signal = if pause { Signal::STOP } else { Signal::CONT };
        match id {
            Some(id) => Ok(kill_process(id, signal)?),
            None => Err(io::Error::other("the process has no id")),
        }
    }

    /// The same server, which stands on another that is to end with it.
    #[cfg(feature = "sql")]
    pub(crate) fn upon(mut self, beneath: Self) -> Self {
        self._beneath = Some(Box::new(beneath));
        self
    }

    fn wait(&self) -> io::Result<()> {
        let begin = Instant::now();
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err() {
            let why = match self.child().try_wait()? {
                Some(status) => format!("the server ended: {status}"),
                None if begin.elapsed() > START => {
                    format!("the server does not listen after {} s", START.as_secs())
                }
                None => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
            };
            let (address, printed) = (self.address, self.last_words());
            return Err(io::Error::other(format!("{address}: {why}; {printed}")));
        }
        Ok(())
    }

    /// The end of the server's output.
    fn last_words(&self) -> String {
        const LINES: usize = 12;
        let printed = fs::read(self.log.path()).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed);
        let lines: Vec<_> = printed.lines().filter(|line| !line.is_empty()).collect();
        match &lines[lines.len().saturating_sub(LINES)..] {
            [] => "it printed nothing".to_owned(),
            lines => format!("it printed:\n        | {}", lines.join("\n        | ")),
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails if the server has ended already.
        let _ = self.kill();
    }
}

/// Through `setpriv`, if there is one, so that the kernel ends the server together with this
/// process, by this signal.
pub(crate) fn command(program: &Path, signal: &str) -> Command {
    const SETPRIV: &str = "/usr/bin/setpriv";
    if cfg!(target_os = "linux") && Path::new(SETPRIV).exists() {
        let mut command = Command::new(SETPRIV);
        command.args(["--pdeathsig", signal, "--"]).arg(program);
        return command;
    }
    Command::new(program)
}

/// The first line of a program's `--version`.
pub fn version(program: &Path) -> io::Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_start_is_an_error_with_its_output() {
        let port = crate::ports::free_port().expect("a port");
        let script = "echo the disk is full; echo and the port is taken >&2; exit 3";
        let error = Server::start(Path::new("/bin/sh"), ["-c", script], port).expect_err("it ends");
        let error = error.to_string();
        for part in [
            "exit status: 3",
            "the disk is full",
            "and the port is taken",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
