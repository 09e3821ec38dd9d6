//! The demo, as its real program: refusing what it cannot do, on several stores, and in a real
//! browser.
//!
//! These cases need a real browser: it keeps the default cookie on loopback, two tabs are one
//! session, and scripts see nothing of it. The adapters' suites show everything else without one.

mod bound;
mod cases;
mod chromium;
mod demo;
mod operator;
mod set_cookie;
mod stores;

use std::fmt;
use std::io;
use std::sync::Arc;

use cloakroom_conformance::{Tally, Verdict};

use crate::program::{self, Running, fail, verdict};
use chromium::Programs;
use cloakroom_servers::Redis;
use demo::Demo;

/// A case's requirement and its check.
type Case = program::Case<Run>;

#[derive(Clone, Copy)]
enum Run {
    Program(fn(Arc<Demo>) -> Running),
    Browser(fn(Arc<Demo>, Arc<Programs>) -> Running),
    /// Without the demo.
    Bound(fn(Arc<Programs>) -> Running),
    Redis(fn(Arc<Demo>, Arc<Redis>) -> Running),
}

/// Every case, as a line.
pub(crate) fn cases() -> impl Iterator<Item = impl fmt::Display> {
    cases::ALL.iter()
}

/// Runs the cases whose names contain each of `parts`, one after the other, and reports each
/// result.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let chosen: Vec<_> = cases::ALL
        .iter()
        .filter(|case| parts.iter().all(|part| case.id.contains(part.as_str())))
        .collect();
    let mut tally = Tally::default();
    if chosen.is_empty() {
        return tally;
    }
    let needs_demo = chosen.iter().any(|case| !matches!(case.run, Run::Bound(_)));
    let demo = match needs_demo {
        true => Demo::build().await.map(Arc::new),
        false => fail("no case needs the demo"),
    };
    let needs_browser = chosen
        .iter()
        .any(|case| matches!(case.run, Run::Browser(_) | Run::Bound(_)));
    let programs = match needs_browser {
        true => chromium::programs().await.map(Arc::new),
        false => Err("no case needs a browser".to_owned()),
    };
    for case in chosen {
        let verdict = match (&demo, &programs, case.run) {
            (_, Ok(programs), Run::Bound(run)) => verdict(run(programs.clone())).await,
            (_, Err(why), Run::Bound(_)) => Verdict::Skipped(why.clone()),
            (Err(error), _, _) => Verdict::Failed(error.0.clone()),
            (_, Err(why), Run::Browser(_)) => Verdict::Skipped(why.clone()),
            (Ok(demo), _, Run::Program(run)) => verdict(run(demo.clone())).await,
            (Ok(demo), _, Run::Redis(run)) => match redis() {
                Ok(redis) => verdict(run(demo.clone(), redis)).await,
                Err(verdict) => verdict,
            },
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

/// A server of this run's own: the demo has no namespace that could be removed from another's.
fn redis() -> Result<Arc<Redis>, Verdict> {
    match Redis::new() {
        Ok(redis) if redis.own().is_some() => Ok(Arc::new(redis)),
        Ok(_) => Err(Verdict::Skipped(
            "a server that was given is left alone".to_owned(),
        )),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            Err(Verdict::Skipped(error.to_string()))
        }
        Err(error) => Err(Verdict::Failed(error.to_string())),
    }
}
