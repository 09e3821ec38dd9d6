//! MongoDB.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_mongodb::MongoStore;
use cloakroom_store::SharedStore;

use super::ground::{Counter, TIMEOUT};
use super::{Failure, Scene, Subject, common};
use crate::servers::{MongoDb, Server};

impl Subject for MongoDb {
    const NAME: &'static str = "mongodb";

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
        let store = open(self, &self.by(way), name).await?;
        Ok(SharedStore::new(store))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let mut scenes = common::scenes();
        scenes.push(Scene {
            id: "faults/step-down",
            requirement: "R53, R54: a primary that stands back in mid-load costs no acknowledged increment, and the store goes on by \
                          itself when there is a primary again",
            own: true,
            run: |mongodb| Box::pin(step_down(mongodb)),
        });
        scenes
    }
}

async fn open(mongodb: &MongoDb, url: &str, name: &str) -> Result<MongoStore, Failure> {
    let builder = mongodb.builder(name).timeout(TIMEOUT);
    let store = builder.connect(url).await?;
    store.create_indexes().await?;
    Ok(store)
}

async fn step_down(mongodb: &MongoDb) -> Result<(), Failure> {
    let store = open(mongodb, &mongodb.member().await?, "step_down").await?;
    let store = SharedStore::new(store);
    let mut counter = Counter::new(&store).await?;
    for _ in 0..Counter::ROUNDS {
        let round = counter.begin(&store);
        tokio::time::sleep(Duration::from_millis(150)).await;
        mongodb.step_down().await?;
        counter.end(round).await?;
    }
    if counter.failed() == 0 {
        return Err("no operation met a primary that had stood back".into());
    }
    counter.check(&store).await
}
