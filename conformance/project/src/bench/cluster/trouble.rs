//! The faults of the cluster while the clients work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloakroom_servers::{Failure, RedisCluster, agree, query};
use redis::{Connection, cmd};
use tokio::task::block_in_place;
use tokio::time::sleep;

/// How many slots move: 1 in 256.
const SLOTS: u16 = 64;

/// How long a node stands still: longer than the others wait for it.
const PAUSE: Duration = Duration::from_secs(4);

/// Around a failover acknowledged writes may be lost: those of the moments before it, which the
/// replica did not have yet, and those that the old master took before it heard of its successor.
const BEFORE: Duration = Duration::from_secs(2);

/// The times of a run, and what happened at which.
#[derive(Clone)]
pub(super) struct Log {
    begin: Instant,
    events: Arc<Mutex<Vec<(Duration, String)>>>,
    /// When a failover may have lost acknowledged writes.
    windows: Arc<Mutex<Vec<(Duration, Duration)>>>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
            events: Arc::default(),
            windows: Arc::default(),
        }
    }

    /// The time since the run began.
    pub(super) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    pub(super) fn note(&self, what: &str) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((self.now(), what.to_owned()));
    }

    pub(super) fn events(&self) -> Vec<(Duration, String)> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.clone()
    }

    /// Whether a failover may have lost what was acknowledged at this time.
    pub(super) fn may_be_lost(&self, at: Duration) -> bool {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.iter().any(|(from, to)| (*from..=*to).contains(&at))
    }

    fn window(&self, from: Duration) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.push((from.saturating_sub(BEFORE), self.now() + BEFORE));
    }
}

/// Moves slots, kills a master, and lets another stand still, with `calm` in between.
pub(super) async fn make(cluster: &RedisCluster, log: &Log, calm: Duration) -> Result<(), Failure> {
    sleep(calm).await;
    log.note("slots move");
    block_in_place(|| (0..SLOTS).try_for_each(|slot| move_slot(cluster, slot)))?;
    sleep(calm).await;

    block_in_place(|| cluster.begin_failovers())?;
    log.note("a master is killed");
    let from = log.now();
    cluster.nodes()[2].kill()?;
    block_in_place(|| taken_over(cluster, 5))?;
    log.window(from);
    log.note("its replica is master");
    sleep(calm).await;
    log.note("it is back");
    cluster.nodes()[2].start_again()?;
    block_in_place(|| cluster.whole())?;
    sleep(calm).await;

    log.note("a master stands still");
    let from = log.now();
    cluster.nodes()[1].pause(true)?;
    sleep(PAUSE).await;
    log.note("it goes on");
    cluster.nodes()[1].pause(false)?;
    block_in_place(|| cluster.whole())?;
    log.window(from);
    sleep(calm).await;
    block_in_place(|| cluster.end_failovers())
}

/// The first slots are the first master's, and the second gets them.
fn move_slot(cluster: &RedisCluster, slot: u16) -> Result<(), Failure> {
    let [from, to] = [0, 1].map(|node| cluster.admin(node));
    let [from_id, to_id]: [String; 2] =
        [query(&from, "CLUSTER MYID")?, query(&to, "CLUSTER MYID")?];
    let [mut from, mut to] = [connected(&from)?, connected(&to)?];
    set(&mut to, slot, &["IMPORTING", &from_id])?;
    set(&mut from, slot, &["MIGRATING", &to_id])?;
    let port = cluster.nodes()[1].address().port();
    loop {
        let mut names = cmd("CLUSTER");
        names.arg("GETKEYSINSLOT").arg(slot).arg(100);
        let names: Vec<Vec<u8>> = names.query(&mut from)?;
        if names.is_empty() {
            break;
        }
        let mut migrate = cmd("MIGRATE");
        migrate.arg("127.0.0.1").arg(port).arg("").arg(0).arg(5000);
        migrate.arg("KEYS").arg(names).exec(&mut from)?;
    }
    set(&mut to, slot, &["NODE", &to_id])?;
    set(&mut from, slot, &["NODE", &to_id])
}

fn connected(url: &str) -> redis::RedisResult<Connection> {
    redis::Client::open(url)?.get_connection()
}

fn set(node: &mut Connection, slot: u16, how: &[&str]) -> Result<(), Failure> {
    let mut command = cmd("CLUSTER");
    Ok(command.arg("SETSLOT").arg(slot).arg(how).exec(node)?)
}

/// Waits until a replica is master.
fn taken_over(cluster: &RedisCluster, replica: usize) -> Result<(), Failure> {
    agree("the failover", || {
        let role: String = query(&cluster.admin(replica), "INFO replication")?;
        Ok(role.contains("role:master"))
    })
}
