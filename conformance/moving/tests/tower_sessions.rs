//! Two applications on one Redis: one with tower-sessions, one with Cloakroom.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use axum::Router;
use cloakroom_tower_sessions::TowerSessions;
use moving::{
    Browser, Cookie, Redis, a_sign_in_survives_their_writes, cancelled_requests_starve_no_others,
    each_reads_and_writes_what_the_other_one_wrote, ours,
    ours_loses_nothing_of_what_runs_at_the_same_time, settings, their_redis, their_redis_0_15,
    their_request_of_0_15_overwrites_what_was_saved_meanwhile,
    their_request_overwrites_what_was_saved_meanwhile, theirs, theirs_0_15, values,
};

async fn ours_in(redis: &Redis, cookie: Cookie) -> Router {
    let store = TowerSessions::connect_redis(&redis.url)
        .await
        .expect("Redis");
    ours(store, settings(cookie))
}

/// The application with each version.
async fn theirs_in(redis: &Redis, cookie: Cookie) -> [(&'static str, Router); 2] {
    [
        ("0.14", theirs(their_redis(redis).await, cookie)),
        ("0.15", theirs_0_15(their_redis_0_15(redis).await, cookie)),
    ]
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn each_reads_and_writes_what_the_other_one_wrote_in_redis() {
    let redis = Redis::start().expect("Redis");
    for cookie in Cookie::ALL {
        for (version, theirs) in theirs_in(&redis, cookie).await {
            let apps = [theirs, ours_in(&redis, cookie).await];
            let what = format!("{version}, {cookie:?}");
            each_reads_and_writes_what_the_other_one_wrote(&what, apps).await;
        }
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_here_survives_their_writes() {
    let redis = Redis::start().expect("Redis");
    for cookie in Cookie::ALL {
        let ours = ours_in(&redis, cookie).await;
        for (_, theirs) in theirs_in(&redis, cookie).await {
            a_sign_in_survives_their_writes(&theirs, &ours).await;
        }
    }
}

// R85: in Redis, theirs does not make a record that is missing. Its request fails.
#[tokio::test(flavor = "multi_thread")]
async fn their_request_overwrites_and_signs_nobody_in_again() {
    let redis = Redis::start().expect("Redis");
    let ours = ours_in(&redis, Cookie::Plain).await;
    let store = their_redis(&redis).await;
    their_request_overwrites_what_was_saved_meanwhile(&store, false, &ours).await;
    let store = their_redis_0_15(&redis).await;
    their_request_of_0_15_overwrites_what_was_saved_meanwhile(&store, false, &ours).await;
}

// R85: there is no store for 0.15 yet. Any that writes the record as those for 0.14 do writes the
// same bytes.
#[test]
fn both_versions_have_the_same_record() {
    let data = values()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    // Of several entries each map has its own order.
    let datas = data.map(|entry| HashMap::from([entry]));
    for data in [HashMap::default()].into_iter().chain(datas) {
        let expiry_date = SystemTime::now() + Duration::from_millis(1_209_600_123);
        let older = tower_sessions::session::Record {
            id: Default::default(),
            data: data.clone(),
            expiry_date: expiry_date.into(),
        };
        let newer = tower_sessions_0_15::session::Record {
            id: tower_sessions_0_15::session::Id(older.id.0),
            data: data.clone(),
            expiry_date: expiry_date.into(),
        };
        assert_eq!(older.id.to_string(), newer.id.to_string());
        let bytes = rmp_serde::to_vec(&older).expect("written");
        assert_eq!(bytes, rmp_serde::to_vec(&newer).expect("written"));
        let read: tower_sessions_0_15::session::Record =
            rmp_serde::from_slice(&bytes).expect("read");
        assert_eq!(read, newer);
    }
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
async fn requests_at_the_same_time_lose_nothing_of_ours() {
    let redis = Redis::start().expect("Redis");
    let ours = ours_in(&redis, Cookie::Signed).await;
    ours_loses_nothing_of_what_runs_at_the_same_time(&ours).await;
    cancelled_requests_starve_no_others(&ours).await;
}
