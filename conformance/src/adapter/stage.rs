//! The stage that the cases and the handlers share: gates in the handler, and the randomness.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

/// The gates where handlers wait, and the results of late tasks.
#[derive(Clone, Default)]
pub(super) struct Stage {
    seen: Arc<watch::Sender<Seen>>,
    entropy: Entropy,
}

#[derive(Default)]
struct Seen {
    reached: BTreeSet<String>,
    open: BTreeSet<String>,
    dropped: BTreeSet<String>,
    told: Option<Vec<Value>>,
}

impl Stage {
    pub(super) fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    /// For handlers: waits until the gate is open.
    pub(super) async fn wait(&self, gate: &str) {
        self.reach(gate);
        let mut seen = self.seen.subscribe();
        let waiting = Waiting { stage: self, gate };
        // The sender is here, so this cannot fail.
        let _ = seen.wait_for(|seen| seen.open.contains(gate)).await;
        std::mem::forget(waiting);
    }

    pub(super) fn reach(&self, gate: &str) {
        self.seen.send_modify(|seen| {
            seen.reached.insert(gate.to_owned());
        });
    }

    /// Reports the result of a task that outlives its handler.
    pub(super) fn tell(&self, results: Vec<Value>) {
        self.seen.send_modify(|seen| seen.told = Some(results));
    }

    /// Forgets what was reached.
    pub(super) fn reset(&self) {
        self.seen.send_replace(Seen::default());
    }

    pub(super) fn open(&self, gate: &str) {
        self.seen.send_modify(|seen| {
            seen.open.insert(gate.to_owned());
        });
    }

    pub(super) fn is_reached(&self, gate: &str) -> bool {
        self.seen.borrow().reached.contains(gate)
    }

    /// Returns when a handler waits at the gate.
    pub(super) async fn reached(&self, gate: &str) {
        let mut seen = self.seen.subscribe();
        let _ = seen.wait_for(|seen| seen.reached.contains(gate)).await;
    }

    /// Returns when a handler that waited at the gate has been dropped.
    pub(super) async fn dropped(&self, gate: &str) {
        let mut seen = self.seen.subscribe();
        let _ = seen.wait_for(|seen| seen.dropped.contains(gate)).await;
    }

    /// Returns the result of a task that outlived its handler.
    pub(super) async fn told(&self) -> Vec<Value> {
        let mut seen = self.seen.subscribe();
        let told = seen.wait_for(|seen| seen.told.is_some()).await;
        told.ok()
            .and_then(|seen| seen.told.clone())
            .unwrap_or_default()
    }
}

struct Waiting<'a> {
    stage: &'a Stage,
    gate: &'a str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.stage.seen.send_modify(|seen| {
            seen.dropped.insert(self.gate.to_owned());
        });
    }
}

/// Bytes that never repeat, unless the case makes them. The same ones in every run.
#[derive(Clone, Default)]
pub(super) struct Entropy(Arc<Mutex<Drawn>>);

#[derive(Default)]
struct Drawn {
    counter: u64,
    last: Vec<u8>,
    repeat: usize,
}

impl Entropy {
    /// The next so many draws of tokens give what the last one gave.
    pub(super) fn repeat(&self, draws: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).repeat = draws;
    }

    pub(super) fn fill(&self, bytes: &mut [u8]) {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Only tokens are drawn by more than 32 bytes.
        let token = bytes.len() > 32;
        if token && drawn.repeat > 0 && drawn.last.len() == bytes.len() {
            drawn.repeat -= 1;
            bytes.copy_from_slice(&drawn.last);
            return;
        }
        for chunk in bytes.chunks_mut(8) {
            drawn.counter += 1;
            let word = mixed(drawn.counter).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        if token {
            drawn.last = bytes.to_vec();
        }
    }
}

/// SplitMix64: a bijection, so different counters give different words.
fn mixed(counter: u64) -> u64 {
    let mut z = counter.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
