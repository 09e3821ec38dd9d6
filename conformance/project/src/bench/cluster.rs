//! Past one machine: the demo in four processes with near caches on a Redis Cluster of three
//! masters and three replicas, while slots move, a master is killed, and another stands still.
//!
//! 128 visitors work in the sessions of a full store. Each knows what was acknowledged. At the end
//! every acknowledged change is there, or was acknowledged around a failover, which may lose it
//! (stores/redis, "Failover").

mod clients;
mod http;
mod plot;
mod table;
mod trouble;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom::{Config, Directive, Sessions};
use cloakroom_conformance::Tally;
use cloakroom_redis::RedisStore;
use tokio::process::Command;
use tokio::task::{JoinSet, block_in_place};

use crate::program::{Failure, Process, fail};
use crate::workspace;
use clients::{Client, LEASE, Mine, Seen};
use cloakroom_servers::{RedisCluster, execute, say};
use trouble::Log;

const NAME: &str = "cluster";
const CLIENTS: usize = 128;
const PROCESSES: usize = 4;

/// How many sessions the store has, unless `--sessions N` is among the arguments.
pub(super) const SESSIONS: usize = 1_000_000;

/// The time before and after each event.
const CALM: Duration = Duration::from_secs(8);

/// Runs it if its name contains each of `parts`. With a place to keep them, the table and the plot
/// go there.
pub(super) async fn run(parts: &[String], sessions: usize, keep: Option<PathBuf>) -> Tally {
    let mut tally = Tally::default();
    if !parts.iter().all(|part| NAME.contains(part.as_str())) {
        return tally;
    }
    let cluster = match block_in_place(|| RedisCluster::own(Ok)) {
        Ok(cluster) => cluster,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            say(format_args!("skipped bench/{NAME}: {error}"));
            tally.skipped += 1;
            return tally;
        }
        Err(error) => {
            say(format_args!("FAILED  bench/{NAME}: {error}"));
            tally.failed += 1;
            return tally;
        }
    };
    match measure(&cluster, sessions, keep).await {
        Ok(()) => tally.passed += 1,
        Err(Failure(why)) => {
            say(format_args!("FAILED  bench/{NAME}: {why}"));
            tally.failed += 1;
        }
    }
    tally
}

async fn measure(
    cluster: &RedisCluster,
    number: usize,
    keep: Option<PathBuf>,
) -> Result<(), Failure> {
    let program = demo().await?;
    // It is the cluster that is measured, and not how long a disk takes.
    block_in_place(|| {
        let mut nodes = 0..cluster.nodes().len();
        nodes.try_for_each(|node| execute(&cluster.admin(node), "CONFIG SET appendonly no"))
    })?;
    let nodes = cluster.nodes().iter().take(3);
    let nodes: Vec<_> = nodes.map(|node| node.address().to_string()).collect();
    let url = format!("redis+cluster://{}", nodes.join(","));
    say(format_args!("bench/{NAME}: {number} sessions are made"));
    let store = RedisStore::connect(&url).await?;
    let config = Config::builder().end_all_within(LEASE).build()?;
    let sessions = Sessions::new(store).with_config(config);
    let mut owned = fill(&sessions, number).await?;

    let mut processes = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..PROCESSES {
        let (process, address) = start(&program, &format!("{url}?near=1s")).await?;
        processes.push(process);
        addresses.push(address);
    }
    let log = Log::new();
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let mine = owned.pop().unwrap_or_default();
        let client = Client::new(client, &addresses, &log, mine);
        let over = Arc::clone(&over);
        clients.spawn(client.work(move || over.load(Ordering::Relaxed)));
    }
    let befell = trouble::make(cluster, &log, CALM).await;
    over.store(true, Ordering::Relaxed);
    let mut mine = Vec::new();
    let mut all = Vec::new();
    while let Some(client) = clients.join_next().await {
        let client = client?;
        mine.extend(
            client
                .sessions
                .into_iter()
                .filter(|session| session.is_used),
        );
        all.push(client.seen);
    }
    if let Err(error) = befell {
        return fail(error.to_string());
    }
    drop(processes);
    let (missing, doubled) = missing(&sessions, &mine).await?;
    let revived = revived(&sessions, &all).await?;
    report(number, &log, &all, (missing, doubled), revived, keep)
}

/// Makes sessions, every second one signed in, and divides them among the clients.
async fn fill(sessions: &Sessions<RedisStore>, number: usize) -> Result<Vec<Vec<Mine>>, Failure> {
    let each = number.div_ceil(CLIENTS);
    let mut makers = JoinSet::new();
    for client in 0..CLIENTS {
        let sessions = sessions.clone();
        makers.spawn(async move {
            let mut mine = Vec::with_capacity(each);
            for index in 0..each {
                let signs_in = index % 2 == 0;
                let made = sessions.with(None, |session| {
                    session.insert("visits", 0)?;
                    match signs_in {
                        true => session.sign_in(&format!("visitor-{client}-{index}")),
                        false => Ok(()),
                    }
                });
                let (_, outcome) = made.await?;
                let Directive::Issue(issued) = outcome.directive else {
                    return fail("a new session got no token");
                };
                mine.push(Mine::new(issued.token.expose().to_owned(), signs_in));
            }
            Ok(mine)
        });
    }
    let mut owned = Vec::new();
    while let Some(mine) = makers.join_next().await {
        owned.push(mine??);
    }
    Ok(owned)
}

/// Builds the demo as it would be deployed.
async fn demo() -> Result<PathBuf, Failure> {
    let mut command = workspace::cargo();
    command
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "cloakroom-axum",
        ])
        .args([
            "--example",
            "demo",
            "--features",
            "cloakroom-any/near,cloakroom-any/redis",
        ])
        .arg("--message-format=json-render-diagnostics")
        .kill_on_drop(true);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .await?;
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let built = messages
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "demo")
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
    built.map_or_else(|| fail("the demo could not be built"), Ok)
}

/// Starts a process of the demo, and returns its address.
async fn start(program: &PathBuf, store: &str) -> Result<(Process, String), Failure> {
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--store", store]);
    // It reports each request that the cluster failed.
    command.stderr(std::process::Stdio::null());
    let mut process = Process::start("the demo", &mut command)?;
    let address = process
        .says(|line| {
            let mut words = line.split_whitespace();
            let url = words.find_map(|word| word.strip_prefix("http://"))?;
            Some(url.to_owned())
        })
        .await?;
    Ok((process, address))
}

/// Returns when the changes were acknowledged that are not in the store, and how many are there
/// twice.
async fn missing(
    sessions: &Sessions<RedisStore>,
    mine: &[Mine],
) -> Result<(Vec<Duration>, usize), Failure> {
    type Cart = std::collections::BTreeMap<String, u64>;
    let (mut missing, mut doubled) = (Vec::new(), 0);
    for session in mine {
        let read = sessions.with(Some(&session.token), |session| {
            let cart: Option<Cart> = session.get("cart")?;
            let cart = cart.map_or(0, |cart| cart.values().sum());
            let visits: Option<u64> = session.get("visits")?;
            Ok((visits.unwrap_or_default(), cart))
        });
        let ((visits, cart), _) = read.await?;
        for (there, count) in [(visits, session.visits), (cart, session.cart)] {
            if there < count.sure {
                missing.push(count.at);
            }
            doubled += usize::from(there > count.sure + count.maybe);
        }
    }
    Ok((missing, doubled))
}

/// Returns when the sign-outs were acknowledged whose sessions live.
async fn revived(sessions: &Sessions<RedisStore>, all: &[Seen]) -> Result<Vec<Duration>, Failure> {
    let mut revived = Vec::new();
    for (token, at) in all.iter().flat_map(|seen| &seen.ended) {
        let read = sessions.with(Some(token), |session| Ok(session.id()));
        if read.await?.0.is_some() {
            revived.push(*at);
        }
    }
    Ok(revived)
}

fn report(
    number: usize,
    log: &Log,
    all: &[Seen],
    (missing, doubled): (Vec<Duration>, usize),
    revived: Vec<Duration>,
    keep: Option<PathBuf>,
) -> Result<(), Failure> {
    let rows = table::rows(all);
    let events = log.events();
    let text = table::text(&rows, &events);
    say(text.trim_end());
    let count = |of: fn(&Seen) -> usize| all.iter().map(of).sum::<usize>();
    let lost: Vec<_> = all
        .iter()
        .flat_map(|seen| seen.lost.iter().copied())
        .chain(missing)
        .chain(revived.iter().copied())
        .collect();
    let stale = all.iter().flat_map(|seen| &seen.stale);
    // A page that lacks a lost change looks old for ever.
    let late: Vec<_> = stale
        .filter(|(at, age)| *age >= LEASE && !log.may_be_lost(at.saturating_sub(*age)))
        .collect();
    let summary = format!(
        "{} requests, {} errors; {} changes acknowledged, {} of them lost, {} counted twice; {} \
         sign-outs acknowledged, {} sessions live again; {} pages older than the lease",
        count(|seen| seen.samples.len()),
        count(|seen| seen.samples.iter().filter(|sample| sample.failed).count()),
        count(|seen| seen.acknowledged),
        lost.len(),
        doubled,
        count(|seen| seen.ended.len()),
        revived.len(),
        late.len(),
    );
    say(&summary);
    if let Some(place) = keep {
        let title = format!(
            "{number} sessions in a Redis Cluster, {CLIENTS} clients, {PROCESSES} processes"
        );
        std::fs::write(
            place.join("cluster.tsv"),
            format!("# {title}: {summary}\n{text}"),
        )?;
        std::fs::write(
            place.join("cluster.svg"),
            plot::draw(&title, &rows, &events),
        )?;
    }
    if let Some(at) = lost.iter().find(|at| !log.may_be_lost(**at)) {
        return fail(format!(
            "a change that was acknowledged at {:.1} s is lost, and no failover was near",
            at.as_secs_f64()
        ));
    }
    if doubled > 0 {
        return fail("a change was counted twice");
    }
    if let Some((at, age)) = late.first() {
        return fail(format!(
            "at {:.1} s a page was {:.2} s behind what had been acknowledged",
            at.as_secs_f64(),
            age.as_secs_f64()
        ));
    }
    Ok(())
}
