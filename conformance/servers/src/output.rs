//! Prints the output, and repeats its failures at the end, where readers of a long log look first.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

static FAILURES: Mutex<Failures> = Mutex::new(Failures::new());

/// Prints a line, or several. A closed standard output (`| head`) changes nothing of the exit
/// status.
pub fn say(lines: impl std::fmt::Display) {
    let lines = lines.to_string();
    let _ = writeln!(io::stdout(), "{lines}");
    let mut failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.lines().for_each(|line| failures.hear(line));
}

/// Repeats the failures and the skips.
pub fn repeat_failures() {
    let failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    for line in &failures.lines {
        let _ = writeln!(io::stdout(), "{line}");
    }
}

struct Failures {
    lines: Vec<String>,
    within: Within,
}

#[derive(Clone, Copy, PartialEq)]
enum Within {
    Nothing,
    /// Details of a failure are indented.
    Failure,
    /// The output of a test, which cargo prints below a headline of its own.
    Test,
}

impl Failures {
    const fn new() -> Self {
        Self {
            lines: Vec::new(),
            within: Within::Nothing,
        }
    }

    fn hear(&mut self, line: &str) {
        let begins = |starts: &[&str]| starts.iter().any(|start| line.starts_with(start));
        self.within = match self.within {
            _ if begins(&["FAILED ", "skipped "]) => Within::Failure,
            _ if begins(&["---- "]) && line.ends_with(" ----") => Within::Test,
            Within::Failure if begins(&["    "]) => Within::Failure,
            Within::Test if !begins(&["failures:", "test result:"]) => Within::Test,
            _ => Within::Nothing,
        };
        if self.within != Within::Nothing && !line.is_empty() {
            self.lines.push(line.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Failures;

    fn kept(printed: &[&str]) -> Vec<String> {
        let mut failures = Failures::new();
        printed.iter().for_each(|line| failures.hear(line));
        failures.lines
    }

    #[test]
    fn failures_and_skips_are_repeated_with_their_details() {
        let printed = [
            "ok      store/a[memory]",
            "FAILED  store/b[memory]",
            "        expected 1, got 2",
            "ok      store/c[memory]",
            "        no failure's",
            "skipped store/d[redis]: no server",
        ];
        assert_eq!(kept(&printed), [printed[1], printed[2], printed[5]]);
    }

    #[test]
    fn of_tests_that_cargo_runs_the_output_of_those_that_failed_is_kept() {
        let printed = [
            "test a ... ok",
            "test b ... FAILED",
            "",
            "failures:",
            "",
            "---- b stdout ----",
            "",
            "thread 'b' panicked at src/lib.rs:1:1:",
            "it is wrong",
            "",
            "failures:",
            "    b",
            "",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored",
        ];
        assert_eq!(kept(&printed), [printed[5], printed[7], printed[8]]);
    }
}
