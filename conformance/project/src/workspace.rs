//! The tests of the workspace: unit tests, integration tests, documentation tests.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use cloakroom_conformance::Tally;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use cloakroom_servers::say;

/// Runs them all, the suites of stores and adapters among them.
pub(crate) async fn test() -> Tally {
    test_with(Options::default()).await
}

/// Runs all but the cases that these arguments leave out, and the programs in [`STARTING_OTHERS`].
/// The suites' files are in memory where the system offers it: most of their time on a disk is
/// `fsync`.
pub(crate) async fn test_without(arguments: impl IntoIterator<Item = String>) -> Tally {
    let options = Options {
        arguments: arguments.into_iter().collect(),
        without: &STARTING_OTHERS,
        files_of_suites: memory(),
    };
    // The documentation's programs wait for their linker half of the time.
    let (mut tally, documentation) = tokio::join!(test_programs(options), test_documentation());
    tally += documentation;
    tally
}

/// Test programs that start servers, or build further programs.
const STARTING_OTHERS: [&str; 8] = [
    "cli/moves",
    "cli/stores",
    "direct/feed",
    "near/tracked",
    "near/tracked_cluster",
    "project/dumps",
    "project/readme",
    "sql/feed",
];

/// The same for each program.
#[derive(Default)]
struct Options {
    arguments: Vec<String>,
    without: &'static [&'static str],
    /// Where suites make temporary files. `None`: where the system has them.
    files_of_suites: Option<&'static Path>,
}

/// Returns a directory in memory. `None`: there is none, or it has less than a GiB left.
fn memory() -> Option<&'static Path> {
    #[cfg(target_os = "linux")]
    {
        let path = Path::new("/dev/shm");
        let space = rustix::fs::statvfs(path).ok()?;
        let is_enough = space.f_bavail.saturating_mul(space.f_frsize) >= 1 << 30;
        // A test of whether this user may write there.
        (is_enough && tempfile::tempdir_in(path).is_ok()).then_some(path)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

async fn test_with(options: Options) -> Tally {
    let mut tally = test_programs(options).await;
    tally += test_documentation().await;
    tally
}

/// Cargo runs one test program after the other. Most of them wait for servers and clocks, so here
/// as many run at a time as there are processors.
async fn test_programs(options: Options) -> Tally {
    match programs().await {
        Ok(mut programs) => {
            programs.retain(|program| !options.without.contains(&&*program.name()));
            all(programs, &options, |printed| say(printed)).await
        }
        Err(error) => failed(format_args!("the tests could not be built: {error}")),
    }
}

async fn test_documentation() -> Tally {
    let mut documentation = cargo();
    documentation.args(["test", "--workspace", "--no-fail-fast", "--doc"]);
    run(documentation).await
}

fn failed(why: impl std::fmt::Display) -> Tally {
    say(format_args!("FAILED  {why}"));
    Tally {
        failed: 1,
        ..Tally::default()
    }
}

/// A test program that cargo built.
#[derive(Debug, PartialEq)]
struct Program {
    executable: PathBuf,
    /// The directory of its package, in which cargo runs it.
    package: PathBuf,
    is_suite: bool,
}

/// A message of cargo for each file that it built, as far as it matters here.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds every test program. Those that run longest come first, then the other suites.
async fn programs() -> std::io::Result<VecDeque<Program>> {
    let mut command = cargo();
    command
        .args(["test", "--workspace", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    let mut group = Group::spawn(&mut command)?;
    let mut messages = String::new();
    if let Some(stdout) = &mut group.child.stdout {
        stdout.read_to_string(&mut messages).await?;
    }
    let status = group.child.wait().await?;
    if !status.success() {
        return Err(std::io::Error::other(status.to_string()));
    }
    let mut programs: Vec<_> = messages.lines().filter_map(program).collect();
    if programs.is_empty() {
        return Err(std::io::Error::other("cargo named none"));
    }
    programs.sort_by_key(Program::turn);
    Ok(programs.into())
}

/// The programs that run longest. One that began last would run alone.
const LONGEST: [&str; 8] = [
    "cli/stores",
    "near/suite",
    "flask/suite",
    "any/suite",
    "file/suite",
    "core/interleavings",
    "project/readme",
    "conformance/broken_stores",
];

/// Reads a line of cargo's. `None`: it is of something else than a test program.
fn program(line: &str) -> Option<Program> {
    let artifact: Artifact = serde_json::from_str(line).ok()?;
    if !artifact.profile.test {
        return None;
    }
    Some(Program {
        executable: artifact.executable?,
        package: artifact.manifest_path.parent()?.to_owned(),
        is_suite: artifact.target.name == "suite",
    })
}

/// Runs test programs side by side, and shows what each printed when it ends.
async fn all(programs: VecDeque<Program>, options: &Options, show: fn(&str)) -> Tally {
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(programs);
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    };
    let lane = async |_| {
        let mut tally = Tally::default();
        while let Some(program) = next() {
            let begun = Instant::now();
            let (printed, counted) = program.run(options).await;
            let (name, seconds) = (program.name(), begun.elapsed().as_secs_f64());
            show(&format!("     Running {name}: {seconds:.1} s\n{printed}"));
            tally += counted;
        }
        tally
    };
    let tallies = futures_util::future::join_all((0..lanes).map(lane)).await;
    tallies
        .into_iter()
        .fold(Tally::default(), |mut sum, tally| {
            sum += tally;
            sum
        })
}

impl Program {
    /// Its place in the order: the lowest first.
    fn turn(&self) -> usize {
        let name = self.name();
        let place = LONGEST.iter().position(|longest| *longest == name);
        place.unwrap_or_else(|| LONGEST.len() + usize::from(!self.is_suite))
    }

    async fn run(&self, options: &Options) -> (String, Tally) {
        let mut tally = Tally::default();
        let (mut printed, why) = match self.output(options).await {
            Ok((printed, status)) => {
                for counted in printed.lines().filter_map(summary) {
                    tally += counted;
                }
                // A suite whose every case was skipped says so, and is no failure of the run.
                let told = tally.failed > 0 || status.code() == Some(1) && tally.skipped > 0;
                let crashed = !status.success() && !told;
                (printed, crashed.then(|| status.to_string()))
            }
            Err(error) => (String::new(), Some(error.to_string())),
        };
        if let Some(why) = why {
            printed += &format!("\nFAILED  {}: {why}", self.name());
            tally.failed += 1;
        }
        (printed, tally)
    }

    /// The directory of its package, and its own name without cargo's hash.
    fn name(&self) -> String {
        let last = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        let (package, program) = (last(&self.package), last(&self.executable));
        let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
        format!("{package}/{program}")
    }

    /// Returns what it printed, in order. A test may print what is not UTF-8.
    async fn output(&self, options: &Options) -> std::io::Result<(String, ExitStatus)> {
        let (mut reader, writer) = std::io::pipe()?;
        let mut command = Command::new(&self.executable);
        command
            .args(&options.arguments)
            .current_dir(&self.package)
            .env("CARGO_MANIFEST_DIR", &self.package)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        // Other programs start what they made there, which a system may forbid in memory.
        let is_of_files = self.is_suite || self.name().starts_with("file/");
        if let Some(directory) = options.files_of_suites.filter(|_| is_of_files) {
            command.env("TMPDIR", directory);
        }
        let mut group = Group::spawn(&mut command)?;
        // It holds the other end of the pipe, which would never end.
        drop(command);
        let read = tokio::task::spawn_blocking(move || {
            let mut printed = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut printed).map(|_| printed)
        });
        let id = group.child.id();
        let status = group.child.wait().await?;
        // Of what it started, nothing outlives it and holds the pipe.
        #[cfg(unix)]
        kill(id);
        let printed = read.await.map_err(std::io::Error::other)??;
        Ok((String::from_utf8_lossy(&printed).into_owned(), status))
    }
}

/// Runs a `cargo test`, shows what it prints, and counts.
pub(crate) async fn run(command: Command) -> Tally {
    match count(command, summary).await {
        Ok(tally) => tally,
        Err(error) => failed(format_args!("cargo test could not be run: {error}")),
    }
}

/// The cargo that runs this program, so that a toolchain chosen on the command line is kept.
///
/// Without what that cargo tells this program about itself: the build script of `ring` depends on
/// it, so `ring` and all that uses it would be built again after each `cargo test`.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let of_package = |name: &str| {
            [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
            ]
            .iter()
            .any(|start| name.starts_with(start))
        };
        if name.to_str().is_some_and(of_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program that tests, shows what it prints, and counts by the lines that `summary`
/// understands.
pub(crate) async fn count(
    mut command: Command,
    summary: fn(&str) -> Option<Tally>,
) -> std::io::Result<Tally> {
    command.stdout(Stdio::piped());
    let mut group = Group::spawn(&mut command)?;
    let mut tally = Tally::default();
    if let Some(stdout) = group.child.stdout.take() {
        let mut lines = BufReader::new(stdout).split(b'\n');
        while let Some(line) = lines.next_segment().await? {
            // A test may print what is not UTF-8.
            let line = String::from_utf8_lossy(&line);
            say(&line);
            if let Some(counted) = summary(&line) {
                tally += counted;
            }
        }
    }
    let status = group.child.wait().await?;
    // A program that did not compile, or crashed, printed no summary.
    if !status.success() && tally.failed == 0 {
        tally += failed(status);
    }
    Ok(tally)
}

/// A process and all that it starts. Killed when dropped, which is what Ctrl-C and a failure come
/// to.
struct Group {
    child: Child,
}

impl Group {
    fn spawn(command: &mut Command) -> std::io::Result<Self> {
        command.kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn()?;
        Ok(Self { child })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Cargo alone would leave the tests behind that it started. No id: it has ended.
        #[cfg(unix)]
        kill(self.child.id());
    }
}

/// Kills a group of processes, by the number of the first.
#[cfg(unix)]
fn kill(first: Option<u32>) {
    use rustix::process::{Pid, Signal, kill_process_group};

    let first = first.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    // It fails if all have ended meanwhile.
    let _ = first.map(|group| kill_process_group(group, Signal::KILL));
}

/// Reads the totals of a test program's last line, `test result: ok. 3 passed; 0 failed; 1 ignored;
/// 0 measured; 0 filtered out; finished in 0.00s`. Also reads those of a suite's last line, `3
/// passed, 0 failed, 1 skipped`.
fn summary(line: &str) -> Option<Tally> {
    let ([counts, separator], skipped) = match line.strip_prefix("test result: ") {
        Some(result) => ([result.split_once(". ")?.1, "; "], "ignored"),
        None => ([line, ", "], "skipped"),
    };
    let count = |what: &str| {
        counts.split(separator).find_map(|part| {
            let (number, name) = part.split_once(' ')?;
            (name == what).then(|| number.parse().ok())?
        })
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: count(skipped)?,
    })
}

#[cfg(test)]
mod tests;
