//! The simulator's cases: it finds nothing in a correct machine, and finds every known fault.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloakroom_simulator::{
    Environment, Habit, Mutant, Played, Simulator, Trace, Violation, named, shorten,
};

use crate::arguments::Arguments;
use crate::say;

/// One thing that is shown.
pub(crate) enum Case {
    Contract,
    Finds(Environment),
}

/// How long something broken may stay undetected.
const LIMIT: Duration = Duration::from_secs(60);

/// How many schedules a thread takes at a time.
const BATCH: u64 = 256;

/// Every case.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    let environment = Environment::default();
    let habits = Habit::WRONG.map(|habit| {
        Case::Finds(Environment {
            habit,
            ..environment
        })
    });
    let mutants = Mutant::WRONG.map(|mutant| {
        Case::Finds(Environment {
            mutant,
            ..environment
        })
    });
    [Case::Contract].into_iter().chain(habits).chain(mutants)
}

impl Case {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Contract => "simulate/all-promises-hold".to_owned(),
            Self::Finds(environment) if environment.habit != Habit::Contract => {
                format!("simulate/finds-store-that-{}", words(&environment.habit))
            }
            Self::Finds(environment) => {
                format!("simulate/finds-driver-{}", words(&environment.mutant))
            }
        }
    }

    /// Runs it, and returns whether it passed.
    pub(crate) fn run(&self, arguments: &Arguments) -> bool {
        match self {
            Self::Contract => self.holds(arguments),
            Self::Finds(environment) => self.finds(*environment, arguments),
        }
    }

    fn holds(&self, arguments: &Arguments) -> bool {
        let begin = Instant::now();
        let found = play(Environment::default(), arguments, begin + arguments.time);
        let (
            took,
            Found {
                played,
                schedules,
                violation,
            },
        ) = (begin.elapsed(), found);
        let (name, seed) = (self.name(), arguments.seed);
        let much = format!(
            "{schedules} schedules of {} requests and {} steps in {:.1} s, from seed {seed}",
            played.requests,
            played.steps,
            took.as_secs_f64()
        );
        match violation {
            None => say(format_args!("ok      {name}: {much}")),
            Some(violation) => {
                say(format_args!(
                    "FAILED  {name}: {}, after {much}",
                    named(violation.wrong)
                ));
                tell(&violation);
                return false;
            }
        }
        true
    }

    fn finds(&self, environment: Environment, arguments: &Arguments) -> bool {
        let begin = Instant::now();
        let (name, mut simulator) = (self.name(), Simulator::new());
        // Always the same seeds, so that findings repeat.
        for seed in 0.. {
            if let Err(violation) = simulator.play(Environment {
                seed,
                ..environment
            }) {
                let (schedules, took) = (seed + 1, begin.elapsed());
                let wrong = named(violation.wrong);
                say(format_args!(
                    "ok      {name}: {wrong}, after {schedules} schedules and {:.2} s",
                    took.as_secs_f64()
                ));
                if arguments.stories {
                    tell(&violation);
                }
                return true;
            }
            if begin.elapsed() > LIMIT {
                break;
            }
        }
        say(format_args!(
            "FAILED  {name}: it was not found within {} s",
            LIMIT.as_secs()
        ));
        false
    }
}

#[derive(Default)]
struct Found {
    played: Played,
    schedules: u64,
    violation: Option<Violation>,
}

/// Plays schedules on all threads.
fn play(environment: Environment, arguments: &Arguments, end: Instant) -> Found {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                let (mut simulator, mut found) = (Simulator::new(), Found::default());
                while !stop.load(Ordering::Relaxed) && Instant::now() < end {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    let last = (first + BATCH).min(arguments.schedules);
                    for schedule in first..last {
                        let seed = arguments.seed.wrapping_add(schedule);
                        match simulator.play(Environment {
                            seed,
                            ..environment
                        }) {
                            Ok(played) => {
                                found.schedules += 1;
                                found.played.requests += played.requests;
                                found.played.steps += played.steps;
                            }
                            Err(violation) => {
                                stop.store(true, Ordering::Relaxed);
                                found.violation = Some(violation);
                                break;
                            }
                        }
                    }
                    if last < first + BATCH {
                        break;
                    }
                }
                let mut total = total
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                total.schedules += found.schedules;
                total.played.requests += found.played.requests;
                total.played.steps += found.played.steps;
                total.violation = total.violation.take().or(found.violation);
            });
        }
    });
    total
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Prints the shortest form of a finding as a story, and how to replay it.
fn tell(violation: &Violation) {
    let mut simulator = Simulator::new();
    let short: Trace = shorten(&mut simulator, &violation.trace, violation.wrong);
    let (story, _) = simulator.story(&short);
    for line in story {
        say(format_args!("        {line}"));
    }
    say(format_args!("        {}", named(violation.wrong)));
    say(format_args!(
        "        again: cargo conformance simulate --trace '{short}'"
    ));
    say(format_args!(
        "        unshortened, {} steps: cargo conformance simulate --seed {} --schedules 1",
        violation.trace.steps.len(),
        violation.trace.environment.seed
    ));
}

/// `LosesWrites` as `loses-writes`.
fn words(name: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
