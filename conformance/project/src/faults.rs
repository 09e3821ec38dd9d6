//! Faults beyond the store suite: lost answers, and servers that hang, are killed or hold a lock.

mod causes;
mod cluster;
mod common;
mod environment;
mod flask_tls;
mod idle;
mod memcached;
mod mongodb;
mod near;
mod redis;
mod redis_causes;
mod redis_tls;
mod redis_ways;
mod resets;
mod sentinel;
mod sql;
mod sql_causes;
mod sql_conflicts;
mod sql_limits;
mod sql_poolers;
mod sql_server;
mod sql_tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cloakroom_conformance::Tally;
use cloakroom_store::SharedStore;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use cloakroom_servers::say;
use cloakroom_servers::{MariaDb, Memcached, MongoDb, Postgres, Redis, Sentinel, Server};

/// How long one case may take.
const LIMIT: Duration = Duration::from_secs(120);

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Running<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A server that faults are played on.
trait ServerUnderTest: Sized + Sync + 'static {
    const NAME: &'static str;

    fn new() -> io::Result<Self>;

    /// Where it is, for a proxy in front of it.
    fn address(&self) -> SocketAddr;

    /// The server, if it is this run's own: none that was given is killed.
    fn own(&self) -> Option<&Server>;

    /// A store by this way to the server, on data of this name, whose operations take
    /// [`environment::TIMEOUT`] at most.
    fn open(
        &self,
        way: SocketAddr,
        name: &str,
    ) -> impl Future<Output = Result<SharedStore, Failure>>;

    /// Its scenes: [`common::scenes`], and its own.
    fn scenes() -> Vec<Scene<Self>>;
}

/// A fault and its requirement.
struct Scene<T> {
    id: &'static str,
    requirement: &'static str,
    /// Only for a server of this run's own.
    own: bool,
    run: for<'a> fn(&'a T) -> Running<'a, Result<(), Failure>>,
}

/// A subject whose type does not matter.
struct Entry {
    list: fn() -> Vec<(&'static str, &'static str)>,
    play: for<'a> fn(&'a [String]) -> Running<'a, Tally>,
}

impl Entry {
    const fn of<T: ServerUnderTest>() -> Self {
        Self {
            list: || {
                let scenes = T::scenes().into_iter();
                scenes.map(|scene| (scene.id, scene.requirement)).collect()
            },
            play: |parts| Box::pin(play::<T>(parts)),
        }
    }
}

/// The longest first.
const ALL: &[Entry] = &[
    Entry::of::<MongoDb>(),
    Entry::of::<Postgres>(),
    Entry::of::<cluster::Proxied>(),
    Entry::of::<MariaDb>(),
    Entry::of::<Redis>(),
    Entry::of::<Memcached>(),
    Entry::of::<Sentinel>(),
];

/// How many servers are under test at a time: most cases wait for a time limit.
const LANES: usize = 4;

/// Every case, as a line.
pub(crate) fn cases() -> impl Iterator<Item = String> {
    let mut all = Vec::new();
    for case in ALL.iter().flat_map(|entry| (entry.list)()) {
        if !all.contains(&case) {
            all.push(case);
        }
    }
    all.into_iter()
        .map(|(id, requirement)| format!("{id:<52} {requirement}"))
}

/// Runs the cases whose names contain each of `parts`, on each server.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let waiting = Arc::new(Mutex::new(ALL.iter()));
    let lanes = [(); LANES].map(|()| Lane::start(&waiting, parts));
    let mut tally = Tally::default();
    for mut lane in lanes {
        match (&mut lane.tally).await {
            Ok(counted) => tally += counted,
            Err(_) => {
                say("FAILED  a thread of the faults has panicked");
                tally.failed += 1;
            }
        }
    }
    tally
}

/// A thread with a runtime of its own, so that no server holds another one's cases up. Dropped, it
/// stops, and so do its servers.
struct Lane {
    tally: oneshot::Receiver<Tally>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lane {
    fn start(waiting: &Arc<Mutex<slice::Iter<'static, Entry>>>, parts: &[String]) -> Self {
        let (done, tally) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (waiting, parts) = (waiting.clone(), parts.to_vec());
        let thread = thread::spawn(move || {
            let next = || {
                waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next()
            };
            let work = async {
                let mut tally = Tally::default();
                while let Some(entry) = next() {
                    tally += (entry.play)(&parts).await;
                }
                tally
            };
            let runtime = Builder::new_multi_thread().enable_all().build();
            let runtime = runtime.expect("threads can be started: this is one");
            runtime.block_on(async {
                tokio::select! {
                    tally = work => drop(done.send(tally)),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(2));
        });
        Self {
            tally,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic has been reported.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn play<T: ServerUnderTest>(parts: &[String]) -> Tally {
    let mut tally = Tally::default();
    let chosen: Vec<_> = T::scenes()
        .into_iter()
        .map(|scene| (format!("{}[{}]", scene.id, T::NAME), scene))
        .filter(|(name, _)| parts.iter().all(|part| name.contains(part.as_str())))
        .collect();
    if chosen.is_empty() {
        return tally;
    }
    let subject = T::new();
    for (name, scene) in chosen {
        let outcome = match &subject {
            Ok(subject) if scene.own && subject.own().is_none() => {
                Err("a server that was given is left alone".to_owned())
            }
            Ok(subject) => Ok(perform(&scene, subject).await),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Err(error.to_string()),
            Err(error) => Ok(Err(error.to_string().into())),
        };
        match outcome {
            Ok(Ok(())) => {
                say(format_args!("ok      {name}"));
                tally.passed += 1;
            }
            Ok(Err(error)) => {
                let requirement = scene.requirement;
                say(format_args!(
                    "FAILED  {name}\n        {error}\n        required: {requirement}"
                ));
                tally.failed += 1;
            }
            Err(reason) => {
                say(format_args!("skipped {name}: {reason}"));
                tally.skipped += 1;
            }
        }
    }
    tally
}

async fn perform<T>(scene: &Scene<T>, subject: &T) -> Result<(), Failure> {
    match tokio::time::timeout(LIMIT, (scene.run)(subject)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("it did not end within {} s", LIMIT.as_secs()).into()),
    }
}
