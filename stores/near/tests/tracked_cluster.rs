//! A cache that follows the announcements of a Redis Cluster, whose masters die and whose slots
//! move.

use std::time::Duration;

use cloakroom_conformance::Tally;
use cloakroom_near::Near;
use cloakroom_redis::RedisStore;
use cloakroom_servers::redis::{execute, query};
use cloakroom_servers::{RedisCluster, say};
use cloakroom_store::{Deleted, Key, Replaced, Store as _, StoreError, UnixTime, Write};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

/// Far above all that an announcement takes. What ends with it counts as expired, not as dropped.
const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(300);

/// A cluster of its own, or none where there is none to start.
fn cluster() -> Option<RedisCluster> {
    match RedisCluster::own(Ok) {
        Ok(cluster) => Some(cluster),
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
            assert!(!Tally::all_required(), "{error}");
            say(format_args!(
                "skipped tracked_cluster[redis-cluster]: {error}"
            ));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn store(cluster: &RedisCluster) -> RedisStore {
    let builder = RedisStore::builder(cluster.store_url()).prefix(&cluster.prefix("near"));
    let builder = builder.timeout(Duration::from_secs(2));
    builder.connect().await.expect("the cluster is there")
}

async fn near(cluster: &RedisCluster, lease: Duration) -> Near<RedisStore> {
    let near = Near::builder(store(cluster).await).lease(lease);
    let near = near.build_tracked().expect("a runtime");
    until(|| near.numbers().tracking).await;
    near
}

/// Waits for what announcements bring about. They have no time limit but the test's.
async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        sleep(Duration::from_millis(1)).await;
    }
}

fn write(text: &'static str) -> Write {
    Write::new(text, UnixTime::MAX, None)
}

fn slot(cluster: &RedisCluster, key: &Key) -> u16 {
    let key = cluster.key("near", key.as_str());
    let slot = query(&cluster.admin(0), &format!("CLUSTER KEYSLOT {key}"));
    slot.expect("up")
}

/// A key of each master: the cluster's slots are in three equal parts.
fn keys(cluster: &RedisCluster) -> [Key; 3] {
    let mut found = [const { None }; 3];
    for number in 0.. {
        let key = Key::new(&format!("session:{number}")).expect("a key");
        let part = usize::from(slot(cluster, &key)) * 3 / 16_384;
        found[part].get_or_insert(key);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.map(|key| key.expect("all are there"))
}

/// Operations of another process, until the cluster has performed them.
async fn change(other: &RedisStore, key: &Key, text: &'static str) {
    loop {
        let done: Result<_, StoreError> = async {
            let old = other.load(key).await?.expect("there");
            other.replace(key, &old, &write(text)).await
        }
        .await;
        match done {
            Ok(done) => break assert_eq!(done, Replaced::Stored),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        sleep(SHORT / 10).await;
    }
}

/// Loads until the record is in memory. An announcement may overtake a load.
async fn keep(near: &Near<RedisStore>, key: &Key) {
    let hits = near.numbers().hits;
    while near.numbers().hits == hits {
        if near.load(key).await.is_err() {
            sleep(SHORT / 10).await;
        }
    }
}

async fn read(near: &Near<RedisStore>, key: &Key) -> Option<Vec<u8>> {
    let found = near.load(key).await.expect("in memory, or up");
    found.map(|found| found.bytes.to_vec())
}

/// Moves a slot with all its keys.
fn move_slot(cluster: &RedisCluster, slot: u16, [from, to]: [usize; 2], meanwhile: impl FnOnce()) {
    let id = |node| query::<String>(&cluster.admin(node), "CLUSTER MYID").expect("up");
    let tell = |node, command: &str| execute(&cluster.admin(node), command).expect("up");
    let (from_id, to_id) = (id(from), id(to));
    tell(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
    tell(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
    let port = cluster.nodes()[to].address().port();
    let keys = format!("CLUSTER GETKEYSINSLOT {slot} 100");
    let keys: Vec<String> = query(&cluster.admin(from), &keys).expect("up");
    for key in keys {
        tell(from, &format!("MIGRATE 127.0.0.1 {port} {key} 0 5000"));
    }
    meanwhile();
    for node in [to, from] {
        tell(node, &format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
    }
}

// R80
#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_does_on_any_node_is_seen_also_while_slots_move() {
    let Some(cluster) = cluster() else { return };
    let other = store(&cluster).await;
    let near = near(&cluster, LONG).await;
    let keys = keys(&cluster);
    for key in &keys {
        other.create(key, &write("one")).await.expect("up");
        keep(&near, key).await;
        let dropped = near.numbers().invalidated;
        change(&other, key, "two").await;
        until(|| near.numbers().invalidated > dropped).await;
        assert_eq!(read(&near, key).await.as_deref(), Some(&b"two"[..]));
    }
    // A record is read on the way from one node to another, and changed there. Then the slot is the
    // other's, which is news for all nodes. Then it is changed again.
    let runtime = tokio::runtime::Handle::current();
    let moved = &keys[0];
    assert_eq!(near.numbers().expired, 0);
    for (nodes, [on_the_way, there]) in [([0, 1], ["three", "four"]), ([1, 2], ["five", "six"])] {
        keep(&near, moved).await;
        let dropped = near.numbers().invalidated;
        block_in_place(|| {
            move_slot(&cluster, slot(&cluster, moved), nodes, || {
                runtime.block_on(async {
                    // Its removal from the first node was announced.
                    until(|| near.numbers().invalidated > dropped).await;
                    keep(&near, moved).await;
                    let dropped = near.numbers().invalidated;
                    change(&other, moved, on_the_way).await;
                    until(|| near.numbers().invalidated > dropped).await;
                    let found = read(&near, moved).await;
                    assert_eq!(found.as_deref(), Some(on_the_way.as_bytes()));
                });
            });
        });
        keep(&near, moved).await;
        let dropped = near.numbers().invalidated;
        change(&other, moved, there).await;
        until(|| near.numbers().invalidated > dropped).await;
        assert_eq!(read(&near, moved).await.as_deref(), Some(there.as_bytes()));
    }
    let old = other.load(moved).await.expect("up").expect("there");
    keep(&near, moved).await;
    let dropped = near.numbers().invalidated;
    let done = other.delete(moved, &old).await.expect("up");
    assert_eq!(done, Deleted::Deleted);
    until(|| near.numbers().invalidated > dropped).await;
    assert_eq!(read(&near, moved).await, None);
}

/// Reads until a lease after the change was acknowledged. From then on the old text is an error.
async fn bounded(near: &Near<RedisStore>, key: &Key, acknowledged: Instant, text: &str) {
    loop {
        let began = Instant::now();
        let found = near.load(key).await;
        if began.duration_since(acknowledged) < SHORT {
            sleep(SHORT / 50).await;
        } else if let Ok(found) = found {
            break assert_eq!(found.expect("there").bytes, text.as_bytes());
        }
    }
}

// R80
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_killed_or_stands_still_leaves_the_lease_as_it_is() {
    let Some(cluster) = cluster() else { return };
    let other = store(&cluster).await;
    let near = near(&cluster, SHORT).await;
    let keys = keys(&cluster);
    for key in &keys {
        other.create(key, &write("one")).await.expect("up");
    }
    for (master, texts) in [(0, ["two", "three"]), (1, ["four", "five"])] {
        let (key, lost) = (&keys[master], near.numbers().tracking_lost);
        until(|| near.numbers().tracking).await;
        keep(&near, key).await;
        block_in_place(|| cluster.begin_failovers()).expect("whole");
        let node = &cluster.nodes()[master];
        match master {
            0 => node.kill().expect("it runs"),
            _ => node.pause(true).expect("it runs"),
        }
        // The replica takes over, and only its own connection would announce this.
        change(&other, key, texts[0]).await;
        bounded(&near, key, Instant::now(), texts[0]).await;
        until(|| near.numbers().tracking_lost > lost).await;
        match master {
            0 => node.start_again().expect("it can"),
            _ => node.pause(false).expect("it runs"),
        }
        block_in_place(|| cluster.end_failovers()).expect("whole again");
        until(|| near.numbers().tracking).await;
        keep(&near, key).await;
        let dropped = near.numbers().invalidated;
        change(&other, key, texts[1]).await;
        until(|| near.numbers().invalidated > dropped).await;
        bounded(&near, key, Instant::now(), texts[1]).await;
    }
}
