//! The tests that a layout has to pass.

use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};

use crate::{App, Browser, encoded, values};

/// Checks that each application reads and writes what the other one wrote.
pub async fn each_reads_and_writes_what_the_other_one_wrote(what: &str, apps: [impl App; 2]) {
    for first in [0, 1] {
        let (one, other) = (&apps[first], &apps[1 - first]);
        let mut browser = Browser::default();
        for (name, value) in values() {
            let path = format!("/insert/{name}/{}", encoded(&value));
            browser.get(one, &path).await;
            let before = browser.cookie.clone();
            for app in [other, one] {
                let got = browser.get(app, &format!("/get/{name}")).await;
                assert_eq!(got, value, "{what}, {first}: {name}");
            }
            // The other one writes over it.
            browser.get(other, &format!("/insert/{name}/[7]")).await;
            let got = browser.get(one, &format!("/get/{name}")).await;
            assert_eq!(got, json!([7]), "{what}, {first}: {name}");
            assert!(before.is_some());
        }
        // A rotation at either, and a sign-out at either.
        for app in [one, other] {
            let before = browser.cookie.clone();
            browser.get(app, "/rotate").await;
            assert_ne!(before, browser.cookie, "{what}, {first}");
            for app in [one, other] {
                assert_eq!(browser.get(app, "/get/list").await, json!([7]));
            }
        }
        let old = browser.cookie.clone();
        browser.get(one, "/end").await;
        assert_eq!(browser.cookie, None, "{what}, {first}");
        for app in [one, other] {
            let mut thief = Browser {
                cookie: old.clone(),
            };
            assert_eq!(thief.get(app, "/get/list").await, Value::Null);
        }
    }
}

/// Checks that their writes and rotations keep what a sign-in at ours has written.
pub async fn a_sign_in_survives_their_writes(theirs: &impl App, ours: &impl App) {
    let mut browser = Browser::default();
    browser.get(theirs, "/insert/cart/[1]").await;
    browser.get(ours, "/sign-in").await;
    assert_eq!(browser.get(theirs, "/get/cart").await, json!([1]));
    browser.get(theirs, "/insert/cart/[2]").await;
    assert_eq!(browser.get(ours, "/subject").await, "ada");
    browser.get(theirs, "/rotate").await;
    assert_eq!(browser.get(ours, "/subject").await, "ada");
    assert_eq!(browser.get(ours, "/get/cart").await, json!([2]));
}

/// Checks two limits that BESIDE.md names: they do not compare, and in a database they make the
/// record where it is missing. In Redis that is an error. The cookie of ours is plain.
macro_rules! overwrites {
    ($name:ident, $lib:ident) => {
        pub async fn $name(store: &impl $lib::SessionStore, is_made_again: bool, ours: &Router) {
            let mut browser = Browser::default();
            browser.get(ours, "/insert/a/1").await;
            let id: $lib::session::Id = browser.id();
            // A request of theirs loads the record, one of ours changes it, and theirs saves its
            // own.
            let load = async || store.load(&id).await.expect("loaded").expect("a record");
            let mut record = load().await;
            browser.get(ours, "/insert/b/2").await;
            record.data.insert("c".to_owned(), json!(3));
            store.save(&record).await.expect("saved");
            for (name, value) in [("a", json!(1)), ("b", Value::Null), ("c", json!(3))] {
                assert_eq!(browser.get(ours, &format!("/get/{name}")).await, value);
            }
            // The other way round ours sees their change, and loses nothing.
            browser.get(ours, "/insert/d/4").await;
            assert_eq!(browser.get(ours, "/get/c").await, 3);
            assert_eq!(browser.get(ours, "/get/d").await, 4);
            // A request of theirs loads the record, ours signs out, and theirs saves its own.
            let record = load().await;
            let mut copy = Browser {
                cookie: browser.cookie.clone(),
            };
            browser.get(ours, "/end").await;
            assert_eq!(copy.get(ours, "/get/a").await, Value::Null);
            let saved = store.save(&record).await;
            assert_eq!(saved.is_ok(), is_made_again, "{saved:?}");
            let again = if is_made_again { json!(1) } else { Value::Null };
            assert_eq!(copy.get(ours, "/get/a").await, again);
        }
    };
}

overwrites!(
    their_request_overwrites_what_was_saved_meanwhile,
    tower_sessions
);
overwrites!(
    their_request_of_0_15_overwrites_what_was_saved_meanwhile,
    tower_sessions_0_15
);

/// Checks that requests at the same time lose no update.
pub async fn ours_loses_nothing_of_what_runs_at_the_same_time(ours: &Router) {
    let mut browser = Browser::default();
    browser.get(ours, "/insert/n0/0").await;
    let requests = (1..20).map(|n| {
        let (ours, cookie) = (ours.clone(), browser.cookie.clone());
        tokio::spawn(async move {
            let mut browser = Browser { cookie };
            browser.get(&ours, &format!("/insert/n{n}/{n}")).await;
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.expect("a request");
    }
    for n in 0..20 {
        assert_eq!(browser.get(ours, &format!("/get/n{n}")).await, n);
    }
}

/// Clients that give up, more often than there are connections, and one that does not: its
/// operations have a time limit, after which it would be an error.
pub async fn cancelled_requests_starve_no_others(ours: &Router) {
    let mut browser = Browser::default();
    browser.get(ours, "/insert/n/0").await;
    for round in 0..200_u64 {
        let (ours, cookie) = (ours.clone(), browser.cookie.clone());
        let request = tokio::spawn(async move {
            let mut browser = Browser { cookie };
            browser.get(&ours, "/update/n").await;
        });
        tokio::time::sleep(Duration::from_micros(10 * (round % 50))).await;
        request.abort();
    }
    browser.get(ours, "/insert/end/1").await;
    assert_eq!(browser.get(ours, "/get/end").await, 1);
}
