//! Two applications on one Redis: one with tower-sessions, one with Cloakroom.

use axum::Router;
use cloakroom_tower_sessions::TowerSessions;
use moving::{
    Browser, Cookie, Redis, each_reads_and_writes_what_the_other_one_wrote, ours, settings,
    their_redis, theirs,
};
use serde_json::json;

async fn ours_in(redis: &Redis, cookie: Cookie) -> Router {
    let store = TowerSessions::connect_redis(&redis.url)
        .await
        .expect("Redis");
    ours(store, settings(cookie))
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn each_reads_and_writes_what_the_other_one_wrote_in_redis() {
    let redis = Redis::start().expect("Redis");
    for cookie in [Cookie::Plain, Cookie::Signed, Cookie::Private] {
        let apps = [
            theirs(their_redis(&redis).await, cookie),
            ours_in(&redis, cookie).await,
        ];
        each_reads_and_writes_what_the_other_one_wrote(&format!("{cookie:?}"), apps).await;
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_survives_their_writes() {
    let redis = Redis::start().expect("Redis");
    let theirs = theirs(their_redis(&redis).await, Cookie::Private);
    let ours = ours_in(&redis, Cookie::Private).await;
    let mut browser = Browser::default();
    browser.get(&theirs, "/insert/cart/[1]").await;
    browser.get(&ours, "/sign-in").await;
    assert_eq!(browser.get(&theirs, "/get/cart").await, json!([1]));
    browser.get(&theirs, "/insert/cart/[2]").await;
    assert_eq!(browser.get(&ours, "/subject").await, "ada");
    browser.get(&theirs, "/rotate").await;
    assert_eq!(browser.get(&ours, "/subject").await, "ada");
    assert_eq!(browser.get(&ours, "/get/cart").await, json!([2]));
}

// R86
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_an_error_and_is_kept() {
    let redis = Redis::start().expect("Redis");
    let ours = ours_in(&redis, Cookie::Plain).await;
    let id = "AAECAwQFBgcICQoLDA0ODw";
    for record in [
        &b"garbage"[..],
        b"",
        b"\x80",
        b"\x93\xc4\x10",
        b"\x81\xa1a\xc4\x01x",
    ] {
        redis.command::<()>(&[b"SET", id.as_bytes(), record, b"EX", b"1000"]);
        for path in ["/get/a", "/insert/a/1"] {
            let mut browser = Browser {
                cookie: Some(id.to_owned()),
            };
            let response = browser.send(&ours, path).await;
            assert_eq!(response.status(), 500, "{path}: {record:?}");
            assert_eq!(browser.cookie.as_deref(), Some(id));
        }
        let kept: Vec<u8> = redis.command(&[b"GET", id.as_bytes()]);
        assert_eq!(kept, record);
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn ours_loses_nothing_of_what_runs_at_the_same_time() {
    let redis = Redis::start().expect("Redis");
    let ours = ours_in(&redis, Cookie::Signed).await;
    let mut browser = Browser::default();
    browser.get(&ours, "/insert/n0/0").await;
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
        assert_eq!(browser.get(&ours, &format!("/get/n{n}")).await, n);
    }
}
