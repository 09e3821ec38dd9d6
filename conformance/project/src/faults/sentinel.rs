//! A Redis master and its replica, watched by sentinels.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_store::{Created, Deleted, SharedStore, Store};
use tokio::task::block_in_place;

use super::environment::{Counter, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, ServerUnderTest};
use crate::builders;
use cloakroom_redis::RedisStore;
use cloakroom_servers::{Sentinel, Server, agree, execute, query};

impl ServerUnderTest for Sentinel {
    const NAME: &'static str = "redis-sentinel";

    fn new() -> io::Result<Self> {
        Self::own()
    }

    fn address(&self) -> SocketAddr {
        self.servers()[0].address()
    }

    fn own(&self) -> Option<&Server> {
        self.servers().first()
    }

    /// The sentinels say by which way the master is reached.
    async fn open(&self, _way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let builder = builders::sentinel(self, name).timeout(TIMEOUT);
        Ok(SharedStore::new(builder.connect().await?))
    }

    fn scenes() -> Vec<Scene<Self>> {
        vec![
            Scene {
                id: "faults/read-only-replica",
                requirement: "R54: opening a store on a read-only replica is a permanent error \
                              that names the cause",
                own: true,
                run: |subject| Box::pin(read_only_replica(subject)),
            },
            Scene {
                id: "faults/own-client",
                requirement: "the application's own Sentinel client works with the store; one that \
                              leads to replicas is refused",
                own: true,
                run: |subject| Box::pin(own_client(subject)),
            },
            Scene {
                id: "faults/sentinel-failover",
                requirement: "R53, R61: after masters are killed under load, replicated writes are \
                              there, no increment counts twice, only writes of the dead master \
                              alone are lost, and the store finds the new one",
                own: true,
                run: |subject| Box::pin(failover(subject)),
            },
            Scene {
                id: "faults/failover-loses-what-had-not-arrived",
                requirement: "R61: as documented, unreplicated writes are lost with the master, \
                              even a sign-out; a master that waits for replicas refuses writes \
                              instead",
                own: true,
                run: |subject| Box::pin(loses(subject)),
            },
            super::redis_tls::sentinel(),
        ]
    }
}

/// The master and its replica, as it is now.
fn roles(subject: &Sentinel) -> Result<[&Server; 2], Failure> {
    let [first, second] = subject.servers() else {
        return Err("a master and its replica are played with".into());
    };
    let role: String = query(&admin(first), "INFO replication")?;
    Ok(match role.contains("role:master") {
        true => [first, second],
        false => [second, first],
    })
}

fn admin(server: &Server) -> String {
    format!("redis://{}", server.address())
}

/// Starts what was master, as the replica of what is master now.
fn rejoin(subject: &Sentinel, old: &Server, new: &Server) -> Result<(), Failure> {
    let port = new.address().port();
    block_in_place(|| {
        old.start_again()?;
        // The sentinels would tell it in time; until then it takes itself for the master. It may
        // have to read its data first.
        let tell = format!("REPLICAOF 127.0.0.1 {port}");
        agree("the old master", || {
            execute(&admin(old), &tell).map(|()| true)
        })?;
        subject.end_failovers()
    })
}

async fn read_only_replica(subject: &Sentinel) -> Result<(), Failure> {
    let [_, replica] = roles(subject)?;
    let at_replica = RedisStore::builder(&subject.url_at(replica))
        .prefix(&subject.prefix("replica"))
        .timeout(TIMEOUT);
    match at_replica.connect().await {
        Err(error) if !error.is_transient() && error.to_string().contains("read-only replica") => {
            Ok(())
        }
        other => Err(format!("a store on a replica: {other:?}").into()),
    }
}

/// The application's own client of the sentinels, to the master and to a replica.
async fn own_client(subject: &Sentinel) -> Result<(), Failure> {
    use redis::sentinel::SentinelServerType::{Master, Replica};

    let builder = |server| -> Result<_, Failure> {
        let client = RedisStore::with_client(subject.client(server)?);
        Ok(client.prefix("own-client:").timeout(TIMEOUT))
    };
    let store = builder(Master)?.connect().await?;
    store.create(&key("a"), &write("a")).await?;
    store.load(&key("a")).await?.ok_or("no record")?;
    match builder(Replica)?.connect().await {
        Err(error) if error.to_string().contains("read-only replica") => Ok(()),
        other => Err(format!("by a client of replicas: {other:?}").into()),
    }
}

async fn failover(subject: &Sentinel) -> Result<(), Failure> {
    let store = subject.open(subject.address(), "failover").await?;
    let mut counter = Counter::new(&store).await?;
    for number in 0..Counter::ROUNDS {
        let before = format!("before-{number}");
        store.create(&key(&before), &write("before")).await?;
        let [master, replica] = roles(subject)?;
        block_in_place(|| subject.begin_failovers())?;
        let round = counter.begin(&store);
        tokio::time::sleep(Duration::from_millis(150)).await;
        master.kill()?;
        counter.end(round).await?;
        recovered(&store, &before).await?;
        rejoin(subject, master, replica)?;
    }
    if counter.failed() == 0 {
        return Err("nothing failed, so that nothing was tested".into());
    }
    // Missing increments were lost with a master. All else must be right.
    counter.missing(&recovered(&store, "counter").await?)?;
    Ok(())
}

async fn loses(subject: &Sentinel) -> Result<(), Failure> {
    let store = subject.open(subject.address(), "loses").await?;
    store.create(&key("ended"), &write("ended")).await?;
    let ended = recovered(&store, "ended").await?;
    let [master, replica] = roles(subject)?;
    block_in_place(|| subject.begin_failovers())?;
    // From now on the master refuses its replica.
    let at_replica = |command: &str| execute(&admin(replica), command);
    at_replica("CONFIG SET masteruser nobody")?;
    at_replica("CONFIG SET masterauth nothing")?;
    at_replica("CLIENT KILL TYPE master")?;
    let at_master = |command: &str| execute(&admin(master), command);
    at_master("CLIENT KILL TYPE replica")?;
    at_master("CONFIG SET min-replicas-to-write 1")?;
    match store.create(&key("refused"), &write("refused")).await {
        Err(error) if error.is_transient() && error.to_string().contains("fewer replicas") => {}
        other => return Err(format!("without the required replica: {other:?}").into()),
    }
    at_master("CONFIG SET min-replicas-to-write 0")?;
    let created = store.create(&key("late"), &write("late")).await?;
    let deleted = store.delete(&key("ended"), &ended).await?;
    if (created, deleted) != (Created::Stored, Deleted::Deleted) {
        return Err("the master refused a write".into());
    }
    master.kill()?;
    recovered_for(&store, "ended").await?;
    let late = store.load(&key("late")).await?;
    at_replica("CONFIG SET masteruser ")?;
    at_replica("CONFIG SET masterauth ")?;
    rejoin(subject, master, replica)?;
    match (late, store.load(&key("refused")).await?) {
        (None, None) => Ok(()),
        (Some(_), _) => Err("the late write is there, so nothing was tested".into()),
        (_, Some(_)) => Err("a refused write is there".into()),
    }
}

/// The record, once the sentinels have made a new master.
async fn recovered_for(store: &SharedStore, name: &str) -> Result<(), Failure> {
    loop {
        match store.load(&key(name)).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {
                return Err("the deleted record did not come back, so nothing was tested".into());
            }
            Err(error) if error.is_transient() => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
