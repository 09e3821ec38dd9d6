//! A cache that follows the announcements of a Redis server, whose links break.

use std::time::Duration;

use cloakroom_conformance::Tally;
use cloakroom_near::Near;
use cloakroom_redis::RedisStore;
use cloakroom_servers::proxy::{Mode, Proxy};
use cloakroom_servers::redis::{Redis, execute, query};
use cloakroom_servers::say;
use cloakroom_store::{Deleted, Key, Replaced, Store as _, UnixTime, Write};
use tokio::time::{Instant, sleep};

/// Far above all that an announcement takes.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

/// A server of its own, or none where there is none to start.
fn server() -> Option<Redis> {
    match Redis::start() {
        Ok(server) => Some(server),
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
            assert!(!Tally::all_required(), "{error}");
            say(format_args!("skipped tracked[redis]: {error}"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn key() -> Key {
    Key::new("session:1").expect("a key")
}

fn write(text: &'static str) -> Write {
    Write::new(text, UnixTime::MAX, None)
}

async fn store(server: &Redis, way: std::net::SocketAddr, part: &str) -> RedisStore {
    let builder = RedisStore::builder(&server.store_url(way)).prefix(&server.prefix(part));
    builder.connect().await.expect("the server is there")
}

/// Waits for what announcements bring about. They have no time limit but the test's.
async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        sleep(Duration::from_millis(1)).await;
    }
}

fn near(store: RedisStore, lease: Duration) -> Near<RedisStore> {
    let near = Near::builder(store).lease(lease).build_tracked();
    near.expect("a runtime")
}

/// Replaces the record by another process's store.
async fn change(other: &RedisStore, text: &'static str) {
    let old = other.load(&key()).await.expect("up").expect("there");
    let done = other.replace(&key(), &old, &write(text)).await;
    assert_eq!(done.expect("up"), Replaced::Stored);
}

async fn read(near: &Near<RedisStore>) -> Option<Vec<u8>> {
    let found = near.load(&key()).await.expect("in memory, or up");
    found.map(|found| found.bytes.to_vec())
}

// R80
#[tokio::test]
async fn what_another_process_does_is_seen_long_before_the_lease_ends() {
    let Some(server) = server() else { return };
    let other = store(&server, server.server(), "seen").await;
    let near = near(store(&server, server.server(), "seen").await, LONG);
    until(|| near.numbers().tracking).await;
    let begin = Instant::now();
    other.create(&key(), &write("one")).await.expect("up");
    // Its announcement may still be under way, and overtake a load.
    while near.numbers().hits == 0 {
        assert_eq!(read(&near).await.as_deref(), Some(&b"one"[..]));
    }
    let dropped = || near.numbers().invalidated;
    let before = dropped();
    change(&other, "two").await;
    until(|| dropped() > before).await;
    assert_eq!(read(&near).await.as_deref(), Some(&b"two"[..]));
    let old = other.load(&key()).await.expect("up").expect("there");
    while near.numbers().entries == 0 {
        read(&near).await;
    }
    let done = other.delete(&key(), &old).await.expect("up");
    assert_eq!(done, Deleted::Deleted);
    until(|| near.numbers().entries == 0).await;
    assert_eq!(read(&near).await, None);
    // An emptied database is announced as a whole.
    near.create(&key(), &write("three")).await.expect("up");
    until(|| near.numbers().entries == 1).await;
    execute(&server.admin(), "FLUSHDB").expect("up");
    until(|| near.numbers().entries == 0).await;
    assert_eq!(read(&near).await, None);
    // No lease has ended meanwhile.
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    assert_eq!(near.numbers().expired, 0);
}

#[tokio::test]
async fn a_record_that_nobody_changes_is_used_for_many_leases() {
    let Some(server) = server() else { return };
    let near = near(store(&server, server.server(), "kept").await, SHORT);
    until(|| near.numbers().tracking).await;
    near.create(&key(), &write("one")).await.expect("up");
    until(|| near.numbers().tracking).await;
    // A busy machine may miss a renewal. Then the record is loaded again.
    while near.numbers().renewed < 10 {
        assert_eq!(read(&near).await.as_deref(), Some(&b"one"[..]));
        sleep(SHORT / 4).await;
    }
}

#[tokio::test]
async fn own_writes_stay_in_memory() {
    let Some(server) = server() else { return };
    let near = near(store(&server, server.server(), "own").await, LONG);
    until(|| near.numbers().tracking).await;
    near.create(&key(), &write("0")).await.expect("up");
    let misses = near.numbers().misses;
    for text in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        let old = near.load(&key()).await.expect("up").expect("there");
        let done = near.replace(&key(), &old, &write(text)).await;
        assert_eq!(done.expect("up"), Replaced::Stored);
    }
    // Its announcements came before or after the answers, and dropped nothing.
    assert_eq!(near.numbers().misses, misses);
    let dropped = near.numbers().invalidated;
    let other = store(&server, server.server(), "own").await;
    change(&other, "9").await;
    until(|| near.numbers().invalidated > dropped).await;
    assert_eq!(read(&near).await.as_deref(), Some(&b"9"[..]));
}

/// The store keeps its connection, and that of the announcements breaks in this manner.
async fn bounded(mode: Mode, part: &str) {
    let Some(server) = server() else { return };
    let proxy = Proxy::start(server.server()).await.expect("a port");
    let other = store(&server, server.server(), part).await;
    let near = near(store(&server, proxy.address(), part).await, SHORT);
    until(|| near.numbers().tracking).await;
    other.create(&key(), &write("one")).await.expect("up");
    while near.numbers().renewed == 0 {
        read(&near).await;
        sleep(SHORT / 8).await;
    }
    proxy.set(mode);
    change(&other, "two").await;
    let acknowledged = Instant::now();
    loop {
        let began = Instant::now();
        let found = near.load(&key()).await;
        if began.duration_since(acknowledged) >= SHORT {
            // Without its server, a load is an error. With it, the record is the new one.
            if let Ok(found) = found {
                assert_eq!(found.expect("there").bytes, "two");
            }
            break;
        }
        sleep(SHORT / 50).await;
    }
    proxy.set(Mode::Pass);
    until(|| near.numbers().tracking_lost > 0).await;
    until(|| near.numbers().tracking).await;
    // Records that are loaded from now on are announced again.
    while near.load(&key()).await.is_err() || near.numbers().entries == 0 {
        sleep(SHORT / 8).await;
    }
    let dropped = near.numbers().invalidated;
    change(&other, "three").await;
    until(|| near.numbers().invalidated > dropped || near.numbers().expired > 0).await;
    while read(&near).await.as_deref() != Some(&b"three"[..]) {
        sleep(SHORT / 8).await;
    }
}

// R80
#[tokio::test]
async fn a_cut_link_leaves_the_lease_as_it_is() {
    bounded(Mode::Cut, "cut").await;
}

// R80
#[tokio::test]
async fn a_link_that_hangs_leaves_the_lease_as_it_is() {
    bounded(Mode::Hang, "hang").await;
}

/// Closes the connections that the server sends announcements to, and no other.
fn kill_listeners(server: &Redis) {
    let list: String = query(&server.admin(), "CLIENT LIST").expect("up");
    let field = |line: &str, name: &str| {
        let mut fields = line.split(' ');
        let found = fields.find_map(|field| field.strip_prefix(name).map(str::to_owned));
        found.unwrap_or_default()
    };
    for line in list.lines() {
        if field(line, "flags=").contains('B') {
            let kill = format!("CLIENT KILL ID {}", field(line, "id="));
            query::<i64>(&server.admin(), &kill).expect("up");
        }
    }
}

// R80
#[tokio::test]
async fn a_change_while_nobody_listens_is_seen_when_somebody_listens_again() {
    let Some(server) = server() else { return };
    let other = store(&server, server.server(), "killed").await;
    let near = near(store(&server, server.server(), "killed").await, SHORT);
    until(|| near.numbers().tracking).await;
    other.create(&key(), &write("one")).await.expect("up");
    for (lost, text) in [(1, "two"), (2, "three"), (3, "four")] {
        while near.numbers().entries == 0 {
            read(&near).await;
        }
        kill_listeners(&server);
        change(&other, text).await;
        until(|| near.numbers().tracking_lost == lost).await;
        // By then, memory has been emptied.
        assert_eq!(read(&near).await.as_deref(), Some(text.as_bytes()));
        until(|| near.numbers().tracking).await;
    }
}

#[tokio::test]
async fn without_the_right_the_lease_alone_counts() {
    let Some(server) = server() else { return };
    let admin = server.admin();
    let rule = format!(
        "ACL SETUSER deaf on >secret ~{}* +@all -client|tracking",
        server.prefix("deaf")
    );
    execute(&admin, &rule).expect("up");
    let url = format!("redis://deaf:secret@{}/3", server.server());
    let builder = RedisStore::builder(&url).prefix(&server.prefix("deaf"));
    let deaf = builder.connect().await.expect("all that a store needs");
    let error = cloakroom_store::Track::track(&deaf).await;
    let error = error.expect_err("refused");
    assert!(!error.is_transient(), "{error}");
    let near = near(deaf, SHORT);
    near.create(&key(), &write("one")).await.expect("up");
    read(&near).await;
    assert_eq!(near.numbers().hits, 1);
    sleep(SHORT).await;
    read(&near).await;
    let numbers = near.numbers();
    assert_eq!((numbers.expired, numbers.tracking), (1, false));
}
