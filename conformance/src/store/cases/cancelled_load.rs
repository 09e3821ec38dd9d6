use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_store::{Key, StoreError, UnixTime};
use tokio::task::JoinSet;

use crate::case::{Stop, checks, fail};
use crate::store::context::{Context, key, seed};
use crate::store::handle::Handle;

checks! { Context:
    "store/cancelled-load" => costs_no_more, ["R91"],
        "CVE-2023-44487 (HTTP/2 rapid reset); cloakroom_store::Store, \"Cancel-safe\"",
        "aborting clients cost the others little more than waiting ones: in one run the others keep at least a quarter of their rate";
}

/// How many clients the load has.
const CLIENTS: usize = 16;

/// How many others there are, whose operations count.
const OTHERS: usize = 4;

/// How long a load lasts before the others are counted, and how long they are at first.
const BEFORE: Duration = Duration::from_millis(250);
const WINDOW: Duration = Duration::from_millis(500);

/// A busy machine may stand still in any window. So there are pairs of windows, one of each kind,
/// until one shows that the others keep their share. A pair with fewer than `ENOUGH` operations in
/// each window shows nothing: a slow store, or a slow machine, gets longer ones.
const MOST_PAIRS: usize = 10;
const ENOUGH: usize = 40;
const LONGEST: Duration = Duration::from_secs(4);

/// The share of their throughput that must be left to the others, compared with clients that wait.
/// A queue is a little longer with aborting clients, because their operations go on. A store that
/// pays for each of them leaves a hundredth.
const SHARE: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Load {
    Waits,
    BreaksOff,
}

async fn costs_no_more(context: Context) -> Result<(), Stop> {
    let [store, _] = context.pair().await?;
    let names = |who: &str, count| {
        let names = (0..count).map(|index| key(&format!("{who}-{index}")));
        names.collect::<Vec<_>>()
    };
    let (clients, others) = (names("client", CLIENTS), names("other", OTHERS));
    for name in clients.iter().chain(&others) {
        seed(&store, name, &context.write("kept")).await?;
    }
    let end = context.later(3600);
    let (mut seen, mut length) = (Vec::new(), WINDOW);
    for _ in 0..MOST_PAIRS {
        let waits = window(&store, [&clients, &others], end, (Load::Waits, length)).await?;
        let breaks_off =
            window(&store, [&clients, &others], end, (Load::BreaksOff, length)).await?;
        // Enough in either window: few beside clients that wait, and many beside those that abort,
        // is a store that loses nothing by them.
        if waits.max(breaks_off) >= ENOUGH && breaks_off * SHARE >= waits {
            return Ok(());
        }
        seen.push((waits, breaks_off, length));
        if waits < ENOUGH {
            length = (length * 2).min(LONGEST);
        }
    }
    fail(format!(
        "{OTHERS} others completed so many operations while {CLIENTS} clients waited, and while they \
         aborted theirs, in windows of this length: {seen:?}"
    ))
}

/// Counts the operations that the others complete beside a load.
async fn window(
    store: &Handle,
    [clients, others]: [&[Key]; 2],
    end: UnixTime,
    (load, length): (Load, Duration),
) -> Result<usize, Stop> {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut loads = JoinSet::new();
    for (index, name) in clients.iter().enumerate() {
        let (store, name, is_over) = (store.clone(), name.clone(), Arc::clone(&is_over));
        loads.spawn(async move {
            let mut turn = index;
            while !is_over.load(Ordering::Relaxed) {
                let operation = operation(&store, &name, turn, end);
                if load == Load::BreaksOff {
                    // 0 to 3 ms: before the first byte is sent, or at any moment after it.
                    let patience = Duration::from_millis(turn as u64 % 4);
                    let _ = tokio::time::timeout(patience, operation).await;
                } else {
                    // Whether it succeeds is the matter of other cases.
                    let _ = operation.await;
                }
                tokio::task::yield_now().await;
                turn += 5;
            }
        });
    }
    tokio::time::sleep(BEFORE).await;
    let begin = Instant::now();
    let mut counted = JoinSet::new();
    for name in others {
        let (store, name) = (store.clone(), name.clone());
        counted.spawn(async move {
            let mut turn = 0;
            while begin.elapsed() < length {
                operation(&store, &name, turn, end).await?;
                turn += 1;
                tokio::task::yield_now().await;
            }
            // The last one was not within the window.
            Ok::<_, StoreError>(turn.saturating_sub(1))
        });
    }
    let mut count = 0;
    let mut failure = None;
    while let Some(outcome) = counted.join_next().await {
        match outcome {
            Ok(Ok(turns)) => count += turns,
            Ok(Err(error)) => failure = Some(error.to_string()),
            Err(error) => failure = Some(error.to_string()),
        }
        // Those who are still waiting get their answers without the load.
        is_over.store(true, Ordering::Relaxed);
    }
    while loads.join_next().await.is_some() {}
    match failure {
        None => Ok(count),
        Some(error) => fail(format!(
            "beside the load an operation of another fails: {error}"
        )),
    }
}

/// Three loads, then a write.
async fn operation(
    store: &Handle,
    name: &Key,
    turn: usize,
    end: UnixTime,
) -> Result<(), StoreError> {
    match turn % 4 {
        3 => store.touch(name, end).await.map(drop),
        _ => store.load(name).await.map(drop),
    }
}
