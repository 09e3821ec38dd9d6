//! What is measured rather than tested.

mod stores;
mod sweep;

use cloakroom_conformance::Tally;

/// Every measurement whose name contains each of `parts`.
pub(crate) async fn run(parts: &[String]) -> Tally {
    let mut tally = stores::run(parts).await;
    tally += sweep::run(parts).await;
    tally
}
