//! The stores' costs, each compared with the same commands sent directly, with the same client and
//! in the same run.
//!
//! The package `cloakroom-bench` measures, in a release build; here its servers are started.

use std::io;
use std::process::Stdio;

use cloakroom_conformance::Tally;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::workspace;
use cloakroom_servers::say;
use cloakroom_servers::{MariaDb, Memcached, MongoDb, Postgres, Redis, execute};

/// A server, kept as long as it is needed, and where it is.
pub(super) type Started = io::Result<(Box<dyn Send>, String)>;
pub(super) type Start = fn() -> Started;

const ALL: &[(&str, Start)] = &[
    ("redis", redis),
    ("memcached", memcached),
    ("mongodb", mongodb),
    ("sqlite", sqlite),
    ("postgres", postgres),
    ("mariadb", mariadb),
];

/// Measures the stores whose names contain each of `parts`. A finished measurement counts as
/// passed: a busy machine is no failure.
pub(super) async fn run(parts: &[String]) -> Tally {
    let mut tally = Tally::default();
    for (name, start) in ALL {
        let full = format!("stores/{name}");
        if !parts.iter().all(|part| full.contains(part.as_str())) {
            continue;
        }
        let outcome = match start() {
            Ok((_server, url)) => measure(&[name, &url]).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(counted) => tally += counted,
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
    tally
}

/// Runs `cloakroom-bench` with these arguments.
pub(super) async fn measure(arguments: &[&str]) -> io::Result<Tally> {
    let mut child = workspace::cargo()
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "cloakroom-bench",
            "--",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            tally.passed += usize::from(line.contains(" ratio "));
            tally.failed += usize::from(line.starts_with("FAILED"));
            say(line);
        }
    }
    let status = child.wait().await?;
    if !status.success() && tally.failed == 0 {
        tally.failed += 1;
        say(format_args!("FAILED  bench/{}: {status}", arguments[0]));
    }
    Ok(tally)
}

fn given() -> io::Error {
    let text = "a server that was given is not measured";
    io::Error::new(io::ErrorKind::Unsupported, text)
}

pub(super) fn redis() -> Started {
    let redis = Redis::new()?;
    redis.own().ok_or_else(given)?;
    // It is the client that is measured, and not how long a disk takes.
    let url = redis.admin();
    execute(&url, "CONFIG SET appendonly no").map_err(io::Error::other)?;
    Ok((Box::new(redis), url))
}

pub(super) fn memcached() -> Started {
    let server = Memcached::new(&[])?;
    server.own().ok_or_else(given)?;
    let url = format!("memcached://{}", server.server());
    Ok((Box::new(server), url))
}

pub(super) fn mongodb() -> Started {
    let server = MongoDb::new()?;
    server.own().ok_or_else(given)?;
    let url = server.by(server.server());
    Ok((Box::new(server), url))
}

pub(super) fn sqlite() -> Started {
    let directory = TempDir::new()?;
    let url = format!("sqlite:{}/sessions.db", directory.path().display());
    Ok((Box::new(directory), url))
}

pub(super) fn postgres() -> Started {
    let server = Postgres::new()?;
    server.0.own().ok_or_else(given)?;
    let url = server.0.by(server.0.server());
    Ok((Box::new(server), url))
}

pub(super) fn mariadb() -> Started {
    let server = MariaDb::new()?;
    server.0.own().ok_or_else(given)?;
    let url = server.0.by(server.0.server());
    Ok((Box::new(server), url))
}
