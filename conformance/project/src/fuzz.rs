//! The fuzzers: built with coverage by cargo-fuzz, which is installed for it, and run one after the
//! other, each from its corpus.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cloakroom_conformance::Tally;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::workspace;
use cloakroom_servers::say;

/// The default duration of each.
const SECONDS: u32 = 20;

/// The version of cargo-fuzz that is installed if there is none.
const CARGO_FUZZ: &str = "0.13.1";

/// Runs them: `--seconds N` for each, and a further word chooses some.
pub(crate) async fn test(arguments: &[String]) -> Tally {
    let mut tally = Tally::default();
    let (seconds, parts) = match arguments {
        [flag, seconds, parts @ ..] if flag == "--seconds" => (seconds.parse().ok(), parts),
        parts => (Some(SECONDS), parts),
    };
    let Some(seconds) = seconds else {
        say("FAILED  fuzz: --seconds needs a number");
        tally.failed += 1;
        return tally;
    };
    let targets = match targets() {
        Ok(targets) => targets,
        Err(error) => {
            say(format_args!(
                "FAILED  fuzz: the targets cannot be read: {error}"
            ));
            tally.failed += 1;
            return tally;
        }
    };
    let wanted: Vec<_> = targets
        .into_iter()
        .filter(|name| parts.iter().all(|part| name.contains(part.as_str())))
        .collect();
    let programs = match build().await {
        Ok(programs) => programs,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            for name in wanted {
                say(format_args!("skipped fuzz/{name}: {error}"));
                tally.skipped += 1;
            }
            return tally;
        }
        Err(error) => {
            say(format_args!("FAILED  fuzz: {error}"));
            tally.failed += 1;
            return tally;
        }
    };
    for name in wanted {
        match run(&programs, &name, seconds).await {
            Ok(()) => tally.passed += 1,
            Err(error) => {
                say(format_args!("FAILED  fuzz/{name}: {error}"));
                tally.failed += 1;
            }
        }
    }
    tally
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn targets() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory().join("fuzz_targets"))? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// Builds all fuzzers. Returns their paths.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] with what to do, if cargo-fuzz cannot be had.
async fn build() -> io::Result<PathBuf> {
    let built = env::current_exe()?;
    let Some(target) = built.parent().and_then(Path::parent) else {
        return Err(io::Error::other("there is no directory to build in"));
    };
    let (cargo_fuzz, place) = (cargo_fuzz(target).await?, target.join("fuzz"));
    let status = Command::new(cargo_fuzz)
        // No sanitizer: there is no unsafe code, and none is needed for coverage, nor the nightly
        // compiler.
        .args(["fuzz", "build", "--sanitizer", "none", "--fuzz-dir"])
        .arg(directory())
        .arg("--target-dir")
        .arg(&place)
        .current_dir(directory())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    if !status.success() {
        let message = "they could not be built (libFuzzer needs a C++ compiler)";
        return Err(io::Error::other(message));
    }
    // In a directory named after the compiler's target, which is found by looking.
    let programs = fs::read_dir(&place)?
        .flatten()
        .map(|entry| entry.path().join("release"))
        .find(|programs| programs.join("tokens").exists());
    programs.ok_or_else(|| io::Error::other("cargo-fuzz built nothing"))
}

/// The program cargo-fuzz: the user's, or one next to cargo's output.
async fn cargo_fuzz(target: &Path) -> io::Result<PathBuf> {
    let own = Path::new("cargo-fuzz");
    let known = Command::new(own)
        .args(["fuzz", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    if known.is_ok_and(|status| status.success()) {
        return Ok(own.to_owned());
    }
    let root = target.join("conformance");
    let program = root.join("bin/cargo-fuzz");
    if program.exists() {
        return Ok(program);
    }
    say("fuzz    installing cargo-fuzz …");
    let status = workspace::cargo()
        .args(["install", "--quiet", "--locked", "cargo-fuzz"])
        .args(["--version", CARGO_FUZZ, "--root"])
        .arg(&root)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    match status.success() {
        true => Ok(program),
        false => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "cargo-fuzz is not there, and could not be installed: cargo install cargo-fuzz",
        )),
    }
}

/// Runs one for this long, and reports its results.
async fn run(programs: &Path, name: &str, seconds: u32) -> io::Result<()> {
    let corpus = directory().join("corpus").join(name);
    // Findings go to another directory. Add the valuable ones to the corpus by hand.
    let found = tempfile::Builder::new()
        .prefix("cloakroom-fuzz-")
        .tempdir()?;
    let artifacts = found.path().join("breaks-");
    let discovered = found.path().join("corpus");
    fs::create_dir(&discovered)?;
    let mut fuzzer = Command::new(programs.join(name))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}", artifacts.display()))
        // Neither more memory than this, nor more time for one input.
        .args(["-max_len=4096", "-rss_limit_mb=512", "-timeout=20"])
        .arg(discovered)
        .arg(corpus)
        // Temporary files are in memory if possible, and nothing is left behind after a kill.
        .env("TMPDIR", found.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut told = Vec::new();
    if let Some(stderr) = fuzzer.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(line) = lines.next_segment().await? {
            let line = String::from_utf8_lossy(&line).into_owned();
            // Each line is an input that reached new code. The last one has the totals.
            let progress = |line: &String| Progress::of(line).is_some();
            if progress(&line) && told.last().is_some_and(progress) {
                told.pop();
            }
            told.push(line);
        }
    }
    let status = fuzzer.wait().await?;
    let did = told.iter().rev().find_map(|line| Progress::of(line));
    match (status.success(), did) {
        (true, Some(Progress { runs, edges })) if edges > 0 => {
            say(format_args!(
                "ok      fuzz/{name}: {seconds} s, {runs} inputs, {edges} edges covered"
            ));
            Ok(())
        }
        (true, _) => Err(io::Error::other("it printed no coverage")),
        (false, _) => {
            told.iter().for_each(say);
            let kept = found.keep();
            let kept = kept.display();
            Err(io::Error::other(format!(
                "{status}; the input is in {kept}"
            )))
        }
    }
}

/// How far a fuzzer has come.
#[derive(Debug, PartialEq)]
struct Progress {
    runs: u64,
    edges: u64,
}

impl Progress {
    /// The numbers of `#293247 DONE   cov: 370 ft: 842 corp: 126/7281b lim: 2832 exec/s: 26658 rss:
    /// 39Mb`.
    fn of(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix('#')?.split_whitespace();
        let runs = words.next()?.parse().ok()?;
        words.find(|word| *word == "cov:")?;
        let edges = words.next()?.parse().ok()?;
        Some(Self { runs, edges })
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn only_libfuzzers_last_lines_are_read() {
        let line =
            "#293247\tDONE   cov: 370 ft: 842 corp: 126/7281b lim: 2832 exec/s: 26658 rss: 39Mb";
        let (runs, edges) = (293_247, 370);
        assert_eq!(Progress::of(line), Some(Progress { runs, edges }));
        for other in ["", "#", "Done 5 runs in 1 second(s)", "#5 DONE corp: 1/1b"] {
            assert_eq!(Progress::of(other), None, "{other}");
        }
    }
}
