//! Memcached, which loses everything when it ends, and can be one of several.

use std::io;
use std::net::SocketAddr;

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::{
    Created, Deleted, Replaced, SharedStore, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use super::causes::{Causes, Kind, REQUIREMENT};
use super::environment::{Counter, Environment, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, ServerUnderTest, common, idle};
use crate::builders;
use cloakroom_servers::{Memcached, Server, memcached};

impl ServerUnderTest for Memcached {
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
        let store = builders::memcached(self, way, name)
            .timeout(TIMEOUT)
            .connect()
            .await?;
        Ok(SharedStore::new(store))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let mut scenes = common::scenes();
        for scene in &mut scenes {
            // A given server may not accept 8 MiB.
            scene.own |= scene.id == "faults/cut-in-a-large-value";
        }
        // It is not durable.
        scenes.retain(|scene| scene.id != "faults/killed-server");
        scenes.extend([
            idle::flask(),
            Scene {
                id: "faults/causes",
                requirement: REQUIREMENT,
                own: true,
                run: |subject| Box::pin(causes(subject)),
            },
            Scene {
                id: "faults/by-a-socket",
                requirement: "a URL of a Unix socket works like one of TCP",
                own: true,
                run: |_| Box::pin(by_a_socket()),
            },
            Scene {
                id: "faults/restarted-empty",
                requirement: "R20, R54: a server killed under load and restarted has no earlier \
                              record to load, replace, touch or delete; the store recovers and \
                              counts exactly again",
                own: true,
                run: |subject| Box::pin(restarted(subject)),
            },
            Scene {
                id: "faults/one-of-three-gone",
                requirement: "R20, R54: if one of three servers is gone, its records are errors, \
                              are sought on no other server and do not come back; the others stay \
                              as they were",
                own: true,
                run: |_| Box::pin(one_of_three()),
            },
            Scene {
                id: "faults/item-too-large",
                requirement: "a record over the server's item limit is a permanent error, and the \
                              old record stays",
                own: false,
                run: |subject| Box::pin(too_large(subject)),
            },
            Scene {
                id: "faults/server-full",
                requirement: "a full server that may not evict returns a transient error, and the \
                              old record stays",
                own: true,
                run: |_| Box::pin(full()),
            },
            Scene {
                id: "faults/evicted",
                requirement: "R20, R62: an evicted record is gone: no stale write brings it back",
                own: true,
                run: |_| Box::pin(evicted()),
            },
            Scene {
                id: "faults/server-without-cas",
                requirement: "R53: a server without compare-and-swap is an error, never a lost \
                              update",
                own: true,
                run: |_| Box::pin(without_cas()),
            },
        ]);
        scenes
    }
}

async fn causes(subject: &Memcached) -> Result<(), Failure> {
    let mut causes = Causes::default();
    let at = async |url: &str| {
        MemcachedStore::builder(url)
            .timeout(TIMEOUT)
            .connect()
            .await
    };
    let nobody = cloakroom_servers::free_port()?;
    let there = at(&format!("memcached://127.0.0.1:{nobody}")).await;
    causes.check("nothing listens", there, Kind::Transient, "nothing listens");
    let there = at("memcached://cloakroom.invalid").await;
    causes.check(
        "no such host",
        there,
        Kind::Transient,
        "check its host and port",
    );
    let there = at("memcached+unix:///nowhere/memcached.sock").await;
    causes.check("no such socket", there, Kind::Transient, "does not exist");
    let there = at("memcached:///run/memcached.sock").await;
    causes.check(
        "a socket without its scheme",
        there,
        Kind::Permanent,
        "memcached+unix:///",
    );
    let redis = tokio::task::block_in_place(cloakroom_servers::Redis::start)?;
    let there = at(&format!("memcached://{}", redis.server())).await;
    causes.check(
        "Redis",
        there,
        Kind::Permanent,
        "does not speak Memcached's text protocol",
    );
    let server = memcached::start(&["--conn-limit=64"])?;
    let url = format!("memcached://{}", server.address());
    // The first takes what there is.
    let mut stores = Vec::new();
    let crowded = loop {
        match at(&url).await {
            Ok(store) if stores.len() < 200 => stores.push(store),
            other => break other,
        }
    };
    causes.check("too many connections", crowded, Kind::Transient, "");
    let server = memcached::start(&["--disable-cas"])?;
    let store = at(&format!("memcached://{}", server.address())).await?;
    store.create(&key("a"), &write("a")).await?;
    let done = store.load(&key("a")).await;
    causes.check(
        "no compare-and-swap",
        done,
        Kind::Permanent,
        "its option -C",
    );
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), "tested:hunter2\n")?;
    #[cfg(unix)]
    std::fs::set_permissions(
        file.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )?;
    let file = format!("--auth-file={}", file.path().display());
    let server = memcached::start(&[&file])?;
    let there = at(&format!("memcached://{}", server.address())).await;
    causes.check(
        "a server with a password",
        there,
        Kind::Permanent,
        "requires a password",
    );
    let store = builders::memcached(subject, subject.server(), "causes")
        .connect()
        .await?;
    let large = Write::new(vec![7; 17 << 20], UnixTime::MAX, None);
    let done = store.create(&key("large"), &large).await;
    causes.check("a record too large", done, Kind::Permanent, "option -I");
    causes.end()
}

async fn by_a_socket() -> Result<(), Failure> {
    let server = memcached::AtSocket::start()?;
    let builder = MemcachedStore::builder(&server.url()).max_connections(2);
    let store = SharedStore::new(builder.timeout(TIMEOUT).connect().await?);
    let old = created(&store, "a").await?;
    replaced(&store, &key("a"), &old).await?;
    let mut counter = Counter::new(&store).await?;
    let round = counter.begin(&store);
    counter.end(round).await?;
    counter.check(&store).await?;
    let now = recovered(&store, "a").await?;
    match store.delete(&key("a"), &now).await? {
        Deleted::Deleted => gone(&store, "a", &now).await,
        other => Err(format!("a delete was answered {other:?}").into()),
    }
}

async fn restarted(subject: &Memcached) -> Result<(), Failure> {
    let own = subject
        .own()
        .ok_or("a server that was given is not killed")?;
    let environment = Environment::open(subject, "restarted").await?;
    for _ in 0..Counter::ROUNDS {
        let before = created(&environment.sound, "before").await?;
        let mut counter = Counter::new(&environment.sound).await?;
        let round = counter.begin(&environment.store);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        own.kill()?;
        if !matches!(environment.sound.load(&key("before")).await, Err(error) if error.is_transient())
        {
            return Err("a server that is gone was no transient error".into());
        }
        own.start_again()?;
        // Its workers find the record gone, at the latest now.
        if counter.end(round).await.is_ok() {
            return Err(
                "no worker noticed the end of the server, so that nothing was tested".into(),
            );
        }
        gone(&environment.sound, "before", &before).await?;
    }
    let mut counter = Counter::new(&environment.sound).await?;
    let round = counter.begin(&environment.store);
    counter.end(round).await?;
    counter.check(&environment.store).await
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
    // The records of each server, loaded from it directly.
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
    let environment = Environment::open(subject, "large").await?;
    let old = created(&environment.store, "a").await?;
    for length in [17 << 20, 40 << 20, 65 << 20] {
        let large = Write::new(vec![7; length], UnixTime::MAX, None);
        let replaced = environment.store.replace(&key("a"), &old, &large).await;
        let created = environment.store.create(&key("a"), &large).await;
        let stale = Stored::new("", UnixTime::MAX, old.version + 1);
        let late = environment.store.replace(&key("a"), &stale, &large).await;
        for error in [replaced.map(drop), created.map(drop), late.map(drop)] {
            match error {
                Err(error) if !error.is_transient() => {}
                other => return Err(format!("of {length} bytes: {other:?}").into()),
            }
        }
        if environment.store.load(&key("a")).await? != Some(old.clone()) {
            return Err(format!("of {length} bytes: the record is not as it was").into());
        }
    }
    replaced(&environment.store, &key("a"), &old).await
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

/// The record is missing, and no older write brings it back.
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
