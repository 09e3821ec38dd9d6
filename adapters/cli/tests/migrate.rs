//! Moving between two stores, interrupted, and while an application works.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom::Sessions;
use cloakroom_adopting::Adopting;
use common::{Place, run};

fn migrate(from: &Place, to: &Place, further: &[&str]) -> common::Ran {
    let args = ["--json", "--from", &from.url, "--to", &to.url, "migrate"];
    run(&[&args[..], further].concat())
}

// R85, R90
#[tokio::test]
async fn every_session_moves_once_with_its_subject_and_its_values() {
    for (from, to) in [("file", "sqlite"), ("sqlite", "file")] {
        let (from, to) = (Place::new(from).await, Place::new(to).await);
        let mut tokens = vec![from.visit().await];
        for subject in ["ada", "ada", "bob"] {
            tokens.push(from.sign_in(subject).await);
        }
        from.leave_expired(3).await;

        let ran = migrate(&from, &to, &["--dry-run"]);
        ran.ended(0, &[], &["Dry run: 4 records would move."]);
        assert_eq!(ran.json()["records"], 4);
        assert_eq!((from.records().await, to.records().await), (4, 0));

        let ran = migrate(&from, &to, &[]);
        ran.ended(0, &[], &[]);
        assert_eq!(ran.json()["moved"], 4);
        assert_eq!((from.records().await, to.records().await), (0, 4));
        for token in &tokens[1..] {
            assert_eq!(to.visits(token).await, Some(3));
        }
        assert_eq!(to.ids("ada").await.len(), 2);
        assert_eq!(to.ids("bob").await.len(), 1);
        assert_eq!(migrate(&from, &to, &[]).json()["moved"], 0);
    }
}

#[tokio::test]
async fn a_store_does_not_move_to_itself() {
    let place = Place::new("file").await;
    let token = place.sign_in("ada").await;
    let same = format!("{}/../sessions", place.url);
    for to in [&place.url, &same] {
        let ran = run(&["--from", &place.url, "--to", to, "migrate"]);
        ran.ended(2, &[], &["one store"]);
    }
    assert_eq!(place.visits(&token).await, Some(3));
}

// R85
#[cfg(unix)]
#[tokio::test]
async fn a_move_that_is_interrupted_goes_on_with_the_next_run() {
    use rustix::process::{Pid, Signal, kill_process};

    const NUMBER: usize = 300;
    let (from, to) = (Place::new("file").await, Place::new("sqlite").await);
    let mut tokens = Vec::new();
    for index in 0..NUMBER {
        tokens.push(from.sign_in(&format!("user-{index}")).await);
    }
    let mut command = common::command(&["--json", "migrate"]);
    command
        .env("CLOAKROOM_FROM", &from.url)
        .env("CLOAKROOM_TO", &to.url);
    let running = command.spawn().unwrap();
    common::until("the first moves", async || to.records().await > 5).await;
    let pid = Pid::from_raw(running.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ran: common::Ran = running.wait_with_output().unwrap().into();
    ran.ended(130, &[], &["The next run goes on"]);
    let report = ran.json();
    assert_eq!(report["done"], false);
    let moved = report["moved"].as_u64().unwrap() as usize;
    assert!((5..NUMBER).contains(&moved), "{moved}");
    assert_eq!(to.records().await, moved);
    assert_eq!(from.records().await, NUMBER - moved);

    let report = migrate(&from, &to, &[]).json();
    assert_eq!(report["moved"], NUMBER - moved);
    assert_eq!(report["done"], true);
    for token in &tokens {
        assert_eq!(to.visits(token).await, Some(3));
    }
}

// R85: the application works on both stores meanwhile, by the protocol of the move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_on_both_stores_loses_no_update_and_no_sign_out_meanwhile() {
    let (from, to) = (Place::new("file").await, Place::new("sqlite").await);
    let mut tokens = Vec::new();
    for index in 0..60 {
        tokens.push(from.sign_in(&format!("user-{index}")).await);
    }
    let both = Adopting::new(to.opened.store.clone(), from.opened.store.clone());
    let moving = Sessions::new(both);
    let over = Arc::new(AtomicBool::new(false));
    let client = {
        let (moving, over, tokens) = (moving.clone(), Arc::clone(&over), tokens.clone());
        tokio::spawn(async move {
            let mut rounds = 0;
            loop {
                let last = over.load(Ordering::SeqCst);
                for (index, token) in tokens.iter().enumerate() {
                    let written = moving.with(Some(token), |session| {
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
                if last {
                    return rounds;
                }
            }
        })
    };
    let (url_from, url_to) = (from.url.clone(), to.url.clone());
    let ran = tokio::task::spawn_blocking(move || {
        run(&["--json", "--from", &url_from, "--to", &url_to, "migrate"])
    });
    let ran = ran.await.unwrap();
    over.store(true, Ordering::SeqCst);
    let rounds = client.await.unwrap();
    ran.ended(0, &[], &[]);
    assert_eq!(from.records().await, 0, "all have left: {ran:?}");
    for (index, token) in tokens.iter().enumerate() {
        let read = moving.with(Some(token), |session| session.get::<u32>("visits"));
        let expected = (index % 10 != 9).then_some(3 + rounds);
        assert_eq!(read.await.unwrap().0, expected, "session {index}");
    }
}
