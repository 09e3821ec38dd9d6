//! What the store suite cannot play: answers that are lost, servers that hang, are killed, or hold a lock.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloakroom_conformance::Tally;
use cloakroom_sql::SqlStore;
use cloakroom_store::{
    Created, Key, Replaced, SharedStore, Store, StoreError, Stored, Sweep, UnixTime, Write,
};
use tokio::task::JoinSet;

use crate::proxy::{Mode, Proxy};
use crate::say;
use crate::servers::{MariaDb, MongoDb, Postgres, Redis, Server, SqlServer};

/// How long an operation may take here.
const TIMEOUT: Duration = Duration::from_secs(2);

struct Case {
    id: &'static str,
    requirement: &'static str,
    needs: Needs,
    run: for<'a> fn(&'a Target, Ground) -> Running<'a>,
}

/// What a server must be for a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// This run's own: none that was given is killed.
    Kill,
    /// One that does not remove by itself what has expired.
    Sweep,
    /// One that runs scripts which it may forget.
    Scripts,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What can be played on which servers.
const SQL: &[Needs] = &[Needs::Nothing, Needs::Kill, Needs::Sweep];
const MONGODB: &[Needs] = &[Needs::Nothing, Needs::Kill];
const REDIS: &[Needs] = &[Needs::Nothing, Needs::Kill, Needs::Scripts];

type Start = fn() -> io::Result<Target>;

const CASES: &[Case] = &[
    Case {
        id: "faults/lost-replies",
        requirement: "R62, R53: 8 workers times 200 increments while replies are lost: each that was acknowledged counts, and nothing but \
                      those whose outcome was unknown counts besides",
        needs: Needs::Nothing,
        run: |_, ground| Box::pin(lost_replies(ground)),
    },
    Case {
        id: "faults/hang",
        requirement: "R54: when the server hangs, 200 operations end in the stated time, and the store recovers by itself",
        needs: Needs::Nothing,
        run: |_, ground| Box::pin(hang(ground)),
    },
    Case {
        id: "faults/cut-in-a-large-value",
        requirement: "R62: a connection that is cut while a large value is under way leaves the old record or the new one",
        needs: Needs::Nothing,
        run: |_, ground| Box::pin(cut(ground)),
    },
    Case {
        id: "faults/killed-server",
        requirement: "R61, R53: a server killed in mid-load and started again has every acknowledged increment, and the store recovers by itself",
        needs: Needs::Kill,
        run: |server, ground| Box::pin(killed(server, ground)),
    },
    Case {
        id: "faults/forgotten-scripts",
        requirement: "R53: a server that is made to forget its scripts in mid-load costs no increment, and no answer is an error",
        needs: Needs::Scripts,
        run: |server, ground| Box::pin(forgotten(server, ground)),
    },
    Case {
        id: "faults/sweep-among-writers",
        requirement: "R59: creates, touches and several sweeps at once: none fails, and no living record is removed",
        needs: Needs::Sweep,
        run: |_, ground| Box::pin(sweep_among_writers(ground)),
    },
];

/// Every case, as a line.
pub(crate) fn cases() -> impl Iterator<Item = String> {
    CASES
        .iter()
        .map(|case| format!("{:<52} {}", case.id, case.requirement))
}

/// Runs the cases whose names contain each of `parts` on each server.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let mut tally = Tally::default();
    let servers: [(&str, &[Needs], Start); 4] = [
        ("postgres", SQL, || Ok(Target::Sql(Postgres::new()?.0))),
        ("mariadb", SQL, || Ok(Target::Sql(MariaDb::new()?.0))),
        ("redis", REDIS, || Ok(Target::Redis(Redis::new()?))),
        ("mongodb", MONGODB, || {
            Ok(Target::Mongo(MongoDb::new(true)?))
        }),
    ];
    for (name, offers, start) in servers {
        let chosen: Vec<_> = CASES
            .iter()
            .filter(|case| offers.contains(&case.needs))
            .map(|case| (case, format!("{}[{name}]", case.id)))
            .filter(|(_, full)| parts.iter().all(|part| full.contains(part.as_str())))
            .collect();
        if chosen.is_empty() {
            continue;
        }
        let server = start();
        for (case, full) in chosen {
            let server = match &server {
                Ok(server) if case.needs == Needs::Kill && server.own().is_none() => {
                    say(format_args!(
                        "skipped {full}: a server that was given is not killed"
                    ));
                    tally.skipped += 1;
                    continue;
                }
                Ok(server) => server,
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    say(format_args!("skipped {full}: {error}"));
                    tally.skipped += 1;
                    continue;
                }
                Err(error) => {
                    say(format_args!("FAILED  {full}: {error}"));
                    tally.failed += 1;
                    continue;
                }
            };
            let outcome = match Ground::open(server, case.id).await {
                Ok(ground) => {
                    tokio::time::timeout(Duration::from_secs(120), (case.run)(server, ground)).await
                }
                Err(error) => Ok(Err(error)),
            };
            match outcome {
                Ok(Ok(())) => {
                    say(format_args!("ok      {full}"));
                    tally.passed += 1;
                }
                Ok(Err(error)) => {
                    say(format_args!(
                        "FAILED  {full}\n        {error}\n        required: {}",
                        case.requirement
                    ));
                    tally.failed += 1;
                }
                Err(_) => {
                    say(format_args!("FAILED  {full}: it did not end"));
                    tally.failed += 1;
                }
            }
        }
    }
    tally
}

/// A server that faults are played on.
enum Target {
    Sql(SqlServer),
    Redis(Redis),
    Mongo(MongoDb),
}

impl Target {
    fn server(&self) -> SocketAddr {
        match self {
            Self::Sql(server) => server.server(),
            Self::Redis(server) => server.server(),
            Self::Mongo(server) => server.server(),
        }
    }

    fn own(&self) -> Option<&Server> {
        match self {
            Self::Sql(server) => server.own(),
            Self::Redis(server) => server.own(),
            Self::Mongo(server) => server.own(),
        }
    }
}

/// A store of the case's own, and what is between it and the server.
struct Ground {
    store: SharedStore,
    /// By another way, on which nothing happens.
    sound: SharedStore,
    /// Both, if they can be swept.
    sql: Option<[SqlStore; 2]>,
    proxy: Proxy,
}

impl Ground {
    async fn open(target: &Target, id: &str) -> Result<Self, Failure> {
        let proxy = Proxy::start(target.server()).await?;
        let name = id.replace(['/', '-'], "_");
        match target {
            Target::Sql(server) => {
                let builder = || server.builder(&name).timeout(TIMEOUT);
                let sound = builder().connect(&server.by(server.server())).await?;
                sound.migrate().await?;
                let store = builder().connect(&server.by(proxy.address())).await?;
                Ok(Self {
                    store: SharedStore::new(store.clone()),
                    sound: SharedStore::new(sound.clone()),
                    sql: Some([store, sound]),
                    proxy,
                })
            }
            Target::Redis(server) => {
                let at = |address| server.builder(address, &name).timeout(TIMEOUT).connect();
                Ok(Self {
                    store: SharedStore::new(at(proxy.address()).await?),
                    sound: SharedStore::new(at(server.server()).await?),
                    sql: None,
                    proxy,
                })
            }
            Target::Mongo(server) => {
                let builder = || server.builder(&name).timeout(TIMEOUT);
                let sound = builder().connect(&server.by(server.server())).await?;
                sound.create_indexes().await?;
                let store = builder().connect(&server.by(proxy.address())).await?;
                Ok(Self {
                    store: SharedStore::new(store),
                    sound: SharedStore::new(sound),
                    sql: None,
                    proxy,
                })
            }
        }
    }
}

async fn lost_replies(ground: Ground) -> Result<(), Failure> {
    let counter = Counter::new(&ground).await?;
    let mut workers = counter.start(&ground);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        ground.proxy.set(Mode::LoseAnswers);
        tokio::time::sleep(Duration::from_millis(10)).await;
        ground.proxy.set(Mode::Pass);
    }
    while workers.join_next().await.is_some() {}
    counter.check(&ground).await
}

async fn killed(server: &Target, ground: Ground) -> Result<(), Failure> {
    let Some(own) = server.own() else {
        return Err("a server that was given is not killed".into());
    };
    let counter = Counter::new(&ground).await?;
    let mut workers = counter.start(&ground);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        own.kill()?;
        // Its own processes may need a moment to notice.
        let mut tries = 0;
        while let Err(error) = own.start_again() {
            tries += 1;
            if tries > 20 {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    while workers.join_next().await.is_some() {}
    counter.check(&ground).await
}

async fn hang(ground: Ground) -> Result<(), Failure> {
    ground.store.create(&key("a"), &write("a")).await?;
    ground.proxy.set(Mode::Hang);
    let begin = Instant::now();
    let mut operations = JoinSet::new();
    for index in 0..200 {
        let store = ground.store.clone();
        operations.spawn(async move {
            match index % 2 {
                0 => store.load(&key("a")).await.map(drop),
                _ => store
                    .create(&key(&format!("new-{index}")), &write("new"))
                    .await
                    .map(drop),
            }
        });
    }
    while let Some(outcome) = operations.join_next().await {
        match outcome? {
            Err(error) if error.is_transient() => {}
            other => return Err(format!("while the server hung: {other:?}").into()),
        }
    }
    let took = begin.elapsed();
    if took > TIMEOUT + Duration::from_secs(1) {
        return Err(format!("it took {took:?}").into());
    }
    ground.proxy.set(Mode::Pass);
    recovered(&ground.store, "a").await.map(drop)
}

async fn cut(ground: Ground) -> Result<(), Failure> {
    let large = |byte: u8| Write::new(vec![byte; 8 << 20], UnixTime::MAX, None);
    ground.sound.create(&key("a"), &large(0)).await?;
    for round in 1..=10 {
        let old = recovered(&ground.store, "a").await?;
        let store = ground.store.clone();
        let replace =
            tokio::spawn(async move { store.replace(&key("a"), &old, &large(round)).await });
        tokio::time::sleep(Duration::from_millis(2 * u64::from(round))).await;
        ground.proxy.set(Mode::Cut);
        let outcome = replace.await?;
        ground.proxy.set(Mode::Pass);
        let now = ground
            .sound
            .load(&key("a"))
            .await?
            .ok_or("the record is gone")?;
        let byte = now.bytes[0];
        if now.bytes.len() != 8 << 20 || now.bytes.iter().any(|other| *other != byte) {
            return Err("the record is torn".into());
        }
        match outcome {
            Ok(Replaced::Stored) if byte != round => {
                return Err("an acknowledged record is not there".into());
            }
            Ok(Replaced::Stored) => {}
            Ok(other) => return Err(format!("the replace was answered {other:?}").into()),
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn forgotten(server: &Target, ground: Ground) -> Result<(), Failure> {
    let Target::Redis(server) = server else {
        return Err("this server has no scripts to forget".into());
    };
    let counter = Counter::new(&ground).await?;
    let mut workers = counter.start(&ground);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        tokio::task::block_in_place(|| server.forget_scripts())?;
    }
    while workers.join_next().await.is_some() {}
    let (acknowledged, unknown) = counter.told();
    let counted = number(&recovered(&ground.store, "counter").await?);
    if unknown > 0 || counted != acknowledged {
        return Err(format!(
            "{acknowledged} acknowledged, {unknown} failed, and {counted} counted"
        )
        .into());
    }
    Ok(())
}

async fn sweep_among_writers(ground: Ground) -> Result<(), Failure> {
    let Some([store, sound]) = ground.sql else {
        return Err("this server sweeps by itself".into());
    };
    let mut tasks = JoinSet::<Result<(), StoreError>>::new();
    for worker in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            for round in 0..50 {
                let name = key(&format!("{round}-{worker}"));
                store
                    .create(
                        &name,
                        &Write::new("over", UnixTime::from_secs(1), Some("ada".into())),
                    )
                    .await?;
                // One half of the expired rows is taken over, while the sweeps are after them.
                if round % 2 == 0 && store.create(&name, &write("living")).await? == Created::Stored
                {
                    store.touch(&name, UnixTime::MAX).await?;
                }
            }
            Ok(())
        });
    }
    for _ in 0..3 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..40 {
                store.sweep(usize::MAX).await?;
            }
            Ok(())
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    sound.sweep(usize::MAX).await?;
    for (worker, round) in (0..8).flat_map(|worker| (0..50).map(move |round| (worker, round))) {
        let there = sound
            .load(&key(&format!("{round}-{worker}")))
            .await?
            .is_some();
        if there != (round % 2 == 0) {
            return Err(format!("record {round}-{worker}: living is {there}").into());
        }
    }
    Ok(())
}

/// A record that workers count up in, and what they were told.
struct Counter {
    acknowledged: Arc<AtomicUsize>,
    unknown: Arc<AtomicUsize>,
}

impl Counter {
    const WORKERS: usize = 8;
    const ROUNDS: usize = 200;

    async fn new(ground: &Ground) -> Result<Self, Failure> {
        ground.sound.create(&key("counter"), &write("0")).await?;
        Ok(Self {
            acknowledged: Arc::default(),
            unknown: Arc::default(),
        })
    }

    fn start(&self, ground: &Ground) -> JoinSet<()> {
        let mut workers = JoinSet::new();
        for _ in 0..Self::WORKERS {
            let store = ground.store.clone();
            let (acknowledged, unknown) =
                (Arc::clone(&self.acknowledged), Arc::clone(&self.unknown));
            workers.spawn(async move {
                let mut done = 0;
                while done < Self::ROUNDS {
                    let Ok(Some(old)) = store.load(&key("counter")).await else {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        continue;
                    };
                    let next = write(&(number(&old) + 1).to_string());
                    match store.replace(&key("counter"), &old, &next).await {
                        Ok(Replaced::Stored) => acknowledged.fetch_add(1, Ordering::Relaxed),
                        Ok(_) => continue,
                        Err(_) => unknown.fetch_add(1, Ordering::Relaxed),
                    };
                    done += 1;
                }
            });
        }
        workers
    }

    async fn check(&self, ground: &Ground) -> Result<(), Failure> {
        let (acknowledged, unknown) = self.told();
        let counted = number(&recovered(&ground.store, "counter").await?);
        if counted < acknowledged || counted > acknowledged + unknown {
            return Err(format!(
                "{acknowledged} acknowledged, {unknown} unknown, and {counted} counted"
            )
            .into());
        }
        // A store that knows its own write may ask again, and then knows the outcome.
        match unknown + ground.proxy.lost() {
            0 => Err("no answer was lost, so that nothing was tested".into()),
            _ => Ok(()),
        }
    }

    /// How many increments were acknowledged, and of how many the outcome is unknown.
    fn told(&self) -> (usize, usize) {
        (
            self.acknowledged.load(Ordering::Relaxed),
            self.unknown.load(Ordering::Relaxed),
        )
    }
}

/// The record, once the store has its server again.
async fn recovered(store: &SharedStore, name: &str) -> Result<Stored, Failure> {
    let mut tries = 0;
    loop {
        match store.load(&key(name)).await {
            Ok(Some(stored)) => return Ok(stored),
            Ok(None) => return Err("the record is gone".into()),
            // Each connection may have to be found broken.
            Err(error) if tries > 20 => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        tries += 1;
    }
}

fn number(stored: &Stored) -> usize {
    let text = std::str::from_utf8(&stored.bytes).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn key(name: &str) -> Key {
    #[expect(clippy::expect_used, reason = "the names here are valid keys")]
    Key::new(name).expect("a valid key")
}

fn write(bytes: &str) -> Write {
    Write::new(bytes.to_owned(), UnixTime::MAX, None)
}
