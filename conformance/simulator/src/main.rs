//! `simulate`: plays schedules until the time is over or a promise is broken, and shows that what
//! is deliberately broken is found.

mod arguments;
mod cases;

use std::io::{self, Write as _};
use std::process::ExitCode;

use cloakroom_simulator::{Simulator, named};

use arguments::{Arguments, Wish};

/// How many cases passed and failed.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
}

fn main() -> ExitCode {
    let mut tally = Tally::default();
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            // Nobody to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "{message}\n\n{}", Arguments::HELP);
            return ExitCode::from(2);
        }
    };
    match &arguments.wish {
        Wish::Help => {
            say(Arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Wish::Replay(trace) => {
            let (story, result) = Simulator::new().story(trace);
            story.iter().for_each(say);
            match result {
                Ok(()) => tally.passed += 1,
                Err(wrong) => {
                    say(format_args!("FAILED  {}", named(wrong)));
                    tally.failed += 1;
                }
            }
        }
        Wish::List => {
            cases::all().for_each(|case| say(case.name()));
            return ExitCode::SUCCESS;
        }
        Wish::Play => {
            for case in cases::all().filter(|case| arguments.wants(&case.name())) {
                match case.run(&arguments) {
                    true => tally.passed += 1,
                    false => tally.failed += 1,
                }
            }
        }
    }
    say(format_args!(
        "{} passed, {} failed, 0 skipped",
        tally.passed, tally.failed
    ));
    // No case: the words may select cases of `cargo conformance simulate` alone.
    match tally.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Prints a line. A closed standard output (`| head`) changes nothing of the exit status.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
