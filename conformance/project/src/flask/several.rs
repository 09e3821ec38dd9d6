//! Several Memcached servers, over which each Python client spreads the sessions in its own way.

use std::collections::BTreeSet;

use super::Other;
use super::checks::Running;
use super::client::App;
use super::environment::Environment;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::{Failure, fail, same};

static PYLIBMC: Variant = Variant {
    name: "pylibmc",
    keys: &[("SESSION_MEMCACHED_CLIENT", "\"pylibmc\"")],
};
static PYTHON_MEMCACHED: Variant = Variant {
    name: "python-memcached",
    keys: &[("SESSION_MEMCACHED_CLIENT", "\"python-memcached\"")],
};
static PYMEMCACHE: Variant = Variant {
    name: "pymemcache",
    keys: &[("SESSION_MEMCACHED_CLIENT", "\"pymemcache\"")],
};

const fn three(id: &'static str, variant: &'static Variant) -> Other {
    Other {
        id,
        sentence: "of three Memcached servers Rust uses the one that the application's Python \
                   client uses",
        setup: Setup {
            release: Release::V0_8_0,
            backend: Backend::Memcacheds,
            format: Format::Msgpack,
            signed: false,
            permanent: true,
            variant: Some(variant),
        },
        run: |environment, setup| -> Running<'_> { Box::pin(spread(environment, setup)) },
    }
}

pub(super) const ALL: &[Other] = &[
    three("several/pylibmc", &PYLIBMC),
    three("several/python-memcached", &PYTHON_MEMCACHED),
    three("several/pymemcache", &PYMEMCACHE),
];

async fn spread(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for _ in 0..12 {
        for writer in [App::Flask, App::Rust] {
            let mut browser = environment.browser(setup);
            browser.form(writer, "/login", "name=ada").await?;
            let other = writer.other();
            browser.form(other, "/cart", "item=tea").await?;
            for app in [App::Flask, App::Rust] {
                let shop: serde_json::Value = serde_json::from_str(&browser.get(app, "/").await?)?;
                let want = serde_json::json!({"name": "ada", "cart": ["tea"]});
                same(&format!("the shop at {app:?}"), shop, want)?;
            }
            let key = format!("session:{}", browser.cookie.clone().unwrap_or_default());
            seen.extend(environment.places().memcacheds_with(&key).await?);
            let copy = browser.clone();
            browser.post(other, "/logout").await?;
            for app in [App::Flask, App::Rust] {
                let left = copy.clone().dump(app).await?.len();
                same("values after the logout", left, 0)?;
            }
        }
    }
    match seen.len() {
        3 => Ok(()),
        servers => fail(format!("all 24 sessions were on {servers} of the servers")),
    }
}
