//! A Redis cluster, with a proxy in front of each node.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use cloakroom_store::{Created, SharedStore, Store};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::ground::{Counter, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, Subject};
use crate::proxy::{Mode, Proxy};
use crate::servers::{RedisCluster, Server, arrived, execute, query};

pub(super) struct Proxied {
    cluster: RedisCluster,
    proxies: Vec<Proxy>,
}

impl Subject for Proxied {
    const NAME: &'static str = "redis-cluster";

    fn new() -> io::Result<Self> {
        let proxies = Mutex::new(Vec::new());
        let cluster = RedisCluster::own(|port| {
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let proxy = block_in_place(|| Handle::current().block_on(Proxy::start(server)))?;
            let port = proxy.address().port();
            proxies
                .lock()
                .map_err(|_| io::ErrorKind::Other)?
                .push(proxy);
            Ok(port)
        })?;
        let proxies = proxies.into_inner().map_err(|_| io::ErrorKind::Other)?;
        Ok(Self { cluster, proxies })
    }

    fn address(&self) -> SocketAddr {
        self.cluster.nodes()[0].address()
    }

    fn own(&self) -> Option<&Server> {
        self.cluster.nodes().first()
    }

    /// The nodes say by which way each is reached.
    async fn open(&self, _way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let builder = self.cluster.builder(name).timeout(TIMEOUT);
        Ok(SharedStore::new(builder.connect().await?))
    }

    fn scenes() -> Vec<Scene<Self>> {
        vec![
            Scene {
                id: "faults/cluster-lost-replies",
                requirement: "R62, R53: what holds of one server when replies are lost also holds of a cluster, whose client \
                              would repeat writes by itself",
                own: true,
                run: |subject| Box::pin(lost_replies(subject)),
            },
            Scene {
                id: "faults/cluster-moving-slots",
                requirement: "R53: while slots are moved to another node, every increment is acknowledged and counts once",
                own: true,
                run: |subject| Box::pin(moving_slots(subject)),
            },
            Scene {
                id: "faults/cluster-failover",
                requirement: "R53, R61: masters killed in mid-load: what had reached the replica is there, no increment counts \
                              twice, what is lost was acknowledged by the dead master alone, and the store recovers by itself",
                own: true,
                run: |subject| Box::pin(failover(subject)),
            },
            Scene {
                id: "faults/cluster-node-hangs",
                requirement: "R54: a node that stands still costs the stated time, and the records of the others and in the end \
                              its own are served again",
                own: true,
                run: |subject| Box::pin(node_hangs(subject)),
            },
            super::redis_tls::cluster(),
        ]
    }
}

impl Proxied {
    async fn store(&self, name: &str) -> Result<SharedStore, Failure> {
        self.open(self.address(), name).await
    }

    /// The number of the master that has this key.
    fn master_of(&self, name: &str, key: &str) -> Result<usize, Failure> {
        let slot = self.slot(name, key)?;
        for node in 0..self.cluster.nodes().len() {
            let url = self.cluster.admin(node);
            let count: usize = query(&url, &format!("CLUSTER COUNTKEYSINSLOT {slot}"))?;
            if count > 0 && query::<String>(&url, "INFO replication")?.contains("role:master") {
                return Ok(node);
            }
        }
        Err("no master has the key".into())
    }

    fn slot(&self, name: &str, key: &str) -> Result<u16, Failure> {
        let key = self.cluster.key(name, key);
        Ok(query(
            &self.cluster.admin(0),
            &format!("CLUSTER KEYSLOT {key}"),
        )?)
    }
}

async fn lost_replies(subject: &Proxied) -> Result<(), Failure> {
    let store = subject.store("lost").await?;
    let mut counter = Counter::new(&store).await?;
    let set = |mode| subject.proxies.iter().for_each(|proxy| proxy.set(mode));
    for _ in 0..Counter::ROUNDS {
        let round = counter.begin(&store);
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            set(Mode::LoseAnswers);
            tokio::time::sleep(Duration::from_millis(10)).await;
            set(Mode::Pass);
        }
        counter.end(round).await?;
    }
    if counter.failed() == 0 {
        return Err("nothing failed, so that nothing was tested".into());
    }
    counter.check(&store).await
}

async fn moving_slots(subject: &Proxied) -> Result<(), Failure> {
    let store = subject.store("moving").await?;
    let mut counter = Counter::new(&store).await?;
    let slot = subject.slot("moving", "counter")?;
    let mut here = subject.master_of("moving", "counter")?;
    let masters: Vec<_> = (0..subject.cluster.nodes().len())
        .filter(|node| {
            let role = query::<String>(&subject.cluster.admin(*node), "INFO replication");
            role.is_ok_and(|role| role.contains("role:master"))
        })
        .collect();
    for _ in 0..Counter::ROUNDS {
        let round = counter.begin(&store);
        let there = *masters
            .iter()
            .find(|node| **node != here)
            .ok_or("there is one master alone")?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let [from, to] = [here, there].map(|node| subject.cluster.admin(node));
        block_in_place(|| -> Result<(), Failure> {
            let [from_id, to_id]: [String; 2] =
                [query(&from, "CLUSTER MYID")?, query(&to, "CLUSTER MYID")?];
            execute(&to, &format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"))?;
            execute(&from, &format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"))?;
            let port = subject.cluster.nodes()[there].address().port();
            let key = subject.cluster.key("moving", "counter");
            execute(&from, &format!("MIGRATE 127.0.0.1 {port} {key} 0 5000"))?;
            // The slot is here, and the key there: for a while each command has to be sent on.
            std::thread::sleep(Duration::from_millis(200));
            execute(&to, &format!("CLUSTER SETSLOT {slot} NODE {to_id}"))?;
            execute(&from, &format!("CLUSTER SETSLOT {slot} NODE {to_id}"))?;
            Ok(())
        })?;
        counter.end(round).await?;
        here = there;
    }
    if counter.failed() > 0 {
        return Err(format!("{} operations failed", counter.failed()).into());
    }
    counter.check(&store).await
}

async fn failover(subject: &Proxied) -> Result<(), Failure> {
    let store = subject.store("failover").await?;
    let mut counter = Counter::new(&store).await?;
    for number in 0..Counter::ROUNDS {
        let before = format!("before-{number}");
        if store.create(&key(&before), &write("before")).await? != Created::Stored {
            return Err("the record was there before it was created".into());
        }
        let master = subject.master_of("failover", &before)?;
        block_in_place(|| arrived(&subject.cluster.admin(master)))?;
        let round = counter.begin(&store);
        tokio::time::sleep(Duration::from_millis(150)).await;
        let master = &subject.cluster.nodes()[subject.master_of("failover", "counter")?];
        master.kill()?;
        counter.end(round).await?;
        recovered(&store, &before).await?;
        block_in_place(|| {
            master.start_again()?;
            subject.cluster.whole()
        })?;
    }
    if counter.unknown() == 0 {
        return Err("nothing failed, so that nothing was tested".into());
    }
    // What is missing was lost with a master. All else is as it must be.
    counter.missing(&recovered(&store, "counter").await?)?;
    Ok(())
}

async fn node_hangs(subject: &Proxied) -> Result<(), Failure> {
    const RECORDS: usize = 60;
    let store = subject.store("hangs").await?;
    for number in 0..RECORDS {
        store
            .create(&key(&format!("{number}")), &write("a"))
            .await?;
    }
    let node = &subject.cluster.nodes()[subject.master_of("hangs", "0")?];
    node.pause(true)?;
    let served = async {
        for number in 0..RECORDS {
            let name = key(&format!("{number}"));
            loop {
                let begin = tokio::time::Instant::now();
                match store.load(&name).await {
                    Ok(Some(_)) => break,
                    Ok(None) => return Err("a record is gone".into()),
                    Err(error) if !error.is_transient() => return Err(error.into()),
                    Err(_) if begin.elapsed() > TIMEOUT + Duration::from_secs(1) => {
                        return Err("a load took longer than stated".into());
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        }
        Ok::<_, Failure>(())
    };
    let outcome = tokio::time::timeout(Duration::from_secs(30), served).await;
    node.pause(false)?;
    block_in_place(|| subject.cluster.whole())?;
    outcome.map_err(|_| "the records are not served again")?
}
