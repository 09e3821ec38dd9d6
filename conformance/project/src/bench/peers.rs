//! Measures Cloakroom and other libraries, and the memory store when it is large: the data of
//! COMPARE.md.
//!
//! The workspace `conformance/peers` measures, in a release build; here it is built, and its Redis
//! started.

use std::io;
use std::path::Path;
use std::process::Stdio;

use cloakroom_conformance::Tally;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::stores;
use crate::scoreboard::peers;
use crate::workspace;
use cloakroom_servers::say;
use cloakroom_servers::{program, version};

/// Where the measured files are kept, when they are.
pub(super) const MEASURED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../measured");
const ROUNDS: &str = "11";

struct Measurement {
    name: &'static str,
    /// The file for what is printed.
    file: &'static str,
    /// The Debian packages, and the programs in them, that it needs.
    needs: Option<&'static str>,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    /// The program of the peers with these arguments; `{redis}` is the URL of a server.
    Peers(&'static [&'static str]),
    /// The memory store's own benchmark.
    Memory,
}

const ALL: &[Measurement] = &[
    Measurement {
        name: "peers/requests",
        file: "requests.tsv",
        needs: Some("valgrind"),
        run: Run::Peers(&["bench", "{redis}"]),
    },
    Measurement {
        name: "peers/heap",
        file: "heap.tsv",
        needs: None,
        run: Run::Peers(&["heap"]),
    },
    Measurement {
        name: "peers/sockets",
        file: "sockets.tsv",
        needs: Some("wrk"),
        run: Run::Peers(&["sockets", "{redis}", ROUNDS]),
    },
    Measurement {
        name: "peers/near",
        file: "near.tsv",
        needs: Some("wrk"),
        run: Run::Peers(&["near", "{redis}", ROUNDS]),
    },
    Measurement {
        name: "peers/stale",
        file: "stale.tsv",
        needs: None,
        run: Run::Peers(&["stale", "{redis}"]),
    },
    Measurement {
        name: "peers/contention",
        file: "contention.tsv",
        needs: None,
        run: Run::Peers(&["contention", "{redis}"]),
    },
    Measurement {
        name: "memory",
        file: "memory.tsv",
        needs: None,
        run: Run::Memory,
    },
];

/// Runs the measurements whose names contain each of `parts`. With `keep` the figures go to
/// `conformance/measured`, and the plots and tables are made again. A finished measurement counts
/// as passed.
pub(super) async fn run(parts: &[String], keep: bool) -> Tally {
    let mut tally = Tally::default();
    for measurement in ALL {
        if !parts
            .iter()
            .all(|part| measurement.name.contains(part.as_str()))
        {
            continue;
        }
        count(
            &mut tally,
            measurement.name,
            measure(measurement, keep).await,
        );
    }
    if keep && tally.passed > 0 {
        count(&mut tally, "plots and tables", draw().await);
    }
    tally
}

fn count(tally: &mut Tally, name: &str, outcome: io::Result<()>) {
    match outcome {
        Ok(()) => tally.passed += 1,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            say(format_args!("skipped bench/{name}: {error}"));
            tally.skipped += 1;
        }
        Err(error) => {
            say(format_args!("FAILED  bench/{name}: {error}"));
            tally.failed += 1;
        }
    }
}

async fn measure(measurement: &Measurement, keep: bool) -> io::Result<()> {
    let needed = match measurement.needs {
        Some(name) => Some(program(name, name, &[])?),
        None => None,
    };
    let (lines, _redis) = match measurement.run {
        Run::Memory => {
            say(format_args!("bench/{}", measurement.name));
            let mut command = workspace::cargo();
            command.args(["bench", "--quiet", "--package", "cloakroom-memory"]);
            command.args(["--bench", "scale", "--", "10000", "1000000", "5000000"]);
            (printed(&mut command).await?, None)
        }
        Run::Peers(arguments) => {
            let (redis, url) = stores::redis()?;
            let program = peers::build(&peers::built()?).await?;
            say(format_args!("bench/{}", measurement.name));
            let mut command = Command::new(program);
            command.args(
                arguments
                    .iter()
                    .map(|argument| argument.replace("{redis}", &url)),
            );
            (printed(&mut command).await?, Some(redis))
        }
    };
    if lines.len() < 2 {
        return Err(io::Error::other("nothing was measured"));
    }
    if keep {
        let mut text = remark(needed.as_deref()).await?;
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        std::fs::write(Path::new(MEASURED).join(measurement.file), text)?;
    }
    Ok(())
}

/// Runs it to its end; every line is shown when it comes.
async fn printed(command: &mut Command) -> io::Result<Vec<String>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut all = Vec::new();
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            say(&line);
            all.push(line);
        }
    }
    let status = child.wait().await?;
    match status.success() {
        true => Ok(all),
        false => Err(io::Error::other(status.to_string())),
    }
}

async fn draw() -> io::Result<()> {
    let program = peers::build(&peers::built()?).await?;
    printed(Command::new(program).args(["plot", MEASURED])).await?;
    Ok(())
}

/// Where and with what it was measured.
async fn remark(needed: Option<&Path>) -> io::Result<String> {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = file("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("?", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let processors = std::thread::available_parallelism()?;
    let kernel = file("/proc/sys/kernel/osrelease");
    // Without what a distribution calls its build.
    let kernel = kernel.split('-').next().unwrap_or_default();
    let mut rustc = Command::new("rustc");
    let rustc = rustc.arg("--version").output().await?.stdout;
    let rustc = String::from_utf8_lossy(&rustc);
    let mut text = format!(
        "# {model}, {processors} processors, Linux {}; {}",
        kernel.trim(),
        rustc.trim()
    );
    if let Some(tool) = needed {
        text.push_str("; ");
        text.push_str(&version(tool)?);
    }
    text.push('\n');
    Ok(text)
}
