//! What is measured rather than tested.

mod sweep;

use cloakroom_conformance::Tally;

/// Every measurement whose name contains each of `parts`.
pub(crate) async fn run(parts: &[String]) -> Tally {
    sweep::run(parts).await
}
