//! Redis.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Deleted, SharedStore, Store, StoreError, UnixTime, Write};

use super::environment::{Counter, Environment, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, ServerUnderTest, common, flask_tls, idle};
use crate::builders;
use cloakroom_servers::{Redis, Server, execute};

impl ServerUnderTest for Redis {
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
        let store = builders::redis(self, way, name)
            .timeout(TIMEOUT)
            .connect()
            .await?;
        Ok(SharedStore::new(store))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let mut scenes = common::scenes();
        scenes.extend([
            flask_tls::redis(),
            idle::flask(),
            super::redis_causes::scene(),
            super::near::scene(),
            Scene {
                id: "faults/forgotten-scripts",
                requirement: "R53: flushing the server's scripts under load costs no increment, \
                              and no answer is an error",
                own: false,
                run: |redis| Box::pin(forgotten_scripts(redis)),
            },
            Scene {
                id: "faults/out-of-memory",
                requirement: "R54: a server without memory makes writes a permanent error with the \
                              cause, keeps every record, and still ends sessions",
                own: true,
                run: |redis| Box::pin(out_of_memory(redis)),
            },
            Scene {
                id: "faults/not-the-kind-of-server",
                requirement: "R54: a single server is never used as a cluster, nor a cluster's \
                              node as a single server, and the error has the remedy",
                own: true,
                run: |redis| Box::pin(not_the_kind(redis)),
            },
            Scene {
                id: "faults/by-a-socket",
                requirement: "R61: a record written by a Unix socket can be read by TCP",
                own: true,
                run: |redis| Box::pin(by_a_socket(redis)),
            },
        ]);
        scenes.extend(super::redis_ways::scenes());
        scenes
    }
}

async fn forgotten_scripts(redis: &Redis) -> Result<(), Failure> {
    let environment = Environment::open(redis, "forgotten").await?;
    let mut counter = Counter::new(&environment.sound).await?;
    for _ in 0..Counter::ROUNDS {
        let round = counter.begin(&environment.store);
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            tokio::task::block_in_place(|| execute(&redis.admin(), "SCRIPT FLUSH"))?;
        }
        counter.end(round).await?;
    }
    if counter.failed() > 0 {
        return Err(format!("{} operations failed", counter.failed()).into());
    }
    counter.check(&environment.store).await
}

async fn out_of_memory(redis: &Redis) -> Result<(), Failure> {
    let environment = Environment::open(redis, "memory").await?;
    let store = &environment.store;
    for name in ["a", "b"] {
        store.create(&key(name), &write(name)).await?;
    }
    let old = recovered(store, "a").await?;
    let set = |limit: &str| execute(&redis.admin(), &format!("CONFIG SET maxmemory {limit}"));
    set("1")?;
    let full = async {
        let refused = |what: &str, outcome: Result<(), StoreError>| match outcome {
            Err(error) if !error.is_transient() && error.to_string().contains("maxmemory") => {
                Ok(())
            }
            other => Err(format!("the {what} without memory: {other:?}")),
        };
        let next = write("next");
        refused("create", store.create(&key("c"), &next).await.map(drop))?;
        let of_ada = Write::new("d", UnixTime::MAX, Some("ada".into()));
        refused("create", store.create(&key("d"), &of_ada).await.map(drop))?;
        let replace = store.replace(&key("a"), &old, &next).await;
        refused("replace", replace.map(drop))?;
        if recovered(store, "a").await?.bytes != old.bytes {
            return Err("the record is not as it was".into());
        }
        let b = recovered(store, "b").await?;
        match store.delete(&key("b"), &b).await? {
            Deleted::Deleted => Ok::<_, Failure>(()),
            other => Err(format!("the delete without memory: {other:?}").into()),
        }
    };
    let outcome = full.await;
    set("0")?;
    outcome?;
    for name in ["b", "c", "d"] {
        if store.load(&key(name)).await?.is_some() {
            return Err(format!("the record {name} is there").into());
        }
    }
    Ok(())
}

async fn not_the_kind(redis: &Redis) -> Result<(), Failure> {
    let url = format!("redis+cluster://{}", redis.server());
    match RedisStore::connect(&url).await {
        Err(error) if !error.is_transient() && error.to_string().contains("in no cluster") => {}
        other => return Err(format!("a single server as a cluster: {other:?}").into()),
    }
    let node = redis.node_of_a_cluster()?;
    let at_node = RedisStore::connect(&format!("redis://{}", node.address())).await;
    let stored = match at_node {
        Ok(store) => store.create(&key("a"), &write("a")).await.map(drop),
        Err(error) => Err(error),
    };
    match stored {
        Err(error) if !error.is_transient() && error.to_string().contains("redis+cluster://") => {
            Ok(())
        }
        other => Err(format!("a node of a cluster as a single server: {other:?}").into()),
    }
}

async fn by_a_socket(redis: &Redis) -> Result<(), Failure> {
    // First, because a server that has just been started makes its socket after its port; one that
    // answers has both.
    let by_tcp = builders::redis(redis, redis.server(), "socket")
        .connect()
        .await?;
    let by_socket = RedisStore::builder(&redis.socket_url())
        .prefix(&redis.prefix("socket"))
        .connect()
        .await?;
    by_socket.create(&key("a"), &write("a")).await?;
    let by_tcp = by_tcp.load(&key("a")).await?;
    match by_tcp == by_socket.load(&key("a")).await? && by_tcp.is_some() {
        true => Ok(()),
        false => Err("they are not the same".into()),
    }
}
