//! Moves from one store of ours to another on real servers, while an application works. The command
//! is stopped in the middle and started again.
#![cfg(unix)]

mod common;

use std::any::Any;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom::Sessions;
use cloakroom_adopting::Adopting;
use cloakroom_conformance::Tally;
use cloakroom_servers::{Dialect as _, Redis, RedisCluster, postgres, say};
use cloakroom_store::SharedStore;
use common::{Place, Ran, until};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;

/// Sessions of visitors who stay away.
const AWAY: usize = 400;
/// Sessions that the application changes meanwhile.
const ACTIVE: usize = 20;

/// A store, and the server that it is on.
struct Site {
    place: Place,
    _server: Option<Box<dyn Any>>,
}

impl Site {
    async fn start(kind: &str) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (url, server): (String, Box<dyn Any>) = match kind {
            "redis" => {
                let server = Redis::start()?;
                (server.admin(), Box::new(server))
            }
            "redis-cluster" => {
                let cluster = RedisCluster::own(Ok)?;
                let nodes = cluster.nodes().iter();
                let nodes: Vec<_> = nodes.map(|node| node.address().to_string()).collect();
                let url = format!("redis+cluster://{}", nodes[..3].join(","));
                (url, Box::new(cluster))
            }
            "postgres" => {
                let server = postgres::Own::start(directory.path(), false)?;
                let [before, after] = postgres::Own::AROUND;
                let url = format!("{before}{}{after}", server.address());
                (url, Box::new(server))
            }
            _ => {
                let (place, _server) = (Place::new(kind).await, None);
                return Ok(Self { place, _server });
            }
        };
        Ok(Self {
            place: Place::at(url, directory).await,
            _server: Some(server),
        })
    }
}

/// An application on both stores, by the protocol of the move.
struct Application {
    sessions: Sessions<Adopting<SharedStore, SharedStore>>,
    tokens: Vec<String>,
    over: Arc<AtomicBool>,
    client: JoinHandle<u32>,
}

impl Application {
    async fn start(from: &Place, to: &Place) -> Self {
        let both = Adopting::new(to.opened.store.clone(), from.opened.store.clone());
        let (sessions, over) = (Sessions::new(both), Arc::new(AtomicBool::new(false)));
        let mut tokens = Vec::new();
        for index in 0..ACTIVE {
            tokens.push(from.sign_in(&format!("active-{index}")).await);
        }
        let client = tokio::spawn({
            let (sessions, over, tokens) = (sessions.clone(), Arc::clone(&over), tokens.clone());
            async move {
                let mut rounds = 0;
                loop {
                    // The last round begins when the command has ended.
                    let is_last = over.load(Ordering::SeqCst);
                    for (index, token) in tokens.iter().enumerate() {
                        let written = sessions.with(Some(token), |session| {
                            match (index % 10, rounds) {
                                (9, 0) => session.sign_out(),
                                (9, _) => assert!(session.is_new(), "a session came back"),
                                _ => session
                                    .update("visits", |n: Option<u32>| n.unwrap_or(0) + 1)
                                    .map(drop)?,
                            }
                            Ok(())
                        });
                        written.await.unwrap();
                    }
                    rounds += 1;
                    if is_last {
                        return rounds;
                    }
                }
            }
        });
        Self {
            sessions,
            tokens,
            over,
            client,
        }
    }

    /// Ends it, and checks what its sessions have counted, in both stores and in the new one.
    async fn end(self, to: &Place) {
        self.over.store(true, Ordering::SeqCst);
        let rounds = self.client.await.unwrap();
        for (index, token) in self.tokens.iter().enumerate() {
            let read = self
                .sessions
                .with(Some(token), |session| session.get::<u32>("visits"));
            let expected = (index % 10 != 9).then_some(3 + rounds);
            assert_eq!(read.await.unwrap().0, expected, "session {index}");
            assert_eq!(to.visits(token).await, expected, "session {index}");
        }
    }
}

async fn check(from: &str, to: &str) {
    let (old, new) = match (Site::start(from).await, Site::start(to).await) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => return skip(&format!("{from}, {to}"), &error),
    };
    let (from, to) = (&old.place, &new.place);
    let mut tokens = Vec::new();
    for index in 0..AWAY {
        tokens.push(from.sign_in(&format!("user-{index}")).await);
    }
    let application = Application::start(from, to).await;

    let migrate = || {
        let mut command = common::command(&["--json", "migrate"]);
        command
            .env("CLOAKROOM_FROM", &from.url)
            .env("CLOAKROOM_TO", &to.url);
        command
    };
    let running = migrate().spawn().unwrap();
    // More than the application moves.
    until("the first moves", async || from.records().await < AWAY - 5).await;
    let pid = Pid::from_raw(running.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ran: Ran = running.wait_with_output().unwrap().into();
    ran.ended(130, &[], &["The next run goes on"]);
    assert_eq!(ran.json()["done"], false);
    let left = from.records().await;
    assert!((1..AWAY).contains(&left), "{left}");

    let mut command = migrate();
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let ran: Ran = ended.await.unwrap().into();
    ran.ended(0, &[], &[]);
    assert_eq!(ran.json()["done"], true);
    assert_eq!(from.records().await, 0, "all have left: {ran:?}");
    for token in &tokens {
        assert_eq!(to.visits(token).await, Some(3));
        assert_eq!(from.visits(token).await, None);
    }
    assert_eq!(to.ids("user-7").await.len(), 1);
    application.end(to).await;
}

/// A server that cannot be had here is no failure, unless all are required.
fn skip(name: &str, error: &io::Error) {
    assert!(error.kind() == ErrorKind::Unsupported, "{name}: {error}");
    assert!(!Tally::all_required(), "{name}: {error}");
    say(format_args!("skipped cli/moves[{name}]: {error}"));
}

// R85
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_move_to_redis() {
    check("file", "redis").await;
}

// R85
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_moves_to_a_cluster() {
    check("redis", "redis-cluster").await;
}

// R85
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_moves_to_postgres() {
    check("sqlite", "postgres").await;
}
