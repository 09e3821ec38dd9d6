//! Faulty Redis servers and settings.

use cloakroom_redis::RedisStore;
use cloakroom_store::{SharedStore, Store, StoreError};
use tokio::task::block_in_place;

use super::causes::{Causes, Kind, REQUIREMENT};
use super::environment::{TIMEOUT, key, write};
use super::{Failure, Scene};
use crate::builders;
use cloakroom_servers::{Redis, Standalone, Tls, execute, memcached, query};

pub(super) fn scene() -> Scene<Redis> {
    Scene {
        id: "faults/causes",
        requirement: REQUIREMENT,
        own: true,
        run: |redis| Box::pin(causes(redis)),
    }
}

/// Every command that a single server needs and whose permission the store's page lists.
const COMMANDS: [&str; 17] = [
    "get",
    "mget",
    "set",
    "setrange",
    "getrange",
    "del",
    "pttl",
    "pexpireat",
    "expireat",
    "zadd",
    "zrem",
    "zscore",
    "zrange",
    "zremrangebyscore",
    "eval",
    "evalsha",
    "select",
];

async fn connect(url: &str) -> Result<RedisStore, StoreError> {
    let builder = RedisStore::builder(url).prefix("causes:").timeout(TIMEOUT);
    builder.connect().await
}

async fn causes(redis: &Redis) -> Result<(), Failure> {
    let mut causes = Causes::default();
    let server = redis.server();
    nobody(&mut causes).await?;
    users(&mut causes, redis).await?;
    let there = connect(&format!("redis://{server}/99")).await;
    let says = "no database of the number";
    causes.check("a database too many", there, Kind::Permanent, says);
    taken_away(&mut causes, redis).await?;
    replica(&mut causes, redis).await?;
    crowded(&mut causes, redis).await?;
    certificates(&mut causes, redis).await?;
    causes.end()
}

/// Nothing is there, or something else.
async fn nobody(causes: &mut Causes) -> Result<(), Failure> {
    let nobody = cloakroom_servers::free_port()?;
    let there = connect(&format!("redis://127.0.0.1:{nobody}")).await;
    causes.check("nothing listens", there, Kind::Transient, "nothing listens");
    let there = connect("redis://cloakroom.invalid").await;
    causes.check("no such host", there, Kind::Transient, "name service");
    let there = connect("unix:///nowhere/redis.sock").await;
    causes.check("no such socket", there, Kind::Transient, "nothing listens");
    let other = block_in_place(|| memcached::start(&[]))?;
    let there = connect(&format!("redis://{}", other.address())).await;
    let says = "does not speak Redis protocol";
    causes.check("Memcached", there, Kind::Permanent, says);
    Ok(())
}

/// Users who may not do something.
async fn users(causes: &mut Causes, redis: &Redis) -> Result<(), Failure> {
    let (admin, server) = (redis.admin(), redis.server());
    let user = |rules: &str| {
        let rules = format!("ACL SETUSER tested reset on >hunter2 {rules}");
        block_in_place(|| execute(&admin, &rules))
    };
    let by = |login: &str| format!("redis://{login}@{server}/3");
    user("~* +@all")?;
    let there = connect(&by("tested:wrong")).await;
    let says = "refused user name and password";
    causes.check("a wrong password", there, Kind::Permanent, says);
    let there = connect(&by("nobody:hunter2")).await;
    causes.check("an unknown user", there, Kind::Permanent, says);
    for command in COMMANDS {
        user(&format!("~* +@all -{command}"))?;
        let there = connect(&by("tested:hunter2")).await;
        let says = format!("+{command}");
        let what = format!("a user without {command}");
        causes.check(what, there, Kind::Permanent, &says);
    }
    // The documented permissions for a single server suffice.
    let needed = COMMANDS.map(|command| format!("+{command}")).join(" ");
    user(&format!("~causes:* {needed}"))?;
    connect(&by("tested:hunter2")).await?;
    user("~elsewhere:* +@all")?;
    let there = connect(&by("tested:hunter2")).await;
    causes.check(
        "a user without the keys",
        there,
        Kind::Permanent,
        "the keys",
    );
    block_in_place(|| execute(&admin, "ACL DELUSER tested"))?;
    Ok(())
}

/// Commands that the server's configuration has taken away.
async fn taken_away(causes: &mut Causes, redis: &Redis) -> Result<(), Failure> {
    for command in ["EVAL", "EVALSHA", "ZADD", "GETRANGE", "MGET"] {
        for name in ["", "renamed"] {
            let place = format!("without-{command}-{name}");
            let told = ["--rename-command", command, name];
            let server = block_in_place(|| redis.another(&place, &told))?;
            let there = connect(&format!("redis://{}", server.address())).await;
            let what = format!("{command} renamed to {name:?}");
            causes.check(what, there, Kind::Permanent, "rename-command");
        }
    }
    Ok(())
}

/// A server that is a replica from the beginning, and one that becomes one.
async fn replica(causes: &mut Causes, redis: &Redis) -> Result<(), Failure> {
    let server = block_in_place(|| redis.another("replica", &[]))?;
    let url = format!("redis://{}", server.address());
    let store = SharedStore::new(connect(&url).await?);
    store.create(&key("a"), &write("a")).await?;
    let old = store.load(&key("a")).await?.ok_or("no record")?;
    // Its master does not answer, so that it keeps what it has.
    let nowhere = cloakroom_servers::free_port()?;
    let replica_of = format!("REPLICAOF 127.0.0.1 {nowhere}");
    block_in_place(|| execute(&url, &replica_of))?;
    let says = "read-only replica";
    let done = store.create(&key("b"), &write("b")).await;
    causes.check("a create on a replica", done, Kind::Transient, says);
    let done = store.replace(&key("a"), &old, &write("b")).await;
    causes.check("a replace on a replica", done, Kind::Transient, says);
    let done = store.touch(&key("a"), old.expires_at).await;
    causes.check("a touch on a replica", done, Kind::Transient, says);
    let done = store.delete(&key("a"), &old).await;
    causes.check("a delete on a replica", done, Kind::Transient, says);
    let there = connect(&url).await;
    causes.check("a replica from the start", there, Kind::Permanent, says);
    match store.load(&key("a")).await? {
        Some(now) if now.bytes == old.bytes => Ok(()),
        _ => Err("a refused write happened".into()),
    }
}

/// No room for another client or another record. Existing records can be loaded.
async fn crowded(causes: &mut Causes, redis: &Redis) -> Result<(), Failure> {
    // The answer of a crowded server is the first, also to a login.
    for (place, password) in [("crowded", ""), ("crowded-login", "hunter2")] {
        let told = ["--maxclients", "2", "--requirepass", password];
        let told = if password.is_empty() {
            &told[..2]
        } else {
            &told
        };
        let server = block_in_place(|| redis.another(place, told))?;
        let url = match password {
            "" => format!("redis://{}", server.address()),
            password => format!("redis://:{password}@{}", server.address()),
        };
        let mut stores = Vec::new();
        let crowded = loop {
            match connect(&url).await {
                Ok(store) if stores.len() < 3 => stores.push(store),
                other => break other,
            }
        };
        let what = format!("too many clients: {place}");
        causes.check(what, crowded, Kind::Transient, "maxclients");
    }
    let server = block_in_place(|| redis.another("full", &[]))?;
    let url = format!("redis://{}", server.address());
    connect(&url).await?.create(&key("a"), &write("a")).await?;
    block_in_place(|| execute(&url, "CONFIG SET maxmemory 1"))?;
    let store = connect(&url).await?;
    let done = store.create(&key("b"), &write("b")).await;
    causes.check("no memory", done, Kind::Permanent, "maxmemory");
    let old = store.load(&key("a")).await?.ok_or("no record")?;
    store.delete(&key("a"), &old).await?;
    let left: i64 = block_in_place(|| query(&url, "EXISTS causes:a"))?;
    match left {
        0 => Ok(()),
        _ => Err("without memory a sign-out fails".into()),
    }
}

/// TLS that one side does not have, or certificates that one side does not accept.
async fn certificates(causes: &mut Causes, redis: &Redis) -> Result<(), Failure> {
    let plain = format!("rediss://{}", redis.server());
    let there = connect(&plain).await;
    let says = "does not speak TLS at this port";
    causes.check("TLS to a server without", there, Kind::Permanent, says);
    let tls = block_in_place(Standalone::<Tls>::start)?;
    let certificates = tls.certificates().ok_or("there are no certificates")?;
    let url = format!("rediss://{}", tls.server());
    let builder = || RedisStore::builder(&url).timeout(TIMEOUT);
    let there = builder().connect().await;
    let says = "the server's certificate is not accepted";
    causes.check("an unknown authority", there, Kind::Permanent, says);
    let there = builders::trusting(builder(), &certificates)?
        .connect()
        .await;
    let says = "the client's certificate";
    causes.check("no client's certificate", there, Kind::Permanent, says);
    let port = tls.server().port();
    let other = RedisStore::builder(&format!("rediss://localhost:{port}")).timeout(TIMEOUT);
    let there = builders::certified(other, &certificates)?.connect().await;
    let says = "the server's certificate is not accepted";
    causes.check("another name than the host's", there, Kind::Permanent, says);
    Ok(())
}
