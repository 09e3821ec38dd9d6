//! The fuzzers: built with coverage and run by cargo-fuzz, one after the other, each from its corpus.

use std::io;
use std::path::{Path, PathBuf};

use cloakroom_conformance::Tally;
use tokio::process::Command;

use crate::{say, workspace};

/// How long each of them runs, unless told otherwise.
const SECONDS: u32 = 20;

/// Runs them: `--seconds N` for each, and a further word chooses some.
pub(crate) async fn test(arguments: &[String]) -> Tally {
    let mut tally = Tally::default();
    let (seconds, parts) = match arguments {
        [flag, seconds, parts @ ..] if flag == "--seconds" => (seconds.parse().ok(), parts),
        parts => (Some(SECONDS), parts),
    };
    let Some(seconds) = seconds else {
        say("FAILED  fuzz: --seconds wants a number");
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
    let wanted = targets
        .into_iter()
        .filter(|name| parts.iter().all(|part| name.contains(part.as_str())));
    for name in wanted {
        match run(&name, seconds).await {
            Ok(true) => {
                say(format_args!("ok      fuzz/{name}: {seconds} s"));
                tally.passed += 1;
            }
            Ok(false) => {
                say(format_args!("FAILED  fuzz/{name}"));
                tally.failed += 1;
            }
            Err(error) => {
                say(format_args!("skipped fuzz/{name}: {error}"));
                tally.skipped += 1;
            }
        }
    }
    tally
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn targets() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory().join("fuzz_targets"))? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// Whether the fuzzer found nothing.
async fn run(name: &str, seconds: u32) -> io::Result<bool> {
    if !workspace::cargo()
        .args(["fuzz", "--version"])
        .status()
        .await?
        .success()
    {
        return Err(io::Error::other(
            "cargo-fuzz is not there: cargo install cargo-fuzz",
        ));
    }
    let corpus = directory().join("corpus").join(name);
    // What is found goes elsewhere: what is worth it is added to the corpus by hand.
    let found = tempfile::Builder::new()
        .prefix("cloakroom-fuzz-")
        .tempdir()?;
    let mut command: Command = workspace::cargo();
    command
        // No sanitizer: there is no unsafe code, and none is needed for coverage.
        .args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"])
        .arg(directory())
        .arg(name)
        .arg(found.path())
        .arg(corpus)
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        // Neither more memory than this, nor more time for one input.
        .args(["-max_len=4096", "-rss_limit_mb=512", "-timeout=20"])
        .args(["-print_final_stats=0", "-verbosity=0"])
        .kill_on_drop(true);
    Ok(command.status().await?.success())
}
