//! The repository's own programs, built and run as anybody would, and the cases about them.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use cloakroom_conformance::Verdict;

#[cfg(unix)]
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::workspace;
use cloakroom_servers::say;

/// How long one case may take. None needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(120);

/// A case's requirement and its check.
pub(crate) struct Case<R> {
    pub(crate) id: &'static str,
    pub(crate) requirements: &'static [&'static str],
    pub(crate) sentence: &'static str,
    pub(crate) source: &'static str,
    pub(crate) run: R,
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why a case failed, in words.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

/// Dropping the case, when its time is over, ends the processes that it started.
pub(crate) async fn verdict(running: Running) -> Verdict {
    match tokio::time::timeout(LIMIT, running).await {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(Failure(what))) => Verdict::Failed(what),
        Err(_) => Verdict::Failed(format!("it did not end within {} s", LIMIT.as_secs())),
    }
}

impl<R> Case<R> {
    pub(crate) fn tell(&self, verdict: &Verdict) {
        let Self {
            id,
            sentence,
            source,
            ..
        } = self;
        match verdict {
            Verdict::Passed => say(format_args!("ok      {id}")),
            Verdict::Skipped(why) => say(format_args!("skipped {id}: {why}")),
            Verdict::Failed(what) => {
                let requirements = match self.requirements {
                    [] => String::new(),
                    some => format!(" ({})", some.join(", ")),
                };
                say(format_args!("FAILED  {id}"));
                say(format_args!("        {what}"));
                say(format_args!("        required{requirements}: {sentence}"));
                say(format_args!("        source: {source}"));
            }
            _ => {}
        }
    }
}

impl<R> fmt::Display for Case<R> {
    /// As the suites' cases: `id  requirements  sentence  [source]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            sentence,
            source,
            ..
        } = self;
        let requirements = self.requirements.join(" ");
        write!(f, "{id:<52} {requirements:<12} {sentence} [{source}]")
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        Self(text)
    }
}

/// Fails unless `got` is `want`.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, want: T) -> Result<(), Failure> {
    match got == want {
        true => Ok(()),
        false => fail(format!("{what}: expected {want:?}, got {got:?}")),
    }
}

pub(crate) fn fail<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure(what.into()))
}

/// The program of an example, built with the features that the workspace's tests are built with, so
/// that nothing is built twice.
pub(crate) async fn example(name: &str) -> Result<PathBuf, Failure> {
    let mut command = workspace::cargo();
    command
        .args(["build", "--quiet", "--workspace", "--example", name])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let output = command.output().await?;
    if !output.status.success() {
        return fail(format!("the example {name} could not be built"));
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let program = messages
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
    match program {
        Some(program) => Ok(program),
        None => fail(format!(
            "cargo built the example {name}, but did not say where it is"
        )),
    }
}

/// How long a program may take to say that it is ready, and how long to end.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A program that serves, and all that it starts. Killed when dropped, which is what a failure, a
/// panic, the end of a case's time and Ctrl-C come to.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    // Kept open as long as it runs: it may have more to say, and would stumble over a closed pipe.
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self, Failure> {
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

    /// Waits for the program's line that has this text.
    pub(crate) async fn says<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let name = self.name;
        let found = timeout(TIMEOUT, async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(found) = find(&line) {
                    return Ok(found);
                }
            }
            fail(format!("{name} ended before it was ready"))
        });
        match found.await {
            Ok(found) => found,
            Err(_) => fail(format!("{name} was not ready within {TIMEOUT:?}")),
        }
    }

    /// Asks the program to end, as the user would, and waits until it has.
    pub(crate) async fn interrupt(mut self) -> Result<(), Failure> {
        #[cfg(unix)]
        if let Some(pid) = self.pid() {
            rustix::process::kill_process(pid, Signal::INT)?;
        }
        #[cfg(not(unix))]
        self.child.start_kill()?;
        let Ok(status) = timeout(TIMEOUT, self.child.wait()).await else {
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
