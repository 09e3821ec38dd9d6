//! Memcached, which forgets everything when it ends, and is one of several.

use std::io;
use std::net::SocketAddr;

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::{
    Created, Deleted, Replaced, SharedStore, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use super::ground::{Counter, Ground, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, Subject, common};
use crate::servers::{Memcached, Server, memcached};

impl Subject for Memcached {
    const NAME: &'static str = "memcached";

    fn new() -> io::Result<Self> {
        // With room for the large values of the scenes that all stores share.
        Self::new(&["--max-item-size=16m", "--memory-limit=256"])
    }

    fn address(&self) -> SocketAddr {
        self.server()
    }

    fn own(&self) -> Option<&Server> {
        self.own()
    }

    async fn open(&self, way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let store = self.builder(way, name).timeout(TIMEOUT).connect().await?;
        Ok(SharedStore::new(store))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let mut scenes = common::scenes();
        for scene in &mut scenes {
            // What is given need not have been told to take 8 MiB.
            scene.own |= scene.id == "faults/cut-in-a-large-value";
        }
        // It is not durable.
        scenes.retain(|scene| scene.id != "faults/killed-server");
        scenes.extend([
            Scene {
                id: "faults/restarted-empty",
                requirement: "R20, R54: a server killed in mid-load and started again has nothing: no record of before can be loaded, \
                              replaced, touched or deleted; the store recovers by itself, and counts exactly again",
                own: true,
                run: |subject| Box::pin(restarted(subject)),
            },
            Scene {
                id: "faults/one-of-three-gone",
                requirement: "R20, R54: when one of three servers is gone its records are errors, are looked for nowhere else, and do not \
                              come back; all others are as before",
                own: true,
                run: |_| Box::pin(one_of_three()),
            },
            Scene {
                id: "faults/item-too-large",
                requirement: "a record over the server's item limit is a permanent error, and leaves what is there as it is",
                own: false,
                run: |subject| Box::pin(too_large(subject)),
            },
            Scene {
                id: "faults/server-full",
                requirement: "a server that may not evict and has no memory left refuses with a transient error, and leaves what is there \
                              as it is",
                own: true,
                run: |_| Box::pin(full()),
            },
            Scene {
                id: "faults/evicted",
                requirement: "R20, R62: what a full server has evicted is gone: no stale write brings it back",
                own: true,
                run: |_| Box::pin(evicted()),
            },
            Scene {
                id: "faults/server-without-cas",
                requirement: "R53: a server without compare-and-swap is an error, never an update that is lost",
                own: true,
                run: |_| Box::pin(without_cas()),
            },
        ]);
        scenes
    }
}

async fn restarted(subject: &Memcached) -> Result<(), Failure> {
    let own = subject
        .own()
        .ok_or("a server that was given is not killed")?;
    let ground = Ground::open(subject, "restarted").await?;
    for _ in 0..Counter::ROUNDS {
        let before = created(&ground.sound, "before").await?;
        let mut counter = Counter::new(&ground.sound).await?;
        let round = counter.begin(&ground.store);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        own.kill()?;
        if !matches!(ground.sound.load(&key("before")).await, Err(error) if error.is_transient()) {
            return Err("a server that is gone was no transient error".into());
        }
        own.start_again()?;
        // Its workers find the record gone, at the latest now.
        if counter.end(round).await.is_ok() {
            return Err(
                "no worker noticed the end of the server, so that nothing was tested".into(),
            );
        }
        gone(&ground.sound, "before", &before).await?;
    }
    let mut counter = Counter::new(&ground.sound).await?;
    let round = counter.begin(&ground.store);
    counter.end(round).await?;
    counter.check(&ground.store).await
}

async fn one_of_three() -> Result<(), Failure> {
    const RECORDS: usize = 60;
    let servers = [
        memcached::start(&[])?,
        memcached::start(&[])?,
        memcached::start(&[])?,
    ];
    let addresses = servers.each_ref().map(Server::address);
    let url = addresses.map(|address| address.to_string()).join(",");
    let store = connect(&url).await?;
    let mut records = Vec::new();
    for index in 0..RECORDS {
        let name = format!("record-{index}");
        records.push((created(&store, &name).await?, name));
    }
    // Which server has which, asked of each alone.
    let mut alone = Vec::new();
    for address in addresses {
        alone.push(connect(&address.to_string()).await?);
    }
    let mut on_first = Vec::new();
    for (stored, name) in &records {
        let mut places = Vec::new();
        for (server, store) in alone.iter().enumerate() {
            if store.load(&key(name)).await?.is_some() {
                places.push(server);
            }
        }
        match places[..] {
            [server] => on_first.push((server == 0, stored, name)),
            _ => return Err(format!("a record is on {} servers", places.len()).into()),
        }
    }
    if !(1..RECORDS).contains(&on_first.iter().filter(|(first, ..)| *first).count()) {
        return Err("the records are not spread".into());
    }
    servers[0].kill()?;
    for (first, old, name) in &on_first {
        let name = &key(name);
        if !first {
            replaced(&store, name, old).await?;
            continue;
        }
        refused(store.load(name).await)?;
        refused(store.create(name, &write("another")).await)?;
        refused(store.replace(name, old, &write("another")).await)?;
        refused(store.touch(name, UnixTime::MAX).await)?;
        refused(store.delete(name, old).await)?;
        for other in &alone[1..] {
            if other.load(name).await?.is_some() {
                return Err("a record of the server that is gone is on another".into());
            }
        }
    }
    // An application that starts now is not kept from it.
    let late = connect(&url).await?;
    servers[0].start_again()?;
    for (first, old, name) in &on_first {
        match first {
            true => gone(&late, name, old).await?,
            false if late.load(&key(name)).await?.is_some() => {}
            false => return Err("a record of another server is gone".into()),
        }
    }
    Ok(())
}

async fn too_large(subject: &Memcached) -> Result<(), Failure> {
    let ground = Ground::open(subject, "large").await?;
    let old = created(&ground.store, "a").await?;
    for length in [17 << 20, 40 << 20, 65 << 20] {
        let large = Write::new(vec![7; length], UnixTime::MAX, None);
        let replaced = ground.store.replace(&key("a"), &old, &large).await;
        let created = ground.store.create(&key("a"), &large).await;
        let stale = Stored::new("", UnixTime::MAX, old.version + 1);
        let late = ground.store.replace(&key("a"), &stale, &large).await;
        for error in [replaced.map(drop), created.map(drop), late.map(drop)] {
            match error {
                Err(error) if !error.is_transient() => {}
                other => return Err(format!("of {length} bytes: {other:?}").into()),
            }
        }
        if ground.store.load(&key("a")).await? != Some(old.clone()) {
            return Err(format!("of {length} bytes: the record is not as it was").into());
        }
    }
    replaced(&ground.store, &key("a"), &old).await
}

async fn full() -> Result<(), Failure> {
    let server = memcached::start(&["--disable-evictions", "--memory-limit=4"])?;
    let store = connect(&server.address().to_string()).await?;
    let old = created(&store, "old").await?;
    let large = || Write::new(vec![1; 2000], UnixTime::MAX, None);
    let mut filled = Vec::new();
    let error = loop {
        let name = key(&format!("fill-{}", filled.len()));
        match store.create(&name, &large()).await {
            Ok(_) => filled.push(name),
            Err(error) => break error,
        }
        if filled.len() > 100_000 {
            return Err("the server is never full".into());
        }
    };
    refused::<()>(Err(error))?;
    refused(store.replace(&key("old"), &old, &large()).await)?;
    refused(store.create(&key("old"), &large()).await)?;
    if store.load(&key("old")).await? != Some(old.clone()) {
        return Err("a write without room changed the record".into());
    }
    for name in &filled {
        let stored = store.load(name).await?.ok_or("a record has been evicted")?;
        store.delete(name, &stored).await?;
    }
    match store.replace(&key("old"), &old, &large()).await? {
        Replaced::Stored => Ok(()),
        other => Err(format!("with room again a replace was answered {other:?}").into()),
    }
}

async fn evicted() -> Result<(), Failure> {
    let server = memcached::start(&["--memory-limit=4"])?;
    let store = connect(&server.address().to_string()).await?;
    let large = || Write::new(vec![1; 2000], UnixTime::MAX, None);
    store.create(&key("old"), &large()).await?;
    let old = recovered(&store, "old").await?;
    for index in 0..100_000 {
        let name = key(&format!("fill-{index}"));
        if store.create(&name, &large()).await? != Created::Stored {
            return Err("a record was there before".into());
        }
        // A load would keep it from being evicted; a touch of nothing does not.
        if index % 1000 == 0 && index > 3000 && store.load(&key("old")).await?.is_none() {
            return gone(&store, "old", &old).await;
        }
    }
    Err("nothing was evicted".into())
}

async fn without_cas() -> Result<(), Failure> {
    let server = memcached::start(&["--disable-cas"])?;
    let store = connect(&server.address().to_string()).await?;
    store.create(&key("a"), &write("a")).await?;
    match store.load(&key("a")).await {
        Err(error) if !error.is_transient() => Ok(()),
        other => Err(format!("a load was answered {other:?}").into()),
    }
}

async fn connect(servers: &str) -> Result<SharedStore, Failure> {
    let builder = MemcachedStore::builder(&format!("memcached://{servers}"));
    Ok(SharedStore::new(builder.timeout(TIMEOUT).connect().await?))
}

async fn created(store: &SharedStore, name: &str) -> Result<Stored, Failure> {
    match store.create(&key(name), &write(name)).await? {
        Created::Stored => recovered(store, name).await,
        Created::Taken => Err(format!("{name} was there before").into()),
    }
}

async fn replaced(
    store: &SharedStore,
    name: &cloakroom_store::Key,
    old: &Stored,
) -> Result<(), Failure> {
    match store.replace(name, old, &write("new")).await? {
        Replaced::Stored => Ok(()),
        other => Err(format!("a replace was answered {other:?}").into()),
    }
}

/// The record is not there, and nothing of before brings it back.
async fn gone(store: &SharedStore, name: &str, old: &Stored) -> Result<(), Failure> {
    let name = &key(name);
    // The first load of a store that has lost its server may fail: it recovers.
    if store.load(name).await?.is_some() {
        return Err("a record that was lost is there".into());
    }
    let replaced = store.replace(name, old, &write("late")).await?;
    let touched = store.touch(name, UnixTime::MAX).await?;
    let deleted = store.delete(name, old).await?;
    if (replaced, touched, deleted) != (Replaced::Gone, Touched::Gone, Deleted::Gone) {
        return Err(format!("without a record: {replaced:?}, {touched:?}, {deleted:?}").into());
    }
    match store.load(name).await? {
        None => Ok(()),
        Some(_) => Err("a record came back".into()),
    }
}

/// It is a transient error.
fn refused<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Result<(), Failure> {
    match answer {
        Err(error) if error.is_transient() => Ok(()),
        other => Err(format!("instead of a transient error: {other:?}").into()),
    }
}
