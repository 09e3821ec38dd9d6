//! The cases' environment: a store behind a misbehaving proxy, and a load that records the fate of
//! each write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_store::{Key, Replaced, SharedStore, Store, Stored, UnixTime, Write};
use tokio::task::JoinSet;

use super::{Failure, ServerUnderTest};
use cloakroom_servers::proxy::Proxy;

/// How long an operation may take here.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum of connections for 200 operations on a server that hangs: a pool of ten, and ten
/// more that it is closing.
pub(super) const CONNECTIONS: usize = 64;

/// A case's own store, and the proxy between it and the server.
pub(super) struct Environment {
    pub(super) store: SharedStore,
    /// By another way, on which nothing happens.
    pub(super) sound: SharedStore,
    pub(super) proxy: Proxy,
}

impl Environment {
    pub(super) async fn open(subject: &impl ServerUnderTest, name: &str) -> Result<Self, Failure> {
        let proxy = Proxy::start(subject.address()).await?;
        Ok(Self {
            sound: subject.open(subject.address(), name).await?,
            store: subject.open(proxy.address(), name).await?,
            proxy,
        })
    }
}

/// A record in which workers count up. It holds one bit per increment, so that the end shows
/// whether each landed, and that none landed twice.
pub(super) struct Counter {
    told: [Told; Self::WORKERS],
    round: usize,
}

/// The answers that a worker got for its increments.
#[derive(Default)]
struct Told {
    acknowledged: Vec<usize>,
    unknown: Vec<usize>,
    /// Loads that failed.
    failed: usize,
}

/// The workers of a round, each with its number.
pub(super) struct Round {
    workers: JoinSet<Result<(usize, Told), Failure>>,
    ending: Arc<AtomicBool>,
}

impl Counter {
    const WORKERS: usize = 8;
    /// The maximum of a worker's increments in a round.
    const INCREMENTS: usize = 200;
    /// How many more a worker makes once the fault is over. They show that the store recovers, and
    /// do not take long on a slow server.
    const AFTERWARDS: usize = 25;
    pub(super) const ROUNDS: usize = 3;
    const BITS: usize = Self::WORKERS * Self::INCREMENTS * Self::ROUNDS;

    pub(super) async fn new(sound: &SharedStore) -> Result<Self, Failure> {
        let nothing = vec![0; 8 + Self::BITS.div_ceil(8)];
        let write = Write::new(nothing, UnixTime::MAX, None);
        sound.create(&key("counter"), &write).await?;
        Ok(Self {
            told: Default::default(),
            round: 0,
        })
    }

    /// Lets the workers begin a round.
    pub(super) fn begin(&mut self, store: &SharedStore) -> Round {
        let mut workers = JoinSet::new();
        let ending = Arc::new(AtomicBool::new(false));
        for worker in 0..Self::WORKERS {
            let (store, ending) = (store.clone(), ending.clone());
            let first = (self.round * Self::WORKERS + worker) * Self::INCREMENTS;
            workers.spawn(async move {
                let mut told = Told::default();
                let mut left = Self::AFTERWARDS;
                for bit in first..first + Self::INCREMENTS {
                    increment(&store, bit, &mut told).await?;
                    left -= usize::from(ending.load(Ordering::Relaxed));
                    if left == 0 {
                        break;
                    }
                }
                Ok((worker, told))
            });
        }
        self.round += 1;
        Round { workers, ending }
    }

    /// Ends a round, whose fault is over.
    pub(super) async fn end(&mut self, mut round: Round) -> Result<(), Failure> {
        round.ending.store(true, Ordering::Relaxed);
        while let Some(outcome) = round.workers.join_next().await {
            let (worker, told) = outcome??;
            let all = &mut self.told[worker];
            all.acknowledged.extend(told.acknowledged);
            all.unknown.extend(told.unknown);
            all.failed += told.failed;
        }
        Ok(())
    }

    /// How many increments have an unknown outcome.
    pub(super) fn unknown(&self) -> usize {
        self.told.iter().map(|told| told.unknown.len()).sum()
    }

    /// How many operations failed, in whatever way.
    pub(super) fn failed(&self) -> usize {
        self.unknown() + self.told.iter().map(|told| told.failed).sum::<usize>()
    }

    /// Every acknowledged increment counts once, each of those whose outcome is unknown at most
    /// once, and nothing else.
    pub(super) async fn check(&self, store: &SharedStore) -> Result<(), Failure> {
        let missing = self.missing(&recovered(store, "counter").await?)?;
        match missing {
            0 => Ok(()),
            missing => Err(format!("{missing} acknowledged increments are not there").into()),
        }
    }

    /// How many acknowledged increments are not in the record, of which everything else is as it
    /// must be.
    pub(super) fn missing(&self, stored: &Stored) -> Result<usize, Failure> {
        let (count, bits) = read(stored)?;
        let set: usize = bits.iter().map(|byte| byte.count_ones() as usize).sum();
        if count != set {
            return Err(format!("{count} counted, of {set} increments that landed").into());
        }
        let is_set = |bit: &&usize| bits[**bit / 8] & (1 << (**bit % 8)) != 0;
        let told = self.told.iter();
        let there = told
            .map(|told| told.acknowledged.iter().filter(is_set).count())
            .sum::<usize>();
        let told = self.told.iter();
        let late = told
            .map(|told| told.unknown.iter().filter(is_set).count())
            .sum::<usize>();
        if there + late != set {
            return Err("an increment landed that no answer reported".into());
        }
        let told = self.told.iter();
        Ok(told.map(|told| told.acknowledged.len()).sum::<usize>() - there)
    }
}

/// One increment, until it is done or its outcome is unknown.
async fn increment(store: &SharedStore, bit: usize, told: &mut Told) -> Result<(), Failure> {
    loop {
        let begin = Instant::now();
        let old = match store.load(&key("counter")).await {
            Ok(Some(old)) => old,
            Ok(None) => return Err("the record is gone".into()),
            Err(error) if error.is_transient() => {
                told.failed += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let (count, bits) = read(&old)?;
        if bits[bit / 8] & (1 << (bit % 8)) != 0 {
            return Err("a write that was answered as not done has been done".into());
        }
        let mut next = (count as u64 + 1).to_be_bytes().to_vec();
        next.extend_from_slice(bits);
        next[8 + bit / 8] |= 1 << (bit % 8);
        let write = Write::new(next, UnixTime::MAX, None);
        match store.replace(&key("counter"), &old, &write).await {
            Ok(Replaced::Stored) => told.acknowledged.push(bit),
            Ok(Replaced::Gone) => return Err("the record is gone".into()),
            Ok(_) => {
                // Another worker was faster. Trying again at once would keep a slow server busy
                // with tries alone.
                tokio::time::sleep(begin.elapsed() * (bit % Counter::WORKERS) as u32 / 2).await;
                continue;
            }
            Err(error) if error.is_transient() => told.unknown.push(bit),
            Err(error) => return Err(error.into()),
        }
        return Ok(());
    }
}

fn read(stored: &Stored) -> Result<(usize, &[u8]), Failure> {
    let (count, bits) = stored
        .bytes
        .split_first_chunk()
        .filter(|(_, bits)| bits.len() == Counter::BITS.div_ceil(8))
        .ok_or("the record is torn")?;
    Ok((usize::try_from(u64::from_be_bytes(*count))?, bits))
}

/// The record, once the store has its server again.
pub(super) async fn recovered(store: &SharedStore, name: &str) -> Result<Stored, Failure> {
    let mut tries = 0;
    loop {
        match store.load(&key(name)).await {
            Ok(Some(stored)) => return Ok(stored),
            Ok(None) => return Err("the record is gone".into()),
            // Each connection may have to be found broken.
            Err(error) if tries > 20 => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        tries += 1;
    }
}

pub(super) fn key(name: &str) -> Key {
    #[expect(clippy::expect_used, reason = "the names here are valid keys")]
    Key::new(name).expect("a valid key")
}

pub(super) fn write(bytes: &str) -> Write {
    Write::new(bytes.to_owned(), UnixTime::MAX, None)
}
