//! The real Flask and Flask-Session with a Rust application on the same servers, and the guide's
//! two programs.

mod attributes;
mod checks;
mod client;
mod concurrent;
mod cookie;
mod copied;
mod environment;
mod guide;
mod ids;
mod null;
mod plan;
mod renewal;
mod repr;
mod rust;
mod several;
mod table;
mod tls;
mod venv;

use std::fmt;

use cloakroom_conformance::{Tally, Verdict};

use crate::program::Failure;
use cloakroom_servers::say;
use environment::{Environment, Missing};
use plan::Setup;
use table::Table;

/// Every case, as a line.
pub(crate) fn cases() -> impl Iterator<Item = impl fmt::Display> {
    let checks = checks::ALL
        .iter()
        .map(|check| line(&format!("flask/{}[SETUP]", check.id), check.sentence));
    let guide = line(&format!("flask/{}[SETUP]", guide::ID), guide::SENTENCE);
    let others = fixed();
    let one = concurrent::each().take(3);
    let attributes = one
        .chain(attributes::all().take(1))
        .map(|case| line(&format!("flask/{}[SETUP]", case.id), case.sentence));
    checks
        .chain(others.map(|case| line(&format!("flask/{}", case.id), case.sentence)))
        .chain(attributes)
        .chain([guide])
}

/// Cases on setups of their own, each with a name of its own.
fn fixed() -> impl Iterator<Item = Other> {
    let all = [
        concurrent::ALL,
        cookie::ALL,
        null::ALL,
        copied::ALL,
        renewal::ALL,
        several::ALL,
        ids::ALL,
        tls::ALL,
    ];
    all.into_iter().flatten().copied()
}

fn line(id: &str, sentence: &str) -> String {
    format!("{id:<52} {:<12} {sentence} [issue 5]", "")
}

/// A case on a setup of its own.
#[derive(Clone, Copy)]
struct Other {
    id: &'static str,
    sentence: &'static str,
    setup: Setup,
    run: for<'a> fn(&'a Environment, &'a Setup) -> checks::Running<'a>,
}

impl Other {
    fn name(&self) -> String {
        format!("flask/{}[{}]", self.id, self.setup.name())
    }
}

/// Runs the cases whose names contain each of `parts`, and prints a table of the results.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let chosen = |name: &str| parts.iter().all(|part| name.contains(part.as_str()));
    let setups = Setup::all();
    let mut cases = Vec::new();
    for setup in &setups {
        for check in checks::ALL {
            let name = format!("flask/{}[{}]", check.id, setup.name());
            if chosen(&name) {
                cases.push((name, *setup, Some(check), check.sentence, check.run));
            }
        }
    }
    let guides = guide::setups().map(|setup| Other {
        id: guide::ID,
        sentence: guide::SENTENCE,
        setup,
        run: |environment, setup| Box::pin(guide::two_programs(environment, setup)),
    });
    for other in fixed()
        .chain(concurrent::each())
        .chain(attributes::all())
        .chain(guides)
    {
        let name = other.name();
        if chosen(&name) {
            cases.push((name, other.setup, None, other.sentence, other.run));
        }
    }
    let mut tally = Tally::default();
    if cases.is_empty() {
        return tally;
    }
    let mut needed: Vec<Setup> = setups;
    let special = cases.iter().map(|(_, setup, ..)| *setup);
    for setup in special.filter(|setup| setup.variant.is_some()) {
        // Several cases may have the same.
        if needed.iter().all(|other| other.name() != setup.name()) {
            needed.push(setup);
        }
    }
    needed.retain(|setup| {
        let name = setup.name();
        // A case may look at permanent sessions as well as the others.
        let row = setup.row();
        cases
            .iter()
            .any(|(_, of, ..)| of.name() == name || of.row() == row)
    });
    let programs = cases.iter().any(|(name, ..)| name.contains(guide::ID));
    let environment = Environment::new(&needed, programs).await;
    let mut table = Table::default();
    for (name, setup, check, sentence, run) in cases {
        let verdict = match (&environment, check) {
            (_, Some(check)) if !(check.applies)(&setup) => {
                // Not for us to mend.
                table.enter(&setup, check.id, None);
                continue;
            }
            (Err(Missing::Here(why)), _) => Verdict::Skipped(why.clone()),
            (Err(Missing::Broken(why)), _) => Verdict::Failed(why.clone()),
            (Ok(environment), _) => match environment.places().of(setup.backend) {
                Err(why) => Verdict::Skipped(why.to_string()),
                Ok(_) => verdict(run(environment, &setup)).await,
            },
        };
        match check {
            Some(check) => table.enter(&setup, check.id, Some(&verdict)),
            None => table.enter_other(&name, &verdict),
        }
        match verdict {
            Verdict::Passed => {
                say(format_args!("ok      {name}"));
                tally.passed += 1;
            }
            Verdict::Skipped(why) => {
                say(format_args!("skipped {name}: {why}"));
                tally.skipped += 1;
            }
            Verdict::Failed(what) => {
                say(format_args!("FAILED  {name}"));
                say(format_args!("        {what}"));
                say(format_args!("        required: {sentence}"));
                tally.failed += 1;
            }
            _ => {}
        }
    }
    say(table);
    tally
}

async fn verdict(running: checks::Running<'_>) -> Verdict {
    // None needs a tenth of it.
    let limit = std::time::Duration::from_secs(60);
    match tokio::time::timeout(limit, running).await {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(Failure(what))) => Verdict::Failed(what),
        Err(_) => Verdict::Failed(format!("it did not end within {limit:?}")),
    }
}
