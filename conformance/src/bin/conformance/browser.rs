//! The demo, as its real program: refusing what it cannot do, and in a real browser.
//!
//! What only a browser can show stands here: that the default cookie is kept on loopback, that two tabs are one session, that
//! nothing of it is visible to a script. Everything else about adapters is shown without one, in their suites.

mod cases;
mod chromium;
mod demo;

use std::fmt;
use std::sync::Arc;

use cloakroom_conformance::{Tally, Verdict};

use crate::program::{self, Running, verdict};
use chromium::Programs;
use demo::Demo;

/// What a case shows, and how.
type Case = program::Case<Run>;

#[derive(Clone, Copy)]
enum Run {
    Program(fn(Arc<Demo>) -> Running),
    Browser(fn(Arc<Demo>, Arc<Programs>) -> Running),
}

/// Every case, as a line.
pub(crate) fn cases() -> impl Iterator<Item = impl fmt::Display> {
    cases::ALL.iter()
}

/// Runs the cases whose names contain each of `parts`, one after the other, and says what came of each.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let chosen: Vec<_> = cases::ALL
        .iter()
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
