//! Histories on the stores that have no server: their faults are played by a wrapper. Those with a
//! server are among the faults.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom_conformance::instrumented::{Control, Operation};
use cloakroom_conformance::{Instrumented, Tally};
use cloakroom_file::FileStore;
use cloakroom_memory::MemoryStore;
use cloakroom_near::{Builder, Near};
use cloakroom_sql::SqlStore;
use cloakroom_store::{SharedStore, Store};
use tempfile::TempDir;

use super::{Trouble, play, play_within};
use crate::faults;
use cloakroom_servers::say;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NAMES: [&str; 4] = ["memory", "file", "sqlite", "near"];

/// Of the caches of `near`: the shortest there is.
const LEASE: Duration = Duration::from_millis(100);

/// The requirements of every history.
pub(crate) const REQUIREMENT: &str = "R20, R53, R61, R62, R78, R79: 16 clients on two nodes append, count, write, read, claim, rotate and sign out while replies \
                                      are lost: in no real-time order is an acknowledged change missing, a change doubled, a value claimed twice, a dropped one there, \
                                      a read stale, a change lost to a rotation, or anything seen after a sign-out";

/// Runs those whose names contain each of `parts`, on all stores.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let mut tally = on_local(parts).await;
    let mut parts = parts.to_vec();
    parts.push("histories/".to_owned());
    tally += faults::test(&parts).await;
    tally
}

/// Runs those on the stores without a server.
pub(crate) async fn on_local(parts: &[String]) -> Tally {
    let mut tally = Tally::default();
    for name in NAMES {
        let case = format!("histories/lost-replies[{name}]");
        if !parts.iter().all(|part| case.contains(part.as_str())) {
            continue;
        }
        match on(name).await {
            Ok(summary) => {
                say(format_args!("ok      {case}: {summary}"));
                tally.passed += 1;
            }
            Err(error) => {
                say(format_args!(
                    "FAILED  {case}\n        {error}\n        required: {REQUIREMENT}"
                ));
                tally.failed += 1;
            }
        }
    }
    tally
}

async fn on(name: &str) -> Result<String, Failure> {
    let directory: TempDir = tempfile::Builder::new().prefix("cloakroom-").tempdir()?;
    let mut trouble = Lost::default();
    let nodes = match name {
        "near" => return cached(|builder| builder).await,
        "memory" => {
            let store = MemoryStore::builder().build();
            vec![trouble.wrap(store.clone()), trouble.wrap(store)]
        }
        "file" => {
            let open = || FileStore::builder(directory.path()).open();
            vec![trouble.wrap(open()?), trouble.wrap(open()?)]
        }
        _ => {
            let url = format!("sqlite:{}/sessions.db", directory.path().display());
            let mut nodes = Vec::new();
            for _ in 0..2 {
                let store = SqlStore::builder()
                    .timeout(Duration::from_secs(15))
                    .max_connections(4)
                    .connect(&url)
                    .await?;
                store.migrate().await?;
                nodes.push(trouble.wrap(store));
            }
            nodes
        }
    };
    play(nodes, &trouble).await
}

/// Two processes with caches, whose leases alone end what is stale.
async fn cached(
    with: impl Fn(Builder<SharedStore>) -> Builder<SharedStore>,
) -> Result<String, Failure> {
    let (store, mut trouble) = (MemoryStore::builder().build(), Lost::default());
    let (mut nodes, mut caches) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let near = with(Near::builder(trouble.wrap(store.clone())).lease(LEASE)).build();
        nodes.push(SharedStore::new(near.clone()));
        caches.push(near);
    }
    let summary = play_within(nodes, &trouble, LEASE).await?;
    let hits: u64 = caches.iter().map(|near| near.numbers().hits).sum();
    match hits {
        0 => Err("no cache answered, so nothing was tested".into()),
        hits => Ok(format!("{summary}, {hits} loads from memory")),
    }
}

/// Answers that are lost, and operations that fail, on command.
#[derive(Default)]
struct Lost {
    controls: Vec<Control>,
    hits: AtomicUsize,
}

impl Lost {
    fn wrap(&mut self, store: impl Store) -> SharedStore {
        let store = Instrumented::new(store);
        self.controls.push(store.control());
        SharedStore::new(store)
    }
}

impl Trouble for Lost {
    async fn make(&self) {
        const WRITES: [Operation; 4] = [
            Operation::Replace,
            Operation::Create,
            Operation::Delete,
            Operation::Replace,
        ];
        let turn = self.hits.fetch_add(1, Ordering::Relaxed);
        for control in &self.controls {
            // Unused plans are made again, and otherwise the log would grow.
            control.reset();
            for _ in 0..=turn % 4 {
                control.on(WRITES[turn % 4]).lose_reply();
            }
            control.on(Operation::Load).fail();
            control.on(Operation::Replace).skip(5).fail();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    fn end(&self) {
        self.controls.iter().for_each(Control::reset);
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::cached;

    // R80
    #[tokio::test(flavor = "multi_thread")]
    async fn a_cache_whose_lease_never_ends_is_found() {
        let stands_still = cached(|builder| builder.clocks(|| Duration::ZERO, SystemTime::now));
        let error = stands_still.await.expect_err("reads are too old");
        assert!(error.to_string().contains("acknowledged"), "{error}");
    }
}
