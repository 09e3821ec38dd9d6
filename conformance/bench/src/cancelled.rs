//! Measures what clients that disconnect cost the others: operations of four others, alone, beside
//! sixteen clients that wait for their answers, and beside sixteen that abort after 0 to 3 ms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_store::{Key, Store, UnixTime, Write};
use tokio::task::JoinSet;

use crate::Failure;
use crate::direct::{ENDS, next};

const CLIENTS: usize = 16;
const OTHERS: usize = 4;
const WINDOW: Duration = Duration::from_secs(1);
/// So that the load is there, and a queue if it makes one.
const BEFORE: Duration = Duration::from_millis(250);
const ROUNDS: usize = 5;

#[derive(Clone, Copy, PartialEq)]
enum Load {
    None,
    Waits,
    Aborts,
}

pub(crate) async fn measure(name: &str, store: impl Store) -> Result<(), Failure> {
    let store = Arc::new(store);
    let mut keys = Vec::new();
    for _ in 0..CLIENTS + OTHERS {
        let key = Key::new(&format!("session:cancelled-{}", next())).ok_or("not a key")?;
        // A pickle, which Flask's stores keep too.
        let write = Write::new(
            &b"\x80\x02}U\x04nameU\x03Zoes."[..],
            UnixTime::from_secs(ENDS),
            None,
        );
        store.create(&key, &write).await?;
        keys.push(key);
    }
    let mut counts = [const { Vec::new() }; 3];
    let mut longest = [Duration::ZERO; 3];
    // In turns, so that the machine's other work affects each alike.
    for _ in 0..ROUNDS {
        for (at, load) in [Load::None, Load::Waits, Load::Aborts]
            .into_iter()
            .enumerate()
        {
            let (count, slowest) = window(&store, &keys, load).await?;
            counts[at].push(count as f64 / WINDOW.as_secs_f64());
            longest[at] = longest[at].max(slowest);
        }
    }
    let [alone, waiting, aborting] = counts.map(|mut counts| {
        counts.sort_by(f64::total_cmp);
        counts[ROUNDS / 2]
    });
    println!(
        "{name:<16} {alone:>8.0}/s alone {waiting:>8.0}/s beside {CLIENTS} that wait \
         {aborting:>8.0}/s beside {CLIENTS} that abort  ratio {:.2}, longest {:.0}, {:.0} and {:.0} ms",
        aborting / waiting,
        longest[0].as_secs_f64() * 1e3,
        longest[1].as_secs_f64() * 1e3,
        longest[2].as_secs_f64() * 1e3,
    );
    Ok(())
}

/// Counts the others' operations, and returns how long the slowest took.
async fn window(
    store: &Arc<impl Store>,
    keys: &[Key],
    load: Load,
) -> Result<(usize, Duration), Failure> {
    let is_over = Arc::new(AtomicBool::new(load == Load::None));
    let mut loads = JoinSet::new();
    let (clients, others) = keys.split_at(CLIENTS);
    for (index, key) in clients.iter().enumerate() {
        let (store, key, is_over) = (Arc::clone(store), key.clone(), Arc::clone(&is_over));
        loads.spawn(async move {
            let mut turn = index;
            while !is_over.load(Ordering::Relaxed) {
                let operation = operation(&*store, &key, turn);
                if load == Load::Aborts {
                    let patience = Duration::from_millis(turn as u64 % 4);
                    let _ = tokio::time::timeout(patience, operation).await;
                } else {
                    let _ = operation.await;
                }
                tokio::task::yield_now().await;
                turn += 5;
            }
        });
    }
    tokio::time::sleep(BEFORE).await;
    let begin = Instant::now();
    let mut counted = JoinSet::<Result<_, Failure>>::new();
    for key in others {
        let (store, key) = (Arc::clone(store), key.clone());
        counted.spawn(async move {
            let (mut turn, mut longest) = (0, Duration::ZERO);
            while begin.elapsed() < WINDOW {
                let start = Instant::now();
                operation(&*store, &key, turn).await?;
                longest = longest.max(start.elapsed());
                turn += 1;
                tokio::task::yield_now().await;
            }
            // The last one was not within the window.
            Ok((turn.saturating_sub(1), longest))
        });
    }
    let (mut count, mut longest) = (0, Duration::ZERO);
    while let Some(outcome) = counted.join_next().await {
        let (turns, slowest) = outcome??;
        count += turns;
        longest = longest.max(slowest);
    }
    is_over.store(true, Ordering::Relaxed);
    while loads.join_next().await.is_some() {}
    Ok((count, longest))
}

/// Three loads, then a touch.
async fn operation(store: &impl Store, key: &Key, turn: usize) -> Result<(), Failure> {
    match turn % 4 {
        3 => store
            .touch(key, UnixTime::from_secs(ENDS + turn as u64 % 1000))
            .await
            .map(drop)?,
        _ => store.load(key).await.map(drop)?,
    }
    Ok(())
}
