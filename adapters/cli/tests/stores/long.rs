//! The commands that take long: interrupted in the middle, and run again.

use std::path::Path;
use std::time::SystemTime;

use cloakroom_adopting::Adopting;
use cloakroom_store::{Key, SharedStore, Store as _, UnixTime, Write};

use crate::common::Place;
use crate::crowd::{App, Crowd};
use crate::desk::Desk;

const EXPIRED: u64 = 300;
const MOVED: usize = 200;

/// Removes expired records: those of stores whose servers do not do so.
pub(crate) async fn purges(desk: &Desk<'_>, app: &App<SharedStore>) {
    if !desk.server.sweeps {
        for args in [&["purge"][..], &["purge", "--dry-run"]] {
            desk.run(args).ended(0, &[], &["by itself"]);
            assert_eq!(desk.both(args, 0)["removed"], 0);
        }
        return;
    }
    let crowd = Crowd::of(app).await;
    let over = UnixTime::from_secs(UnixTime::from(SystemTime::now()).as_secs() - 60);
    for index in 0..EXPIRED {
        let key = Key::new(&format!("__Host-session:expired-{index}")).unwrap();
        let write = Write::new("over", over, None);
        app.sessions.store().create(&key, &write).await.unwrap();
    }
    assert_eq!(desk.both(&["purge", "--dry-run"], 0)["removed"], 0);

    let mut slow = desk.command(&["--json", "purge", "--step", "1", "--pause", "20"]);
    let ran = desk
        .interrupted(&mut slow, async |id| is_catching(id) && waits_of(id) > 60)
        .await;
    let first = ran.json()["removed"].as_u64().unwrap();
    assert!((1..EXPIRED).contains(&first), "{first}");
    let rest = desk.run(&["--json", "purge"]);
    rest.ended(0, &[], &[]);
    let rest = rest.json()["removed"].as_u64().unwrap();
    match desk.server.name {
        // Its server removes expired records too, once a minute.
        "mongodb" => assert!(first + rest <= EXPIRED, "{first} and {rest}"),
        _ => assert_eq!(first + rest, EXPIRED),
    }
    desk.run(&["purge"]).ended(0, &["0 expired sessions"], &[]);
    crowd.go_on().await;
    for (token, visits) in crowd.stop().await {
        assert_eq!(app.visits(&token).await, Some(visits));
    }
}

/// From files to the store and back, with clients who use both stores meanwhile.
pub(crate) async fn moves(desk: &Desk<'_>, app: &App<SharedStore>) {
    let files = Place::new("file").await;
    let before = App::new(files.opened.store.clone(), &desk.secrets);
    let mut tokens = Vec::new();
    for index in 0..MOVED {
        tokens.push(before.sign_in(&format!("user-{index}")).await);
    }
    let mut savers = Vec::new();
    for index in 0..3 {
        savers.push(before.sign_in(&format!("mover-{index}")).await);
    }
    let [there, here] = [app.sessions.store(), before.sessions.store()].map(Clone::clone);
    let both = App::new(Adopting::new(there, here), &desk.secrets);
    let crowd = Crowd::start(&both, savers);
    let there = desk.server.url.as_str();
    moves_on(desk, &files.url, there, async |id| {
        is_catching(id) && records(&files) < MOVED - 5
    })
    .await;
    crowd.go_on().await;
    let saved = crowd.stop().await;
    assert_eq!(files.records().await, 0, "all have left");
    all_are_there(app, &tokens, &saved).await;

    let back = Place::new("file").await;
    if !desk.server.enumerates {
        let mut command = desk.migrate(there, &back.url, &[]);
        let ran = desk.finished(&mut command);
        ran.ended(5, &[], &["does not go through all its records"]);
        assert_eq!(back.records().await, 0);
        return;
    }
    let after = App::new(back.opened.store.clone(), &desk.secrets);
    let [here, there] = [after.sessions.store(), app.sessions.store()].map(Clone::clone);
    let both = App::new(Adopting::new(here, there), &desk.secrets);
    let savers = saved.iter().map(|(token, _)| token.clone()).collect();
    let crowd = Crowd::start(&both, savers);
    let there = desk.server.url.as_str();
    moves_on(desk, there, &back.url, async |id| {
        is_catching(id) && has_some(&after, &tokens).await
    })
    .await;
    crowd.go_on().await;
    let saved = crowd.stop().await;
    let stats = desk.both(&["stats"], 0);
    assert_eq!(stats["sessions"], 0, "all have left: {stats}");
    all_are_there(&after, &tokens, &saved).await;
}

/// Moves a part of the sessions, and the others with the next run.
async fn moves_on(desk: &Desk<'_>, from: &str, to: &str, has_begun: impl AsyncFn(u32) -> bool) {
    let ran = desk.finished(&mut desk.migrate(from, to, &["--dry-run"]));
    ran.ended(0, &[], &["would move"]);
    assert!(ran.json()["records"].as_u64().unwrap() >= MOVED as u64);
    let mut command = desk.migrate(from, to, &[]);
    let ran = desk.interrupted(&mut command, has_begun).await;
    let first = ran.json()["moved"].as_u64().unwrap();
    assert!(first > 0, "{ran:?}");
    let ran = desk.finished(&mut desk.migrate(from, to, &[]));
    ran.ended(0, &[], &[]);
    assert_eq!(ran.json()["done"], true, "{ran:?}");
    let rest = ran.json()["moved"].as_u64().unwrap();
    assert!(
        rest > 0,
        "the first run moved {first}, and this one the rest"
    );
}

/// Whether more than a few of the sessions that the clients leave alone are there.
async fn has_some(app: &App<SharedStore>, tokens: &[String]) -> bool {
    let mut found = 0;
    for token in tokens {
        found += usize::from(app.visits(token).await.is_some());
        if found > 5 {
            return true;
        }
    }
    false
}

async fn all_are_there(app: &App<SharedStore>, tokens: &[String], saved: &[(String, u32)]) {
    for token in tokens {
        assert_eq!(app.visits(token).await, Some(3));
    }
    for (token, visits) in saved {
        assert_eq!(app.visits(token).await, Some(*visits));
    }
}

/// The number of records in files, which a signal must not wait for long to see.
fn records(place: &Place) -> usize {
    let path = place.url.strip_prefix("file:").unwrap();
    let shards = std::fs::read_dir(Path::new(path).join("records")).unwrap();
    shards
        .map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count())
        .sum()
}

/// Returns whether a process catches the signal of Ctrl-C.
fn is_catching(id: u32) -> bool {
    let mask = status(id, "SigCgt:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    mask.is_some_and(|mask| mask & (1 << (libc_interrupt() - 1)) != 0)
}

/// Counts how often the first thread of a process has waited: each step waits, and each pause.
fn waits_of(id: u32) -> u64 {
    let waits = status(id, "voluntary_ctxt_switches:").and_then(|waits| waits.parse().ok());
    waits.unwrap_or_default()
}

fn libc_interrupt() -> u32 {
    rustix::process::Signal::INT.as_raw().unsigned_abs()
}

fn status(id: u32, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}
