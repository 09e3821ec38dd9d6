//! Every command as a program, on every store that a URL can name, while clients of an application
//! save, rotate, sign in and sign out.
// A command is interrupted by a signal, and `/proc` shows whether it has begun.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod desk;
mod ends;
mod long;
mod servers;

use cloakroom_store::SharedStore;
use serde_json::Value;

use common::SECRET_VALUE;
use crowd::{App, Crowd, Secrets};
use desk::Desk;
use servers::Server;

// R59, R83, R85, R90
#[test]
fn file() {
    works("file");
}

// R59, R83, R85, R90
#[test]
fn sqlite() {
    works("sqlite");
}

// R59, R83, R85, R90
#[test]
fn redis() {
    works("redis");
}

// R59, R83, R85, R90
#[test]
fn redis_cluster() {
    works("redis-cluster");
}

// R59, R83, R85, R90
#[test]
fn valkey() {
    works("valkey");
}

// R59, R83, R85, R90
#[test]
fn memcached() {
    works("memcached");
}

// R59, R83, R85, R90
#[test]
fn mongodb() {
    works("mongodb");
}

// R59, R83, R85, R90
#[test]
fn postgres() {
    works("postgres");
}

// R59, R83, R85, R90
#[test]
fn mariadb() {
    works("mariadb");
}

// R59, R83, R85, R90
#[test]
fn mysql() {
    works("mysql");
}

fn works(name: &'static str) {
    let Some(server) = Server::start(name) else {
        return;
    };
    // The commands block this thread, and the clients have the others.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let secrets = Secrets::default();
        let builder = cloakroom_any::builder(&server.url).sweep_every(None);
        let opened = builder.open().await.unwrap();
        let app = App::new(opened.store, &secrets);
        let desk = Desk::new(&server, &secrets);
        looks_and_revokes(&desk, &app).await;
        long::purges(&desk, &app).await;
        long::moves(&desk, &app).await;
        ends::all(&desk, &app).await;
    });
}

/// The commands about single sessions, and those that count them.
async fn looks_and_revokes(desk: &Desk<'_>, app: &App<SharedStore>) {
    let mut ada = Vec::new();
    for _ in 0..3 {
        ada.push(app.sign_in("ada").await);
    }
    // Leaves a retired record, which has a key in it.
    ada[0] = app.rotate(&ada[0]).await;
    let bob = [app.sign_in("bob").await, app.sign_in("bob").await];
    let visitor = app.visit().await;
    let crowd = Crowd::of(app).await;

    checks(desk);
    match desk.server.lists {
        true => lists(desk, app, &ada, &bob).await,
        false => explains_lists(desk),
    }
    match desk.server.enumerates {
        true => finds(desk, app, &visitor).await,
        false => explains_enumeration(desk),
    }
    crowd.go_on().await;
    let saved = crowd.stop().await;
    for (token, visits) in &saved {
        assert_eq!(app.visits(token).await, Some(*visits));
    }
    for token in &bob {
        assert_eq!(app.visits(token).await, Some(3), "bob was not revoked");
    }
    if desk.server.enumerates {
        // Now that nobody is at work: bob's two and those of the clients that saved.
        let stats = desk.both(&["stats"], 0);
        assert_eq!(stats["sessions"], 2 + saved.len(), "{stats}");
        assert_eq!(stats["anonymous"], 0, "{stats}");
        assert_eq!(stats["subjects"], 1 + saved.len(), "{stats}");
        assert_eq!(stats["unreadable"], 0, "{stats}");
    }
}

fn checks(desk: &Desk<'_>) {
    let server = desk.server;
    let report = desk.both(&["check"], 0);
    assert_eq!(report["good"], true, "{report}");
    let abilities = &report["abilities"];
    assert_eq!(abilities["list"], server.lists, "{report}");
    assert_eq!(abilities["sweep"], server.sweeps, "{report}");
    assert_eq!(abilities["enumerate"], server.enumerates, "{report}");
    let has_policy = server.name.starts_with("redis") || server.name == "valkey";
    match has_policy {
        true => assert_eq!(report["eviction"][0], "noeviction", "{report}"),
        false => assert_eq!(report["eviction"], Value::Null, "{report}"),
    }
}

async fn lists(desk: &Desk<'_>, app: &App<SharedStore>, ada: &[String], bob: &[String]) {
    let mut ids = Vec::new();
    for token in ada {
        ids.push(app.id(token).await);
    }
    let listed = desk.both(&["list", "ada"], 0);
    assert_eq!(sorted(ids_of(&listed)), sorted(ids.clone()));
    desk.both(&["list", "nobody"], 1);
    let shown = desk.both(&["show", &ids[0], "--of", "ada"], 0);
    assert_eq!(shown["subject"], "ada");
    desk.run(&["show", &ids[0], "--of", "bob"])
        .ended(1, &[], &["no session of this id"]);

    // Values are printed by `export` alone, and after a question.
    desk.run(&["export", "bob"]).ended(2, &[], &["--yes"]);
    let ran = desk.exported(&["export", "bob", "--yes"]);
    ran.ended(0, &[SECRET_VALUE], &[]);
    let sessions = ran.json()["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), bob.len());
    assert_eq!(sessions[0]["values"]["visits"], 3);

    // Nothing changes in a dry run.
    let one = ["revoke", "ada", "--id", &ids[0]];
    for what in [&["revoke", "ada"][..], &one] {
        desk.both(&[what, &["--dry-run"]].concat(), 0);
    }
    for token in ada {
        assert_eq!(app.visits(token).await, Some(3), "after a dry run");
    }
    desk.run(&one).ended(0, &["1 session ended."], &[]);
    assert_eq!(app.visits(&ada[0]).await, None);
    assert_eq!(app.visits(&ada[1]).await, Some(3));
    desk.run(&one).ended(1, &[], &[]);
    let ran = desk.run(&["--json", "revoke", "ada"]);
    ran.ended(0, &[], &[]);
    assert_eq!(ran.json()["ended"], 2, "{ran:?}");
    for token in ada {
        assert_eq!(app.visits(token).await, None);
    }
    desk.both(&["list", "ada"], 1);
}

fn explains_lists(desk: &Desk<'_>) {
    let commands: [&[&str]; 5] = [
        &["list", "ada"],
        &["show", "AAAAAAAAAAAAAAAA", "--of", "ada"],
        &["revoke", "ada"],
        &["revoke", "ada", "--dry-run"],
        &["export", "ada", "--yes"],
    ];
    for command in commands {
        desk.unable(command, "Memcached has no list of its keys");
    }
}

/// By an id alone.
async fn finds(desk: &Desk<'_>, app: &App<SharedStore>, visitor: &str) {
    let stats = desk.both(&["stats"], 0);
    let number = |name: &str| stats[name].as_u64().unwrap();
    assert!(number("anonymous") >= 1, "{stats}");
    // Those of bob. A session that rotates meanwhile may be counted twice, or not at all.
    assert!(number("signed_in") >= 2, "{stats}");
    assert!(number("records") >= number("sessions"), "{stats}");
    assert_eq!(number("unreadable"), 0, "{stats}");

    let id = app.id(visitor).await;
    let shown = desk.both(&["show", &id], 0);
    assert_eq!(shown["subject"], Value::Null);
    desk.both(&["revoke", "--id", &id, "--dry-run"], 0);
    assert_eq!(app.visits(visitor).await, Some(3), "after a dry run");
    desk.run(&["revoke", "--id", &id])
        .ended(0, &["1 session ended."], &[]);
    assert_eq!(app.visits(visitor).await, None);
    desk.run(&["revoke", "--id", &id]).ended(1, &[], &[]);
    // One with a subject.
    let token = app.sign_in("cyd").await;
    let id = app.id(&token).await;
    let ran = desk.run(&["--json", "revoke", "--id", &id]);
    ran.ended(0, &[], &[]);
    assert_eq!(ran.json()["ended"], 1);
    assert_eq!(app.visits(&token).await, None);
}

fn explains_enumeration(desk: &Desk<'_>) {
    let commands: [&[&str]; 3] = [
        &["stats"],
        &["show", "AAAAAAAAAAAAAAAA"],
        &["revoke", "--id", "AAAAAAAAAAAAAAAA"],
    ];
    for command in commands {
        desk.unable(command, "does not go through all its records");
    }
}

fn ids_of(listed: &Value) -> Vec<String> {
    let sessions = listed["sessions"].as_array().unwrap().iter();
    sessions
        .map(|session| session["id"].as_str().unwrap().to_owned())
        .collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}
