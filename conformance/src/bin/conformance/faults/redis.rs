//! Redis.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_store::SharedStore;

use super::ground::{Counter, Ground, TIMEOUT};
use super::{Failure, Scene, Subject, common};
use crate::servers::{Redis, Server};

impl Subject for Redis {
    const NAME: &'static str = "redis";

    fn new() -> io::Result<Self> {
        Self::new()
    }

    fn address(&self) -> SocketAddr {
        self.server()
    }

    fn own(&self) -> Option<&Server> {
        self.own()
    }

    async fn open(&self, way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let store = self.builder(way, name).timeout(TIMEOUT).connect().await?;
        Ok(SharedStore::new(store))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let mut scenes = common::scenes();
        scenes.extend([Scene {
            id: "faults/forgotten-scripts",
            requirement: "R53: a server that is made to forget its scripts in mid-load costs no increment, and no answer is an error",
            own: false,
            run: |redis| Box::pin(forgotten_scripts(redis)),
        }]);
        scenes
    }
}

async fn forgotten_scripts(redis: &Redis) -> Result<(), Failure> {
    let ground = Ground::open(redis, "forgotten").await?;
    let mut counter = Counter::new(&ground.sound).await?;
    for _ in 0..Counter::ROUNDS {
        let round = counter.begin(&ground.store);
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            tokio::task::block_in_place(|| redis.forget_scripts())?;
        }
        counter.end(round).await?;
    }
    if counter.failed() > 0 {
        return Err(format!("{} operations failed", counter.failed()).into());
    }
    counter.check(&ground.store).await
}
