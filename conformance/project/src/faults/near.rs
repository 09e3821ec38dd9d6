//! Histories on processes with caches before one Redis: what announcements are worth, and the lease
//! without them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom_near::Near;
use cloakroom_redis::RedisStore;
use cloakroom_servers::proxy::{Mode, Proxy};
use cloakroom_servers::{Redis, RedisCluster, Server, execute, query, say};
use cloakroom_store::SharedStore;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::environment::TIMEOUT;
use super::{Failure, Scene};
use crate::builders;
use crate::histories::{self, Trouble};

const LEASE: Duration = Duration::from_millis(200);

/// On one server.
pub(super) fn scene() -> Scene<Redis> {
    Scene {
        id: "histories/near",
        requirement: "R80: with caches that follow the server's announcements no client reads more \
                      than a lease after an acknowledged sign-out or change, while replies and \
                      announcements are lost, links cut and hung, and the server is stopped",
        own: true,
        run: |redis| Box::pin(on_one(redis)),
    }
}

async fn on_one(redis: &Redis) -> Result<(), Failure> {
    let server = redis.own().ok_or("a given server is not stopped")?;
    let proxy = Proxy::start(redis.server()).await?;
    let mut processes = Processes::default();
    for way in [proxy.address(), redis.server()] {
        processes.add(store(redis, way).await?)?;
    }
    let trouble = OnTheWay { proxy, server };
    processes.play(&trouble).await
}

async fn store(redis: &Redis, way: SocketAddr) -> Result<RedisStore, Failure> {
    let builder = builders::redis(redis, way, "near-history");
    Ok(builder.timeout(TIMEOUT).connect().await?)
}

/// Each with a cache of its own.
#[derive(Default)]
struct Processes {
    nodes: Vec<SharedStore>,
    caches: Vec<Near<RedisStore>>,
}

impl Processes {
    fn add(&mut self, store: RedisStore) -> Result<(), Failure> {
        let near = Near::builder(store).lease(LEASE).build_tracked()?;
        self.nodes.push(SharedStore::new(near.clone()));
        self.caches.push(near);
        Ok(())
    }

    async fn play(self, trouble: &impl Trouble) -> Result<(), Failure> {
        let summary = histories::play_within(self.nodes, trouble, LEASE).await?;
        let sum = |of: fn(&Near<RedisStore>) -> u64| self.caches.iter().map(of).sum::<u64>();
        let hits = sum(|near| near.numbers().hits);
        let lost = sum(|near| near.numbers().tracking_lost);
        if hits == 0 || lost == 0 {
            let text = format!("{hits} loads from memory, announcements lost {lost} times");
            return Err(text.into());
        }
        say(format_args!(
            "        {summary}, {hits} loads from memory, announcements lost {lost} times"
        ));
        Ok(())
    }
}

/// On the way of the first process, and at the server.
struct OnTheWay<'a> {
    proxy: Proxy,
    server: &'a Server,
}

impl Trouble for OnTheWay<'_> {
    async fn make(&self) {
        for (mode, lasts) in [
            (Mode::LoseAnswers, LEASE / 20),
            (Mode::Mute, LEASE * 2),
            (Mode::Hang, LEASE),
        ] {
            sleep(LEASE / 2).await;
            self.proxy.set(mode);
            sleep(lasts).await;
            self.proxy.set(Mode::Pass);
        }
        sleep(LEASE / 2).await;
        self.proxy.cut().await;
        sleep(LEASE / 2).await;
        // A server that does not stop stays sound, and the history too.
        let stopped = self.server.pause(true).is_ok();
        sleep(LEASE).await;
        if stopped && self.server.pause(false).is_err() {
            say("        the server does not go on");
        }
    }

    fn end(&self) {
        self.proxy.set(Mode::Pass);
    }

    fn hits(&self) -> usize {
        self.proxy.lost()
    }
}

/// On a cluster, whose replicas take over.
pub(super) async fn on_cluster(cluster: &RedisCluster) -> Result<(), Failure> {
    let mut processes = Processes::default();
    for _ in 0..2 {
        let builder = builders::cluster(cluster, "near-history");
        processes.add(builder.timeout(TIMEOUT).connect().await?)?;
    }
    let trouble = TakenOver {
        cluster,
        times: AtomicUsize::new(0),
    };
    // By hand alone: a master that is merely late would lose what it acknowledged.
    let played = processes.play(&trouble).await;
    block_in_place(|| cluster.whole())?;
    played
}

/// Replicas that take over with all that their masters acknowledged.
struct TakenOver<'a> {
    cluster: &'a RedisCluster,
    times: AtomicUsize,
}

impl Trouble for TakenOver<'_> {
    async fn make(&self) {
        let taken = block_in_place(|| {
            let mut taken = 0;
            for node in 0..self.cluster.nodes().len() {
                let url = self.cluster.admin(node);
                let role = query::<String>(&url, "INFO replication");
                let is_ready = role.is_ok_and(|role| {
                    role.contains("role:slave") && role.contains("master_link_status:up")
                });
                if is_ready && execute(&url, "CLUSTER FAILOVER").is_ok() {
                    taken += 1;
                    std::thread::sleep(LEASE);
                }
            }
            taken
        });
        self.times.fetch_add(taken, Ordering::Relaxed);
        sleep(LEASE).await;
    }

    fn end(&self) {}

    fn hits(&self) -> usize {
        self.times.load(Ordering::Relaxed)
    }
}
