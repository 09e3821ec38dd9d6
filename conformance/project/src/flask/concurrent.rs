//! Guarantees beside a writer that overwrites blindly: Flask, with a request in flight.

use super::Other;
use super::checks::Running;
use super::client::{App, Browser};
use super::environment::Environment;
use super::guide;
use super::plan::{self, Backend, Format, Setup};
use super::venv::Release;
use crate::program::{Failure, fail, same};

const NEWEST: Setup = Setup {
    release: Release::V0_8_0,
    backend: Backend::Redis,
    format: Format::Msgpack,
    signed: false,
    permanent: true,
    variant: None,
};

const OLDEST: Setup = Setup {
    release: Release::V0_3_1,
    backend: Backend::Redis,
    format: Format::Pickle,
    signed: true,
    permanent: true,
    variant: None,
};

const QUIET: Setup = Setup {
    variant: Some(&plan::QUIET),
    ..NEWEST
};

macro_rules! cases {
    ($($id:literal, $sentence:literal, $setup:expr => $run:ident;)+) => {
        pub(super) const ALL: &[Other] = &[$(Other {
            id: $id,
            sentence: $sentence,
            setup: $setup,
            run: |environment, setup| -> Running<'_> { Box::pin($run(environment, setup)) },
        }),+];
    };
}

cases! {
    "concurrent/flask-writes-under-rust", "a Rust request keeps what Flask writes meanwhile, beside its own changes", NEWEST => under_rust;
    "concurrent/flask-writes-under-rust-0.3.1", "a Rust request keeps what Flask 0.3.1 writes meanwhile, beside its own changes", OLDEST => under_rust;
    "concurrent/rust-writes-under-flask", "a Flask request overwrites the whole session that Rust wrote meanwhile, with the one it loaded; both go on", NEWEST => under_flask;
    "concurrent/rust-writes-under-flask-0.3.1", "the same with Flask 0.3.1", OLDEST => under_flask;
    "concurrent/flask-only-reads", "a Flask request that only reads overwrites nothing, if SESSION_REFRESH_EACH_REQUEST is off", QUIET => only_reads;
    "concurrent/flask-only-reads-and-refreshes", "with SESSION_REFRESH_EACH_REQUEST on (the default), Flask-Session 0.8 writes a session that it only read, over Rust's changes", NEWEST => reads_and_refreshes;
    "concurrent/flask-logs-out-under-rust", "a sign-out in Flask lasts, whatever a Rust request is doing meanwhile", NEWEST => flask_logs_out;
    "concurrent/rust-logs-out-under-flask", "a sign-out in Rust removes the cookie, but a Flask request under way writes the old record again, without later changes", NEWEST => rust_logs_out;
    "concurrent/sign-in-under-flask", "a late Flask request under the old id never reaches the signed-in session", NEWEST => sign_in;
    "concurrent/increments", "Rust counts all increments while Flask signs other users in and out", NEWEST => increments;
}

type Run = for<'a> fn(&'a Environment, &'a Setup) -> Running<'a>;

/// The first three, on each backend and version.
const EACH: [(&str, &str, Run); 3] = [
    (
        "concurrent/each/flask-writes-under-rust",
        "on each backend, a Rust request keeps what Flask writes meanwhile, beside its own changes",
        |environment, setup| Box::pin(under_rust(environment, setup)),
    ),
    (
        "concurrent/each/rust-writes-under-flask",
        "on each backend, a Flask request overwrites the whole session that Rust wrote meanwhile, and both go on",
        |environment, setup| Box::pin(under_flask(environment, setup)),
    ),
    (
        "concurrent/each/flask-logs-out-under-rust",
        "on each backend, a sign-out in Flask lasts, whatever a Rust request is doing meanwhile",
        |environment, setup| Box::pin(flask_logs_out(environment, setup)),
    ),
];

pub(super) fn each() -> impl Iterator<Item = Other> {
    let stored = guide::setups().filter(|setup| setup.backend != Backend::Cookie);
    stored.flat_map(|setup| {
        EACH.map(|(id, sentence, run)| Other {
            id,
            sentence,
            setup,
            run,
        })
    })
}

/// Sends a request that waits in its handler, and reports when it has its session.
async fn held(
    browser: &Browser,
    app: App,
) -> Result<tokio::task::JoinHandle<Result<Browser, Failure>>, Failure> {
    hold(browser, app, "/probe/hold").await
}

async fn hold(
    browser: &Browser,
    app: App,
    path: &'static str,
) -> Result<tokio::task::JoinHandle<Result<Browser, Failure>>, Failure> {
    let mut holder = browser.clone();
    let task = tokio::spawn(async move {
        holder.post(app, path).await?;
        Ok(holder)
    });
    // Another visitor's request, so that it is not held too.
    let mut other = browser.clone();
    other.cookie = None;
    other.post(app, "/probe/release").await?;
    Ok(task)
}

async fn let_go(
    browser: &Browser,
    app: App,
    task: tokio::task::JoinHandle<Result<Browser, Failure>>,
) -> Result<Browser, Failure> {
    let mut other = browser.clone();
    other.cookie = None;
    other.post(app, "/probe/go").await?;
    match task.await {
        Ok(outcome) => outcome,
        Err(_) => fail("the request that was held panicked"),
    }
}

async fn value(browser: &mut Browser, app: App, key: &str) -> Result<Option<String>, Failure> {
    let dump = browser.dump(app).await?;
    Ok(dump.get(key).map(|(_, shown)| shown.clone()))
}

async fn under_rust(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.post(App::Flask, "/probe/write").await?;
    let task = held(&browser, App::Rust).await?;
    browser
        .post(App::Flask, "/probe/set?key=flask&value=1")
        .await?;
    browser.post(App::Flask, "/probe/drop?key=half").await?;
    let mut browser = let_go(&browser, App::Rust, task).await?;
    for app in [App::Flask, App::Rust] {
        same(
            "what Flask wrote",
            value(&mut browser, app, "flask").await?,
            Some("'1'".into()),
        )?;
        same(
            "what Flask dropped",
            value(&mut browser, app, "half").await?,
            None,
        )?;
        same(
            "what Rust wrote",
            value(&mut browser, app, "held").await?,
            Some("'by rust'".into()),
        )?;
    }
    Ok(())
}

async fn under_flask(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.post(App::Rust, "/probe/write").await?;
    let task = held(&browser, App::Flask).await?;
    browser
        .post(App::Rust, "/probe/set?key=rust&value=1")
        .await?;
    same(
        "before",
        value(&mut browser, App::Flask, "rust").await?,
        Some("'1'".into()),
    )?;
    let mut browser = let_go(&browser, App::Flask, task).await?;
    for app in [App::Flask, App::Rust] {
        same(
            "what Rust wrote",
            value(&mut browser, app, "rust").await?,
            None,
        )?;
        same(
            "what Flask wrote",
            value(&mut browser, app, "held").await?,
            Some("'by flask'".into()),
        )?;
        same(
            "what was there before",
            value(&mut browser, app, "answer").await?,
            Some("42".into()),
        )?;
    }
    browser
        .post(App::Rust, "/probe/set?key=rust&value=2")
        .await?;
    same(
        "written again",
        value(&mut browser, App::Flask, "rust").await?,
        Some("'2'".into()),
    )
}

async fn only_reads(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    after_a_read(environment, setup, Some("'1'".into())).await
}

async fn reads_and_refreshes(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    after_a_read(environment, setup, None).await
}

/// The remainder of Rust's changes after Flask's request.
async fn after_a_read(
    environment: &Environment,
    setup: &Setup,
    left: Option<String>,
) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.post(App::Flask, "/probe/write").await?;
    let task = hold(&browser, App::Flask, "/probe/hold?read=1").await?;
    browser
        .post(App::Rust, "/probe/set?key=rust&value=1")
        .await?;
    let mut browser = let_go(&browser, App::Flask, task).await?;
    for app in [App::Flask, App::Rust] {
        same(
            "what Rust wrote",
            value(&mut browser, app, "rust").await?,
            left.clone(),
        )?;
    }
    Ok(())
}

async fn flask_logs_out(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.form(App::Flask, "/login", "name=ada").await?;
    let copy = browser.clone();
    let task = held(&browser, App::Rust).await?;
    browser.post(App::Flask, "/logout").await?;
    let_go(&browser, App::Rust, task).await?;
    for app in [App::Flask, App::Rust] {
        let mut copy = copy.clone();
        same("the name", value(&mut copy, app, "name").await?, None)?;
        same(
            "what was written late",
            value(&mut copy, app, "held").await?,
            None,
        )?;
    }
    Ok(())
}

async fn rust_logs_out(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.form(App::Flask, "/login", "name=ada").await?;
    let copy = browser.clone();
    let task = held(&browser, App::Flask).await?;
    browser.post(App::Rust, "/logout").await?;
    same("the cookie", browser.cookie.is_some(), false)?;
    let mut gone = copy.clone();
    same(
        "the name, at once",
        value(&mut gone, App::Rust, "name").await?,
        None,
    )?;
    let_go(&copy, App::Flask, task).await?;
    // This is what cannot be helped: Flask has written the session that it had loaded.
    let mut back = copy.clone();
    same(
        "the name, after Flask",
        value(&mut back, App::Rust, "name").await?,
        Some("'ada'".into()),
    )?;
    same(
        "the browser without a cookie",
        value(&mut browser, App::Rust, "name").await?,
        None,
    )
}

async fn sign_in(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser
        .post(App::Flask, "/probe/set?key=cart&value=tea")
        .await?;
    let old = browser.clone();
    let task = held(&browser, App::Flask).await?;
    browser.form(App::Rust, "/login", "name=ada").await?;
    same(
        "whether the id is the same",
        browser.cookie == old.cookie,
        false,
    )?;
    let_go(&old, App::Flask, task).await?;
    for app in [App::Flask, App::Rust] {
        let mut late = old.clone();
        same(
            "the name under the old id",
            value(&mut late, app, "name").await?,
            None,
        )?;
        same(
            "the name under the new id",
            value(&mut browser, app, "name").await?,
            Some("'ada'".into()),
        )?;
        same(
            "the late write under the new id",
            value(&mut browser, app, "held").await?,
            None,
        )?;
        same(
            "the cart under the new id",
            value(&mut browser, app, "cart").await?,
            Some("'tea'".into()),
        )?;
    }
    Ok(())
}

async fn increments(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser
        .post(App::Flask, "/probe/set?key=n&value=flask")
        .await?;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..40 {
        let mut visitor = browser.clone();
        let mut other = environment.browser(setup);
        tasks.spawn(async move {
            if at % 4 == 0 {
                other.form(App::Flask, "/login", "name=other").await?;
                return other.post(App::Flask, "/logout").await;
            }
            visitor.post(App::Rust, "/probe/count").await
        });
    }
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(outcome) => outcome?,
            Err(_) => return fail("a request panicked"),
        }
    }
    same(
        "the count",
        value(&mut browser, App::Flask, "count").await?,
        Some("30".into()),
    )?;
    same(
        "Flask's own",
        value(&mut browser, App::Rust, "n").await?,
        Some("'flask'".into()),
    )
}
