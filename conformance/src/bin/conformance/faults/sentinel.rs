//! A Redis master and its replica, watched by sentinels.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_store::{Created, Deleted, SharedStore, Store, StoreError};
use tokio::task::block_in_place;

use super::ground::{Counter, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, Subject};
use crate::servers::{Sentinel, Server, agree, arrived, execute, query};

impl Subject for Sentinel {
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
        let builder = self.builder(name).timeout(TIMEOUT);
        Ok(SharedStore::new(builder.connect().await?))
    }

    fn scenes() -> Vec<Scene<Self>> {
        vec![
            Scene {
                id: "faults/read-only-replica",
                requirement: "R54: on a replica, which takes no writes, each write is a transient error that says so, and changes \
                              nothing",
                own: true,
                run: |subject| Box::pin(read_only_replica(subject)),
            },
            Scene {
                id: "faults/sentinel-failover",
                requirement: "R53, R61: masters killed in mid-load: what had reached the replica is there, no increment counts \
                              twice, what is lost was acknowledged by the dead master alone, and the store finds the new master",
                own: true,
                run: |subject| Box::pin(failover(subject)),
            },
            Scene {
                id: "faults/failover-loses-what-had-not-arrived",
                requirement: "R61: as documented: what the replica never got is lost with the master, the end of a session too; a \
                              master that waits for replicas refuses writes instead",
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
        // The sentinels would tell it in time; until then it takes itself for the master. It may have to read its data first.
        let tell = format!("REPLICAOF 127.0.0.1 {port}");
        agree("the old master", || {
            execute(&admin(old), &tell).map(|()| true)
        })?;
        subject.whole()
    })
}

async fn read_only_replica(subject: &Sentinel) -> Result<(), Failure> {
    let store = subject.open(subject.address(), "replica").await?;
    store.create(&key("a"), &write("a")).await?;
    let [master, replica] = roles(subject)?;
    block_in_place(|| arrived(&admin(master)))?;
    let at_replica = subject.at(replica, "replica").timeout(TIMEOUT);
    let at_replica = at_replica.connect().await?;
    let stored = at_replica
        .load(&key("a"))
        .await?
        .ok_or("the replica does not have the record")?;
    let refused = |what: &str, outcome: Result<(), StoreError>| match outcome {
        Err(error) if error.is_transient() && error.to_string().contains("read-only replica") => {
            Ok(())
        }
        other => Err(format!("the {what} on a replica: {other:?}")),
    };
    let b = write("b");
    let create = at_replica.create(&key("b"), &b).await;
    refused("create", create.map(drop))?;
    let replace = at_replica.replace(&key("a"), &stored, &b).await;
    refused("replace", replace.map(drop))?;
    let touch = at_replica.touch(&key("a"), b.expires_at).await;
    refused("touch", touch.map(drop))?;
    let delete = at_replica.delete(&key("a"), &stored).await;
    refused("delete", delete.map(drop))?;
    match (store.load(&key("a")).await?, store.load(&key("b")).await?) {
        (Some(now), None) if now.bytes == stored.bytes => Ok(()),
        _ => Err("a refused write happened".into()),
    }
}

async fn failover(subject: &Sentinel) -> Result<(), Failure> {
    let store = subject.open(subject.address(), "failover").await?;
    let mut counter = Counter::new(&store).await?;
    for number in 0..Counter::ROUNDS {
        let before = format!("before-{number}");
        store.create(&key(&before), &write("before")).await?;
        let [master, replica] = roles(subject)?;
        block_in_place(|| arrived(&admin(master)))?;
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
    // What is missing was lost with a master. All else is as it must be.
    counter.missing(&recovered(&store, "counter").await?)?;
    Ok(())
}

async fn loses(subject: &Sentinel) -> Result<(), Failure> {
    let store = subject.open(subject.address(), "loses").await?;
    store.create(&key("ended"), &write("ended")).await?;
    let ended = recovered(&store, "ended").await?;
    let [master, replica] = roles(subject)?;
    block_in_place(|| arrived(&admin(master)))?;
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
        other => return Err(format!("without the replica that it wants: {other:?}").into()),
    }
    at_master("CONFIG SET min-replicas-to-write 0")?;
    let created = store.create(&key("late"), &write("late")).await?;
    let deleted = store.delete(&key("ended"), &ended).await?;
    if (created, deleted) != (Created::Stored, Deleted::Deleted) {
        return Err("the master did not do what it was asked".into());
    }
    master.kill()?;
    recovered_for(&store, "ended").await?;
    let late = store.load(&key("late")).await?;
    at_replica("CONFIG SET masteruser ")?;
    at_replica("CONFIG SET masterauth ")?;
    rejoin(subject, master, replica)?;
    match (late, store.load(&key("refused")).await?) {
        (None, None) => Ok(()),
        (Some(_), _) => Err("what was written late is there, so that nothing was tested".into()),
        (_, Some(_)) => Err("what was refused is there".into()),
    }
}

/// The record, once the sentinels have made a new master.
async fn recovered_for(store: &SharedStore, name: &str) -> Result<(), Failure> {
    loop {
        match store.load(&key(name)).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {
                return Err(
                    "what was deleted is not there again, so that nothing was tested".into(),
                );
            }
            Err(error) if error.is_transient() => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
