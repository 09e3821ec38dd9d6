//! The guide's two files, run as its reader runs them: as programs of their own, configured by the
//! environment alone.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::checks::{logout_at_either, to_and_fro};
use super::environment::{Environment, app_py};
use super::plan::{Backend, Format, Setup};
use crate::program::{Failure, Process, fail};

pub(super) const ID: &str = "guide/two-programs";
pub(super) const SENTENCE: &str = "app.py and main.rs, started with the same environment, share \
                                   their sessions: one browser alternates between them, and a \
                                   sign-out at one ends the session at both";

/// One of each backend and version.
pub(super) fn setups() -> impl Iterator<Item = Setup> {
    Setup::all().into_iter().filter(|setup| {
        setup.permanent
            && setup.format != Format::Json
            && setup.signed == (setup.backend == Backend::Cookie)
    })
}

pub(super) async fn two_programs(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let Ok(place) = environment.places().of(setup.backend) else {
        return fail("the backend is not there");
    };
    let keys = setup.configuration(&place);
    let variables: Vec<(String, String)> = keys
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .chain([("PORT".to_owned(), "0".to_owned())])
        .collect();
    let Some(shop) = environment.shop() else {
        return fail("main.rs was not built");
    };
    // Flask prints its address on standard error.
    let mut flask = Command::new("sh");
    flask
        .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
        .arg(environment.python(setup.release))
        .arg(app_py())
        .envs(variables.iter().cloned());
    let mut flask = Process::start("app.py", &mut flask)?;
    let mut rust = Command::new(shop);
    rust.envs(variables).stderr(Stdio::null());
    // Flask first: it makes the table.
    let flask_at = flask.says(url).await?;
    let mut rust = Process::start("main.rs", &mut rust)?;
    let rust_at = rust.says(url).await?;
    let visitor = || environment.browser_at(flask_at.clone(), rust_at.clone());
    to_and_fro(&visitor).await?;
    logout_at_either(&visitor, setup.backend).await
}

fn url(line: &str) -> Option<String> {
    let at = line.find("http://127.0.0.1:")?;
    let url = line.get(at..)?.split_whitespace().next()?;
    Some(url.trim_end_matches('/').to_owned())
}
