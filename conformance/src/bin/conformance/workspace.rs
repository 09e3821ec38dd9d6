//! The tests of the workspace that cargo runs: unit tests, integration tests, documentation tests.

use std::process::Stdio;

use cloakroom_conformance::Tally;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::say;

/// Runs them all, shows what they print, and counts.
pub(crate) async fn test() -> Tally {
    match run().await {
        Ok(tally) => tally,
        Err(error) => {
            say(format_args!("FAILED  cargo test could not be run: {error}"));
            Tally {
                failed: 1,
                ..Tally::default()
            }
        }
    }
}

async fn run() -> std::io::Result<Tally> {
    let mut command = cargo();
    command
        .args(["test", "--workspace", "--no-fail-fast"])
        // The features that this program was built with, so that nothing is built twice for their sake.
        .args(["--features", "cloakroom-conformance/project"]);
    count(command, summary).await
}

/// The cargo that runs this program, so that a toolchain chosen on the command line is kept.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a program that tests, shows what it prints, and counts by the lines that `summary` understands.
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
    // What did not compile, or crashed, printed no summary.
    if !status.success() && tally.failed == 0 {
        say(format_args!("FAILED  {status}"));
        tally.failed = 1;
    }
    Ok(tally)
}

/// A process and all that it starts. Killed when dropped, which is what Ctrl-C and a failure come to.
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
        if let Some(id) = self.child.id()
            && let Some(group) = i32::try_from(id)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
        {
            // It fails if all have ended meanwhile.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// The numbers of `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`, which ends
/// the output of each test program, or of `3 passed, 0 failed, 1 skipped`, which ends that of a suite.
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
mod tests {
    use super::summary;
    use cloakroom_conformance::Tally;

    fn check(line: &str, expected: Option<[usize; 3]>) {
        let expected = expected.map(|[passed, failed, skipped]| Tally {
            passed,
            failed,
            skipped,
        });
        assert_eq!(summary(line), expected, "{line}");
    }

    #[test]
    fn the_summary_of_a_test_program_is_read_and_nothing_else() {
        let end = "0 measured; 0 filtered out; finished in 0.00s";
        check(
            &format!("test result: ok. 3 passed; 0 failed; 1 ignored; {end}"),
            Some([3, 0, 1]),
        );
        check(
            &format!("test result: FAILED. 30 passed; 2 failed; 0 ignored; {end}"),
            Some([30, 2, 0]),
        );
        check("200 passed, 1 failed, 2 skipped", Some([200, 1, 2]));
        check("test result: ok. 3 passed", None);
        check("3 passed, 0 failed", None);
        check("test a_test_result: ok", None);
        check("running 3 tests", None);
        check("", None);
    }
}
