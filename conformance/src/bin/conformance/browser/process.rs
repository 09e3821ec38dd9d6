use std::process::Stdio;
use std::time::Duration;

#[cfg(unix)]
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::{Failure, fail};

/// How long a program may take to say that it is ready, and how long to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that serves, and all that it starts. Killed when dropped, which is what a failure, a panic, the end of a case's
/// time and Ctrl-C come to.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    // Kept open as long as it runs: it may have more to say, and would stumble over a closed pipe.
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(super) fn start(name: &'static str, command: &mut Command) -> Result<Self, Failure> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return fail(format!("{name} could not be started: {error}")),
        };
        let Some(stdout) = child.stdout.take() else {
            return fail(format!("{name} has no standard output"));
        };
        let lines = BufReader::new(stdout).lines();
        Ok(Self { name, child, lines })
    }

    /// Waits for the line in which the program says what is wanted of it.
    pub(super) async fn says<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let name = self.name;
        let found = timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(found) = find(&line) {
                    return Ok(found);
                }
            }
            fail(format!("{name} ended before it was ready"))
        });
        match found.await {
            Ok(found) => found,
            Err(_) => fail(format!("{name} was not ready within {PATIENCE:?}")),
        }
    }

    /// Asks the program to end, as the user would, and waits until it has.
    pub(super) async fn interrupt(mut self) -> Result<(), Failure> {
        #[cfg(unix)]
        if let Some(pid) = self.pid() {
            rustix::process::kill_process(pid, Signal::INT)?;
        }
        #[cfg(not(unix))]
        self.child.start_kill()?;
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            return fail(format!("{} did not end when it was interrupted", self.name));
        };
        match status?.success() {
            true => Ok(()),
            false => fail(format!(
                "{} did not end well when it was interrupted",
                self.name
            )),
        }
    }

    #[cfg(unix)]
    fn pid(&self) -> Option<Pid> {
        // No id: it has ended.
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The browser too, which its driver would leave behind.
        #[cfg(unix)]
        if let Some(group) = self.pid() {
            // It fails if all have ended meanwhile.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

/// Whether this process may do everything.
pub(super) fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    return false;
}
