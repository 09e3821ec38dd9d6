//! Ways to Redis that are not the usual one: a proxy that spreads keys, the application's own
//! client, a password that changes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_redis::RedisStore;
use cloakroom_store::{
    Created, Deleted, Directory, Replaced, SharedStore, Store, Touched, UnixTime, Write,
};
use tokio::task::block_in_place;

use super::environment::{TIMEOUT, key, write};
use super::{Failure, Scene};
use cloakroom_servers::twemproxy::Twemproxy;
use cloakroom_servers::{Redis, execute};

pub(super) fn scenes() -> [Scene<Redis>; 3] {
    [
        Scene {
            id: "faults/spread-keys",
            requirement: "R92, R21: behind a proxy that spreads keys over several servers, a \
                          subject's list is complete after creates, changes of subject, touches \
                          and deletes",
            own: true,
            run: |redis| Box::pin(spread_keys(redis)),
        },
        Scene {
            id: "faults/own-client",
            requirement: "the application's own client works with the store, and a broken \
                          connection is reopened",
            own: true,
            run: |redis| Box::pin(own_client(redis)),
        },
        Scene {
            id: "faults/changing-password",
            requirement: "a password that changes while the process runs is fetched for each new \
                          connection; a wrong one is a transient error, and the next one works",
            own: true,
            run: |redis| Box::pin(changing_password(redis)),
        },
    ]
}

async fn spread_keys(redis: &Redis) -> Result<(), Failure> {
    for servers in 1..=3 {
        let started =
            (0..servers).map(|index| redis.another(&format!("shard-{servers}-{index}"), &[]));
        let started = block_in_place(|| started.collect::<Result<Vec<_>, _>>())?;
        let proxy = block_in_place(|| Twemproxy::start(started))?;
        let url = format!("redis://{}", proxy.address());
        let builder = RedisStore::builder(&url).prefix("spread:").timeout(TIMEOUT);
        lists_are_complete(&builder.connect().await?)
            .await
            .map_err(|error| format!("over {servers} servers: {error}"))?;
    }
    Ok(())
}

async fn lists_are_complete(store: &RedisStore) -> Result<(), Failure> {
    const SUBJECTS: usize = 12;
    let of = |subject: usize| format!("subject-{subject}");
    let record = |text: &str, subject: usize| {
        Write::new(text.to_owned(), UnixTime::MAX, Some(of(subject).into()))
    };
    let name = |subject: usize, index: usize| format!("record-{subject}-{index}");
    let mut expected = vec![BTreeSet::new(); SUBJECTS];
    for (subject, expected) in expected.iter_mut().enumerate() {
        for index in 0..6 {
            let name = name(subject, index);
            let made = store.create(&key(&name), &record("new", subject)).await?;
            if made != Created::Stored {
                return Err("a record was there before".into());
            }
            expected.insert(name);
        }
    }
    for subject in 0..SUBJECTS {
        let next = (subject + 1) % SUBJECTS;
        let [moved, touched, deleted] = [0, 1, 2].map(|index| name(subject, index));
        let old = store.load(&key(&moved)).await?.ok_or("no record")?;
        let done = store
            .replace(&key(&moved), &old, &record("moved", next))
            .await?;
        if done != Replaced::Stored {
            return Err(format!("a replace was answered {done:?}").into());
        }
        expected[subject].remove(&moved);
        expected[next].insert(moved);
        let end =
            UnixTime::from(std::time::SystemTime::now()) + std::time::Duration::from_secs(9999);
        if store.touch(&key(&touched), end).await? != Touched::Extended {
            return Err("a touch found no record".into());
        }
        let old = store.load(&key(&deleted)).await?.ok_or("no record")?;
        if store.delete(&key(&deleted), &old).await? != Deleted::Deleted {
            return Err("a delete did not delete".into());
        }
        expected[subject].remove(&deleted);
    }
    for (subject, expected) in expected.iter().enumerate() {
        let listed = store.list(&of(subject)).await?;
        let listed: BTreeSet<_> = listed
            .iter()
            .map(|(key, _)| key.as_str().to_owned())
            .collect();
        if listed != *expected {
            let (found, there) = (listed.len(), expected.len());
            return Err(format!("a list has {found} of {there} sessions, or others").into());
        }
    }
    Ok(())
}

async fn own_client(redis: &Redis) -> Result<(), Failure> {
    let proxy = cloakroom_servers::proxy::Proxy::start(redis.server()).await?;
    let client = redis::Client::open(redis.by(proxy.address()))?;
    let builder = RedisStore::with_client(client)
        .prefix("own-client:")
        .timeout(TIMEOUT);
    let store = SharedStore::new(builder.connect().await?);
    store.create(&key("a"), &write("a")).await?;
    for _ in 0..3 {
        proxy.cut().await;
        if store.load(&key("a")).await?.is_none() {
            return Err("the record is gone".into());
        }
    }
    // By TLS the client alone has the certificates.
    let tls = block_in_place(cloakroom_servers::Standalone::<cloakroom_servers::Tls>::start)?;
    let client = tls
        .certificates()
        .ok_or("there are no certificates")?
        .client(&format!("rediss://{}", tls.server()))?;
    let store = RedisStore::with_client(client)
        .timeout(TIMEOUT)
        .connect()
        .await?;
    store.create(&key("a"), &write("a")).await?;
    let found = store.load(&key("a")).await?;
    found
        .map(drop)
        .ok_or_else(|| "the record is not there".into())
}

async fn changing_password(redis: &Redis) -> Result<(), Failure> {
    let admin = redis.admin();
    let told = |command: &str| block_in_place(|| execute(&admin, command));
    told("ACL SETUSER changing reset on >first ~* +@all")?;
    let current = Arc::new(Mutex::new("first"));
    let password = Arc::clone(&current);
    let builder = RedisStore::builder(&format!("redis://wrong:hunter2@{}/3", redis.server()))
        .credentials(move || {
            let password = *password.lock().unwrap_or_else(PoisonError::into_inner);
            ("changing".to_owned(), password.to_owned())
        });
    let store = builder
        .prefix("changing:")
        .timeout(TIMEOUT)
        .connect()
        .await?;
    store.create(&key("a"), &write("a")).await?;
    told("ACL SETUSER changing resetpass >second")?;
    // The connection that there is has been let in.
    store.load(&key("a")).await?.ok_or("no record")?;
    told("CLIENT KILL USER changing")?;
    match store.load(&key("a")).await {
        Err(error) if error.is_transient() && error.to_string().contains("credentials") => {}
        other => return Err(format!("with the old password: {other:?}").into()),
    }
    *current.lock().unwrap_or_else(PoisonError::into_inner) = "second";
    store.load(&key("a")).await?.ok_or("no record")?;
    told("ACL DELUSER changing")?;
    Ok(())
}
