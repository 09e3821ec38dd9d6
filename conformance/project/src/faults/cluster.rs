//! A Redis cluster, with a proxy in front of each node.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use cloakroom_store::{Created, SharedStore, Store};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::environment::{Counter, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, ServerUnderTest, idle};
use crate::builders;
use cloakroom_servers::proxy::{Mode, Proxy};
use cloakroom_servers::{RedisCluster, Server, execute, query};

pub(super) struct Proxied {
    cluster: RedisCluster,
    proxies: Vec<Proxy>,
}

impl ServerUnderTest for Proxied {
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
        let builder = builders::cluster(&self.cluster, name).timeout(TIMEOUT);
        Ok(SharedStore::new(builder.connect().await?))
    }

    fn scenes() -> Vec<Scene<Self>> {
        vec![
            Scene {
                id: "faults/cluster-lost-replies",
                requirement: "R62, R53: lost replies cost a cluster no more than a single server, \
                              although its client would repeat writes by itself",
                own: true,
                run: |subject| Box::pin(lost_replies(subject)),
            },
            Scene {
                id: "faults/idle-connections",
                requirement: idle::REQUIREMENT,
                own: true,
                run: |subject| {
                    Box::pin(async {
                        let proxies: Vec<_> = subject.proxies.iter().collect();
                        idle::closed(&proxies, &subject.store("idle").await?, "").await
                    })
                },
            },
            Scene {
                id: "faults/cluster-moving-slots",
                requirement: "R53: while slots move to another node, every increment is \
                              acknowledged and counted once",
                own: true,
                run: |subject| Box::pin(moving_slots(subject)),
            },
            Scene {
                id: "faults/cluster-failover",
                requirement: "R53, R61: after masters are killed under load, replicated writes are \
                              there, no increment counts twice, only writes of the dead master \
                              alone are lost, and the store recovers",
                own: true,
                run: |subject| Box::pin(failover(subject)),
            },
            Scene {
                id: "faults/cluster-node-hangs",
                requirement: "R54: a node that hangs costs no more than the timeout, the other \
                              nodes serve their records, and later it serves its own again",
                own: true,
                run: |subject| Box::pin(node_hangs(subject)),
            },
            Scene {
                id: "faults/own-client",
                requirement: "the application's own cluster client works with the store; one that \
                              reads from replicas is refused",
                own: true,
                run: |subject| Box::pin(own_client(subject)),
            },
            Scene {
                id: "histories/near-failover",
                requirement: "R80: with caches that follow every master no client reads more than \
                              a lease after an acknowledged sign-out or change, while replicas take \
                              over",
                own: true,
                run: |subject| Box::pin(super::near::on_cluster(&subject.cluster)),
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
        block_in_place(|| subject.cluster.begin_failovers())?;
        let round = counter.begin(&store);
        tokio::time::sleep(Duration::from_millis(150)).await;
        let master = &subject.cluster.nodes()[subject.master_of("failover", "counter")?];
        master.kill()?;
        counter.end(round).await?;
        recovered(&store, &before).await?;
        block_in_place(|| {
            master.start_again()?;
            subject.cluster.end_failovers()
        })?;
    }
    if counter.unknown() == 0 {
        return Err("nothing failed, so that nothing was tested".into());
    }
    // Missing increments were lost with a master. All else must be right.
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
    block_in_place(|| subject.cluster.begin_failovers())?;
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
    block_in_place(|| subject.cluster.end_failovers())?;
    outcome.map_err(|_| "the records are not served again")?
}

/// The application's own client of the cluster, and one that reads from replicas.
async fn own_client(subject: &Proxied) -> Result<(), Failure> {
    use cloakroom_redis::RedisStore;
    use cloakroom_redis::redis::cluster::ClusterClientBuilder;
    use cloakroom_redis::redis::cluster_read_routing::RandomReplicaStrategy;

    let nodes = || {
        let nodes = subject.cluster.nodes().iter();
        ClusterClientBuilder::new(nodes.map(|node| format!("redis://{}", node.address())))
    };
    let connect = async |builder: ClusterClientBuilder| {
        let builder = RedisStore::with_client(builder);
        builder
            .prefix("own-client:")
            .timeout(TIMEOUT)
            .connect()
            .await
    };
    let store = connect(nodes()).await?;
    for index in 0..30 {
        let name = key(&format!("{index}"));
        store.create(&name, &write("a")).await?;
        store.load(&name).await?.ok_or("no record")?;
    }
    match connect(nodes().read_routing_strategy(RandomReplicaStrategy)).await {
        Err(error) if !error.is_transient() && error.to_string().contains("replicas") => Ok(()),
        other => Err(format!("by a client that reads from replicas: {other:?}").into()),
    }
}
