//! Starts the simulator, a program of its own that is built for speed. Also starts it on mutants of
//! the machine.

mod mutants;
mod mutations;

use cloakroom_conformance::Tally;
use tokio::process::Command;

use crate::workspace;
use cloakroom_servers::say;
use mutations::Mutation;

/// Runs it with these arguments, shows what it prints, and counts.
pub(crate) async fn test(arguments: &[String]) -> Tally {
    if let [flag, name, rest @ ..] = arguments
        && flag == "--machine"
    {
        return match mutants::run(name, rest).await {
            Ok(command) => count(command).await,
            Err(error) => failed(error),
        };
    }
    let mut command = workspace::cargo();
    command
        .args(["run", "--quiet", "--profile", "simulation"])
        .args([
            "--package",
            "cloakroom-simulator",
            "--bin",
            "simulate",
            "--",
        ])
        .args(arguments);
    let mut tally = count(command).await;
    let chosen = chosen(arguments);
    if arguments.iter().any(|argument| argument == "--list") {
        chosen
            .iter()
            .for_each(|mutation| say(mutants::id(mutation)));
        return tally;
    }
    let stories = arguments.iter().any(|argument| argument == "--stories");
    tally += mutants::test(&chosen, stories).await;
    tally
}

async fn count(command: Command) -> Tally {
    match workspace::count(command, summary).await {
        Ok(tally) => tally,
        Err(error) => failed(error),
    }
}

fn failed(error: std::io::Error) -> Tally {
    say(format_args!(
        "FAILED  the simulator could not be run: {error}"
    ));
    Tally {
        failed: 1,
        ..Tally::default()
    }
}

/// The mutants whose names contain every word; none, if something else is asked for.
fn chosen(arguments: &[String]) -> Vec<&'static Mutation> {
    let (mut words, mut rest) = (Vec::new(), arguments.iter());
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--trace" | "--help" | "-h" => return Vec::new(),
            "--seconds" | "--schedules" | "--seed" | "--threads" => _ = rest.next(),
            flag if flag.starts_with('-') => {}
            word => words.push(word),
        }
    }
    let all = mutations::ALL.iter();
    all.filter(|mutation| {
        words
            .iter()
            .all(|word| mutants::id(mutation).contains(word))
    })
    .collect()
}

/// The numbers of its last line, `3 passed, 0 failed, 0 skipped`.
fn summary(line: &str) -> Option<Tally> {
    let mut parts = line.split(", ");
    let mut count = |what: &str| parts.next()?.strip_suffix(what)?.trim_end().parse().ok();
    let tally = Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: count("skipped")?,
    };
    parts.next().is_none().then_some(tally)
}

#[cfg(test)]
mod tests {
    use super::{chosen, mutations, summary};
    use cloakroom_conformance::Tally;

    #[test]
    fn words_choose_mutants_and_numbers_do_not() {
        let chosen = |line: &str| {
            let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            chosen(&arguments).len()
        };
        let all = mutations::ALL.len();
        assert_eq!(chosen("--seconds 60 --stories"), all);
        assert_eq!(chosen("--seconds 60 machine touches-never"), 1);
        assert_eq!(chosen("all-promises-hold --seed 5"), 0);
        assert_eq!(chosen("--trace seed=1"), 0);
    }

    #[test]
    fn the_last_line_of_the_simulator_is_read_and_nothing_else() {
        let tally = Tally {
            passed: 44,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(summary("44 passed, 1 failed, 0 skipped"), Some(tally));
        for other in [
            "",
            "44 passed",
            "ok      simulate/x: 4 passed, 1 failed, 0 skipped",
        ] {
            assert_eq!(summary(other), None, "{other}");
        }
    }
}
