//! Histories: many clients at once on a real store, through the whole machine. Each answer and its
//! time are recorded, and checked afterwards.

mod check;
mod clients;
mod event;
mod local;
mod traced;

use std::time::Duration;

use cloakroom_store::SharedStore;

pub(crate) use local::{REQUIREMENT, on_local, test};

use clients::Clients;

/// The faults while the clients work.
pub(crate) trait Trouble {
    /// Makes some, once; called again and again. Returns after the moment that it takes.
    fn make(&self) -> impl Future<Output = ()> + Send;

    /// Ends it.
    fn end(&self);

    /// How often a fault hit a client.
    fn hits(&self) -> usize;
}

/// How long the clients are at work.
const CALM: Duration = Duration::from_millis(700);
const TROUBLED: Duration = Duration::from_millis(2_000);

/// Plays a history on these nodes, which share what is stored: first in calm, then in trouble. Says
/// what was played.
pub(crate) async fn play(
    nodes: Vec<SharedStore>,
    trouble: &impl Trouble,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    play_within(nodes, trouble, Duration::ZERO).await
}

/// The same on nodes with caches: a read may be older than an acknowledged change for this lease.
pub(crate) async fn play_within(
    nodes: Vec<SharedStore>,
    trouble: &impl Trouble,
    lease: Duration,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let clients = Clients::start(nodes).await?;
    tokio::time::sleep(CALM).await;
    let calm = clients.events();
    let end = tokio::time::Instant::now() + TROUBLED;
    while tokio::time::Instant::now() < end {
        trouble.make().await;
    }
    trouble.end();
    let history = clients.stop().await?;
    if trouble.hits() == 0 {
        return Err("no fault hit a client, so nothing was tested".into());
    }
    let summary = check::check(&history, lease)?;
    Ok(format!("{summary}, {calm} of them before the trouble"))
}
