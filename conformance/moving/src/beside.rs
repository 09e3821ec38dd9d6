//! The test that every layout has to pass.

use axum::Router;
use serde_json::{Value, json};

use crate::{Browser, encoded, values};

/// Checks that each application reads and writes what the other one wrote.
pub async fn each_reads_and_writes_what_the_other_one_wrote(what: &str, apps: [Router; 2]) {
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
