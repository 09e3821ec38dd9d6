//! Two applications on one Redis, each behind a port: one with actix-session and actix-identity,
//! one with Cloakroom.

use cloakroom_actix_session::{Settings, connect_redis};
use moving::{
    Browser, Cookie, Halfway, KEY, Redis, Served, a_sign_in_survives_their_writes,
    each_reads_and_writes_what_the_other_one_wrote, ours_with, their_actix, their_actix_0_10,
};
use serde_json::{Value, json};

/// Those that actix-session has.
const COOKIES: [Cookie; 2] = [Cookie::Signed, Cookie::Private];

fn settings(cookie: Cookie) -> Settings {
    let settings = Settings::new(cookie::Key::from(&KEY));
    match cookie {
        Cookie::Plain => panic!("actix-session has no plain cookie"),
        Cookie::Signed => settings.signed(),
        Cookie::Private => settings,
    }
}

async fn ours(redis: &Redis, settings: Settings) -> Served {
    let store = connect_redis(&redis.url).await.expect("Redis");
    let config = settings.builder().build().expect("these settings fit");
    Served::router(ours_with(store, config)).await
}

/// The application with each version.
async fn theirs(redis: &Redis, cookie: Cookie, halfway: &Halfway) -> [(&'static str, Served); 2] {
    [
        ("0.10", their_actix_0_10(&redis.url, cookie, halfway).await),
        ("0.11", their_actix(&redis.url, cookie, halfway).await),
    ]
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn each_reads_and_writes_what_the_other_one_wrote_in_redis() {
    let redis = Redis::start().expect("Redis");
    for cookie in COOKIES {
        for (version, theirs) in theirs(&redis, cookie, &Halfway::default()).await {
            let apps = [theirs, ours(&redis, settings(cookie)).await];
            let what = format!("{version}, {cookie:?}");
            each_reads_and_writes_what_the_other_one_wrote(&what, apps).await;
        }
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_here_survives_their_writes() {
    let redis = Redis::start().expect("Redis");
    for cookie in COOKIES {
        let ours = ours(&redis, settings(cookie)).await;
        for (_, theirs) in theirs(&redis, cookie, &Halfway::default()).await {
            a_sign_in_survives_their_writes(&theirs, &ours).await;
        }
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_each_actix_identity_is_the_subject() {
    let redis = Redis::start().expect("Redis");
    for cookie in COOKIES {
        let ours = ours(&redis, settings(cookie).actix_identity()).await;
        for (version, theirs) in theirs(&redis, cookie, &Halfway::default()).await {
            let mut browser = Browser::default();
            browser.get(&theirs, "/insert/cart/[1]").await;
            assert_eq!(browser.get(&ours, "/subject").await, Value::Null);
            browser.get(&theirs, "/login/bob").await;
            assert_eq!(browser.get(&ours, "/subject").await, "bob", "{version}");
            assert_eq!(browser.get(&ours, "/get/cart").await, json!([1]));
            browser.get(&ours, "/insert/cart/[2]").await;
            assert_eq!(browser.get(&theirs, "/user").await, "bob", "{version}");
            // Another user here is nobody there, and has nothing of the first one's.
            browser.get(&ours, "/sign-in").await;
            assert_eq!(browser.get(&ours, "/subject").await, "ada", "{version}");
            assert_eq!(browser.get(&theirs, "/user").await, Value::Null);
            assert_eq!(browser.get(&theirs, "/get/cart").await, Value::Null);
            // And the other way round.
            browser.get(&theirs, "/login/bob").await;
            assert_eq!(browser.get(&ours, "/subject").await, "bob", "{version}");
        }
    }
}

// R85: what BESIDE.md says of their side.
#[tokio::test(flavor = "multi_thread")]
async fn their_request_overwrites_what_was_saved_meanwhile() {
    let redis = Redis::start().expect("Redis");
    let halfway = Halfway::default();
    let ours = ours(&redis, settings(Cookie::Private)).await;
    for (version, theirs) in theirs(&redis, Cookie::Private, &halfway).await {
        let mut browser = Browser::default();
        browser.get(&ours, "/insert/a/1").await;
        // A request of theirs loads the record, one of ours changes it, and theirs saves its own.
        let request = in_flight(theirs, &browser, "/halfway/b/2");
        halfway.reached().await;
        browser.get(&ours, "/insert/c/3").await;
        halfway.goes_on();
        request.await.expect("a response");
        for (name, value) in [("a", json!(1)), ("b", json!(2)), ("c", Value::Null)] {
            let got = browser.get(&ours, &format!("/get/{name}")).await;
            assert_eq!(got, value, "{version}: {name}");
        }

        // A request of theirs loads the record, ours signs out, and theirs stores it again.
        let before = browser.cookie.clone();
        let request = in_flight(theirs, &browser, "/halfway/d/4");
        halfway.reached().await;
        browser.get(&ours, "/end").await;
        halfway.goes_on();
        let mut other = request.await.expect("a response");
        assert_ne!(other.cookie, before, "{version}: a new id");
        assert_eq!(other.get(&ours, "/get/a").await, 1, "{version}");
        assert_eq!(other.get(&ours, "/get/d").await, 4, "{version}");
        // The old id stays ended.
        let mut copy = Browser { cookie: before };
        assert_eq!(copy.get(&ours, "/get/a").await, Value::Null, "{version}");
    }
}

/// Sends a request, and returns the browser with the cookie of its response.
fn in_flight(
    app: Served,
    browser: &Browser,
    path: &'static str,
) -> tokio::task::JoinHandle<Browser> {
    let cookie = browser.cookie.clone();
    tokio::spawn(async move {
        let mut browser = Browser { cookie };
        browser.get(&app, path).await;
        browser
    })
}

// R86
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_an_error_here_and_empty_there() {
    let redis = Redis::start_own().expect("Redis");
    let ours = ours(&redis, settings(Cookie::Private)).await;
    for (version, theirs) in theirs(&redis, Cookie::Private, &Halfway::default()).await {
        redis.command::<()>(&[b"FLUSHALL"]);
        let mut browser = Browser::default();
        browser.get(&theirs, "/insert/a/1").await;
        let [key] = &redis.command::<Vec<String>>(&[b"KEYS", b"*"])[..] else {
            panic!("one record");
        };
        for record in [
            &b"garbage"[..],
            b"",
            b"[]",
            b"{\"a\":1}",
            b"{\"a\":\"garbage\"}",
        ] {
            redis.command::<()>(&[b"SET", key.as_bytes(), record, b"EX", b"1000"]);
            for path in ["/get/a", "/insert/a/1"] {
                let before = browser.cookie.clone();
                let response = browser.send(&ours, path).await;
                assert_eq!(response.status(), 500, "{version}: {path}: {record:?}");
                assert_eq!(browser.cookie, before);
            }
            let kept: Vec<u8> = redis.command(&[b"GET", key.as_bytes()]);
            assert_eq!(kept, record);
        }
        redis.command::<()>(&[b"SET", key.as_bytes(), b"garbage", b"EX", b"1000"]);
        assert_eq!(browser.get(&theirs, "/get/a").await, Value::Null);
        browser.get(&theirs, "/insert/b/2").await;
        assert_eq!(browser.get(&ours, "/get/b").await, 2, "{version}");
    }
}
