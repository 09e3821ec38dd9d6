//! How long sessions live: with requests that only read, and without.

use std::time::{Duration, Instant};

use super::Other;
use super::checks::Running;
use super::client::{App, Browser};
use super::environment::Environment;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::{Failure, fail, same};

/// Short, since the real Flask has the real clock.
const LIFETIME: Duration = Duration::from_secs(3);

static SHORT: Variant = Variant {
    name: "short",
    keys: &[("PERMANENT_SESSION_LIFETIME", "3")],
};

static SHORT_AND_QUIET: Variant = Variant {
    name: "short-quiet",
    keys: &[
        ("PERMANENT_SESSION_LIFETIME", "3"),
        ("SESSION_REFRESH_EACH_REQUEST", "false"),
    ],
};

const STORED: Setup = Setup {
    release: Release::V0_8_0,
    backend: Backend::Redis,
    format: Format::Msgpack,
    signed: false,
    permanent: true,
    variant: Some(&SHORT),
};

const QUIET: Setup = Setup {
    variant: Some(&SHORT_AND_QUIET),
    ..STORED
};

const COOKIE: Setup = Setup {
    backend: Backend::Cookie,
    format: Format::Tagged,
    signed: true,
    permanent: false,
    ..STORED
};

macro_rules! cases {
    ($($id:literal, $setup:expr, $permanent:literal, $wanted:expr, $sentence:literal;)+) => {
        pub(super) const ALL: &[Other] = &[$(Other {
            id: $id,
            sentence: $sentence,
            setup: $setup,
            run: |environment, setup| -> Running<'_> { Box::pin(reads(environment, setup, $permanent, $wanted)) },
        }),+];
    };
}

const KEPT: Wanted = Wanted {
    alive: true,
    cookie: true,
};
const ENDED: Wanted = Wanted {
    alive: false,
    cookie: false,
};

cases! {
    "renewal/permanent", STORED, 1, KEPT, "each request that reads a permanent session renews its record and its cookie, at either";
    "renewal/not-permanent", STORED, 0, Wanted { cookie: false, ..KEPT }, "each request that reads a session that is not permanent renews its record, and sends no cookie, at either";
    "renewal/switched-off", QUIET, 1, ENDED, "with SESSION_REFRESH_EACH_REQUEST off reading renews nothing, at either";
    "renewal/cookie-permanent", COOKIE, 1, KEPT, "each request that reads a permanent session in \
                                                  Flask's own cookie signs it again, in Flask and \
                                                  in Rust";
    "renewal/cookie-not-permanent", COOKIE, 0, ENDED, "a read does not sign any other session \
                                                       again, and it ends by its age, in Flask \
                                                       and in Rust";
}

/// The expected effect of a read.
#[derive(Clone, Copy)]
struct Wanted {
    alive: bool,
    cookie: bool,
}

/// Each application reads the session of one visitor alone, for longer than a session lives.
async fn reads(
    environment: &Environment,
    setup: &Setup,
    permanent: u8,
    wanted: Wanted,
) -> Result<(), Failure> {
    let write = format!("/probe/write?permanent={permanent}");
    let mut visitors = Vec::new();
    for (writer, reader) in [
        (App::Flask, App::Rust),
        (App::Rust, App::Rust),
        (App::Rust, App::Flask),
    ] {
        let mut browser = environment.browser(setup);
        browser.post(writer, &write).await?;
        visitors.push((reader, browser));
    }
    // Nobody reads this one.
    let mut idle = environment.browser(setup);
    idle.post(App::Rust, &write).await?;
    let start = Instant::now();
    let reading = visitors
        .into_iter()
        .map(|(reader, browser)| tokio::spawn(read_on(reader, browser, start)));
    for task in reading.collect::<Vec<_>>() {
        let Ok(read) = task.await else {
            return fail("a reader panicked");
        };
        let (reader, mut browser, renewed) = read?;
        let what = format!("whether {reader:?} sent the cookie again");
        same(&what, renewed, wanted.cookie)?;
        for at in [App::Rust, App::Flask] {
            let alive = browser.dump(at).await?.len() == 11;
            let what = format!("whether what {reader:?} went on reading lives for {at:?}");
            same(&what, alive, wanted.alive)?;
        }
    }
    for at in [App::Flask, App::Rust] {
        let left = idle.clone().dump(at).await?.len();
        same("values of the session that nobody read", left, 0)?;
    }
    Ok(())
}

async fn read_on(
    reader: App,
    mut browser: Browser,
    start: Instant,
) -> Result<(App, Browser, bool), Failure> {
    let mut renewed = false;
    while start.elapsed() < LIFETIME + Duration::from_millis(1_500) {
        browser.dump(reader).await?;
        renewed |= browser.line.is_some();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok((reader, browser, renewed))
}
