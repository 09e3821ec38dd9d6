//! Measurements.

mod cancelled;
mod cluster;
mod peers;
mod stores;
mod sweep;

use std::path::PathBuf;

use cloakroom_conformance::Tally;

use cloakroom_servers::say;

/// Every measurement whose name contains each of `parts`. `--keep` among them keeps what is for
/// COMPARE.md, and `--sessions N` is the size of the cluster's run.
pub(crate) async fn run(arguments: &[String]) -> Tally {
    let mut parts = arguments.to_vec();
    let keep = parts.iter().any(|part| part == "--keep");
    parts.retain(|part| part != "--keep");
    let mut sessions = cluster::SESSIONS;
    if let Some(at) = parts.iter().position(|part| part == "--sessions") {
        let number = parts.get(at + 1).and_then(|number| number.parse().ok());
        let Some(number) = number.filter(|number| *number > 0) else {
            say("FAILED  bench: --sessions needs a number");
            return Tally {
                failed: 1,
                ..Tally::default()
            };
        };
        sessions = number;
        parts.drain(at..at + 2);
    }
    let mut tally = stores::run(&parts).await;
    tally += cancelled::run(&parts).await;
    tally += sweep::run(&parts).await;
    tally += peers::run(&parts, keep).await;
    let place = keep.then(|| PathBuf::from(peers::MEASURED));
    tally += cluster::run(&parts, sessions, place).await;
    tally
}
