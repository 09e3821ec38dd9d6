//! The Redis snippet that older applications have copied, together with `Settings::redis_snippet`.

use redis::AsyncCommands as _;

use super::Other;
use super::checks::{self, Running};
use super::client::App;
use super::environment::Environment;
use super::plan::{Backend, Format, SNIPPET, Setup};
use super::venv::Release;
use crate::program::{Failure, fail, same};

const DAY: i64 = 86_400;

const fn snippet(release: Release) -> Setup {
    Setup {
        release,
        backend: Backend::Redis,
        format: Format::Pickle,
        signed: false,
        permanent: false,
        variant: Some(&SNIPPET),
    }
}

macro_rules! cases {
    ($($id:literal, $release:ident, $sentence:literal => $run:path;)+) => {
        pub(super) const ALL: &[Other] = &[$(Other {
            id: $id,
            sentence: $sentence,
            setup: snippet(Release::$release),
            run: |environment, setup| -> Running<'_> { Box::pin($run(environment, setup)) },
        }),+];
    };
}

cases! {
    "snippet/rust-reads-flask", V0_8_0, "Rust reads a session of the Redis snippet, each value with its type" => checks::rust_reads;
    "snippet/flask-reads-rust", V0_8_0, "the snippet reads a session of Rust's, each value with its type" => checks::flask_reads;
    "snippet/rust-changes-one", V0_8_0, "Rust changes one key of a session of the snippet's, and the others survive" => checks::rust_changes;
    "snippet/flask-changes-one", V0_8_0, "the snippet changes one key of a session of Rust's, and Rust sees it" => checks::flask_changes;
    "snippet/logout-at-either", V0_8_0, "a sign-out in one program also ends the session in the other" => checks::logout;
    "snippet/one-browser", V0_8_0, "one browser that alternates between the two programs has one session" => checks::one_browser;
    "snippet/one-browser-1.1", V0_3_1, "the same on Flask 1.1" => checks::one_browser;
    "snippet/one-day", V0_8_0, "a permanent session lives for 31 days, any other for one day, in Flask and in Rust" => one_day;
    "snippet/one-day-1.1", V0_3_1, "the same on Flask 1.1" => one_day;
    "snippet/new", V0_8_0, "`session.new` in Flask and `Session::is_new` in Rust agree" => new;
}

async fn one_day(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let Ok(url) = environment.places().of(Backend::Redis) else {
        return fail("there is no Redis");
    };
    let mut redis = redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;
    for writer in [App::Flask, App::Rust] {
        let mut browser = environment.browser(setup);
        for (permanent, days) in [(0, 1), (1, 31), (0, 1)] {
            let path = format!("/probe/write?permanent={permanent}");
            browser.post(writer, &path).await?;
            let persistent = Some(permanent == 1);
            same("whether the cookie stays", browser.persistent, persistent)?;
            let sid = browser.cookie.clone().unwrap_or_default();
            let left: i64 = redis.ttl(format!("session:{sid}")).await?;
            if !(days * DAY - 5..=days * DAY).contains(&left) {
                return fail(format!(
                    "{writer:?} gave a session with permanent={permanent} {left} s"
                ));
            }
            let other = browser.dump(writer.other()).await?;
            same("what the other sees", other.len(), 11)?;
        }
    }
    Ok(())
}

async fn new(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    for writer in [App::Flask, App::Rust] {
        let mut browser = environment.browser(setup);
        for app in [App::Flask, App::Rust] {
            same(
                "at first",
                browser.get(app, "/probe/new").await?.trim(),
                "true",
            )?;
        }
        browser.post(writer, "/probe/set?key=a&value=b").await?;
        for app in [App::Flask, App::Rust] {
            same(
                "then",
                browser.get(app, "/probe/new").await?.trim(),
                "false",
            )?;
        }
    }
    Ok(())
}
