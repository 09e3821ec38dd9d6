//! Two services on NATS that share sessions on Redis: the example, as its real programs, each in a
//! process of its own.

mod cases;
mod shop;

use std::fmt;
use std::io;
use std::sync::Arc;

use cloakroom_conformance::{Tally, Verdict};

use crate::program::{self, Failure, Running, verdict};
use cloakroom_servers as servers;
use shop::Environment;

/// A case's requirement and its check.
type Case = program::Case<fn(Arc<Environment>, &'static str) -> Running>;

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
    let environment = environment().await;
    for case in chosen {
        let verdict = match &environment {
            Ok(environment) => verdict((case.run)(environment.clone(), case.id)).await,
            Err(Missing::Server(why)) => Verdict::Skipped(why.clone()),
            Err(Missing::Program(why)) => Verdict::Failed(why.clone()),
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

/// The required programs and servers.
enum Missing {
    /// Not on this machine.
    Server(String),
    /// It should be here.
    Program(String),
}

async fn environment() -> Result<Arc<Environment>, Missing> {
    let nats = servers::Nats::new()?;
    let redis = servers::Redis::new()?;
    let program = program::example("nats").await?;
    Ok(Arc::new(Environment::new(nats, redis, program)))
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Unsupported => Self::Server(error.to_string()),
            _ => Self::Program(error.to_string()),
        }
    }
}

impl From<Failure> for Missing {
    fn from(Failure(what): Failure) -> Self {
        Self::Program(what)
    }
}
