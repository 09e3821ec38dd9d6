//! The simulator: a program of its own, because it is built for speed, and this one is not.

use cloakroom_conformance::Tally;

use crate::{say, workspace};

/// Runs it with these arguments, shows what it prints, and counts.
pub(crate) async fn test(arguments: &[String]) -> Tally {
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
    match workspace::count(command, summary).await {
        Ok(tally) => tally,
        Err(error) => {
            say(format_args!(
                "FAILED  the simulator could not be run: {error}"
            ));
            Tally {
                failed: 1,
                ..Tally::default()
            }
        }
    }
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
    use super::summary;
    use cloakroom_conformance::Tally;

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
