//! The costs of clients that disconnect for the others, on every store.
//!
//! The package `cloakroom-bench` measures, in a release build; here the servers are started.

use std::io;

use cloakroom_conformance::Tally;
use cloakroom_servers::say;
use tempfile::TempDir;

use super::stores::{self, Start, Started};

const ALL: &[(&str, Start)] = &[
    ("memory", || Ok((Box::new(()), String::new()))),
    ("file", directory),
    ("redis", stores::redis),
    ("memcached", stores::memcached),
    ("mongodb", stores::mongodb),
    ("sqlite", stores::sqlite),
    ("postgres", stores::postgres),
    ("mariadb", stores::mariadb),
    ("flask-file", directory),
    ("flask-redis", stores::redis),
    ("flask-memcached", stores::memcached),
    ("flask-mongodb", stores::mongodb),
    ("flask-sqlite", directory),
    ("flask-postgres", stores::postgres),
    ("flask-mariadb", stores::mariadb),
];

/// Measures the stores whose names contain each of `parts`. A finished measurement counts as
/// passed: a busy machine is no failure.
pub(super) async fn run(parts: &[String]) -> Tally {
    let mut tally = Tally::default();
    for (name, start) in ALL {
        let full = format!("cancelled/{name}");
        if !parts.iter().all(|part| full.contains(part.as_str())) {
            continue;
        }
        let outcome = match start() {
            Ok((_server, url)) => stores::measure(&["cancelled", name, &url]).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(counted) => tally += counted,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                say(format_args!("skipped bench/{full}: {error}"));
                tally.skipped += 1;
            }
            Err(error) => {
                say(format_args!("FAILED  bench/{full}: {error}"));
                tally.failed += 1;
            }
        }
    }
    tally
}

fn directory() -> Started {
    let directory = TempDir::new()?;
    let path = directory.path().display().to_string();
    Ok((Box::new(directory), path))
}
