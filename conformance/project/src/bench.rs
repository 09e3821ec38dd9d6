//! Measurements.

mod cancelled;
mod peers;
mod stores;
mod sweep;

use cloakroom_conformance::Tally;

/// Every measurement whose name contains each of `parts`. `--keep` among them keeps what is for
/// COMPARE.md.
pub(crate) async fn run(parts: &[String]) -> Tally {
    let (options, parts): (Vec<_>, Vec<_>) = parts.iter().partition(|part| *part == "--keep");
    let parts: Vec<String> = parts.into_iter().cloned().collect();
    let mut tally = stores::run(&parts).await;
    tally += cancelled::run(&parts).await;
    tally += sweep::run(&parts).await;
    tally += peers::run(&parts, !options.is_empty()).await;
    tally
}
