//! The demo, as its real program: refusing what it cannot do, and in a real browser.
//!
//! What only a browser can show stands here: that the default cookie is kept on loopback, that two tabs are one session, that
//! nothing of it is visible to a script. Everything else about adapters is shown without one, in their suites.

mod cases;
mod chromium;
mod demo;
mod process;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_conformance::{Tally, Verdict};

use crate::say;
use chromium::Programs;
use demo::Demo;

/// How long one case may take. None needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(120);

/// What a case shows, and how.
pub(crate) struct Case {
    id: &'static str,
    requirements: &'static [&'static str],
    sentence: &'static str,
    source: &'static str,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    Program(fn(Arc<Demo>) -> Running),
    Browser(fn(Arc<Demo>, Arc<Programs>) -> Running),
}

type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why a case failed, in words.
#[derive(Debug)]
struct Failure(String);

/// Every case.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    cases::ALL.iter()
}

/// Runs the cases whose names contain each of `parts`, one after the other, and says what came of each.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let chosen: Vec<_> = cases()
        .filter(|case| parts.iter().all(|part| case.id.contains(part.as_str())))
        .collect();
    let mut tally = Tally::default();
    if chosen.is_empty() {
        return tally;
    }
    let demo = Demo::build().await.map(Arc::new);
    let needs_browser = chosen
        .iter()
        .any(|case| matches!(case.run, Run::Browser(_)));
    let programs = match needs_browser {
        true => chromium::programs().await.map(Arc::new),
        false => Err("no case needs a browser".to_owned()),
    };
    for case in chosen {
        let verdict = match (&demo, &programs, case.run) {
            (Err(error), _, _) => Verdict::Failed(error.0.clone()),
            (_, Err(why), Run::Browser(_)) => Verdict::Skipped(why.clone()),
            (Ok(demo), _, Run::Program(run)) => verdict(run(demo.clone())).await,
            (Ok(demo), Ok(programs), Run::Browser(run)) => {
                verdict(run(demo.clone(), programs.clone())).await
            }
        };
        case.tell(&verdict);
        match verdict {
            Verdict::Passed => tally.passed += 1,
            Verdict::Skipped(_) => tally.skipped += 1,
            _ => tally.failed += 1,
        }
    }
    tally
}

/// Dropping the case, when its time is over, ends the processes that it started.
async fn verdict(running: Running) -> Verdict {
    match tokio::time::timeout(LIMIT, running).await {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(Failure(what))) => Verdict::Failed(what),
        Err(_) => Verdict::Failed(format!("it did not end within {} s", LIMIT.as_secs())),
    }
}

impl Case {
    fn tell(&self, verdict: &Verdict) {
        let Self {
            id,
            sentence,
            source,
            ..
        } = self;
        match verdict {
            Verdict::Passed => say(format_args!("ok      {id}")),
            Verdict::Skipped(why) => say(format_args!("skipped {id}: {why}")),
            Verdict::Failed(what) => {
                let requirements = match self.requirements {
                    [] => String::new(),
                    some => format!(" ({})", some.join(", ")),
                };
                say(format_args!("FAILED  {id}"));
                say(format_args!("        {what}"));
                say(format_args!("        required{requirements}: {sentence}"));
                say(format_args!("        source: {source}"));
            }
            _ => {}
        }
    }
}

impl fmt::Display for Case {
    /// As the suites' cases: `id  requirements  sentence  [source]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            sentence,
            source,
            ..
        } = self;
        let requirements = self.requirements.join(" ");
        write!(f, "{id:<52} {requirements:<12} {sentence} [{source}]")
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        Self(text)
    }
}

/// Fails unless `got` is `want`.
fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, want: T) -> Result<(), Failure> {
    match got == want {
        true => Ok(()),
        false => fail(format!("{what}: expected {want:?}, got {got:?}")),
    }
}

fn fail<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure(what.into()))
}
