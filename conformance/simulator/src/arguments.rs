//! The command line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_simulator::Trace;
use lexopt::prelude::*;

/// The parsed command line.
pub(crate) struct Arguments {
    pub(crate) wish: Wish,
    /// How long schedules are played.
    pub(crate) time: Duration,
    /// How many are played, if that is fewer.
    pub(crate) schedules: u64,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    /// Tells what was found as a story.
    pub(crate) stories: bool,
    parts: Vec<String>,
}

pub(crate) enum Wish {
    Play,
    Replay(Trace),
    List,
    Help,
}

impl Arguments {
    pub(crate) const HELP: &'static str = "\
usage: cargo conformance simulate [--seconds N] [--schedules N] [--seed S] [--threads N] [--stories] [WORD...]
       cargo conformance simulate --trace TRACE
       cargo conformance simulate --machine NAME [any of these]

Plays random schedules of 8 to 17 requests, interleaved at every store action, with faults, crashes and clocks, and checks every
answer against a model; then shows that each deliberately broken store, driver and machine is found. WORDs choose cases by name.

  --seconds N     how long (10)
  --schedules N   how many, if that takes less time
  --seed S        the first schedule is that of S, the next that of S + 1, and so on (by default from the clock)
  --threads N     how many at a time (one for each processor)
  --stories       tells also how the broken ones were found
  --trace TRACE   plays a schedule that was printed, and tells it
  --machine NAME  on the machine that is wrong in this way: the last part of its case's name
  --list          the names of the cases";

    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut arguments = Self {
            wish: Wish::Play,
            time: Duration::from_secs(10),
            schedules: u64::MAX,
            seed: from_clock(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            stories: false,
            parts: Vec::new(),
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("seconds") => {
                    arguments.time = Duration::from_secs(parser.value()?.parse()?);
                }
                Long("schedules") => arguments.schedules = parser.value()?.parse()?,
                Long("seed") => arguments.seed = parser.value()?.parse()?,
                Long("threads") => arguments.threads = parser.value()?.parse()?,
                Long("stories") => arguments.stories = true,
                Long("trace") => {
                    let trace = parser.value()?.parse_with(str::parse::<Trace>)?;
                    arguments.wish = Wish::Replay(trace);
                }
                Long("list") => arguments.wish = Wish::List,
                Long("help") | Short('h') => arguments.wish = Wish::Help,
                Value(part) => arguments.parts.push(part.string()?),
                other => return Err(other.unexpected()),
            }
        }
        arguments.threads = arguments.threads.clamp(1, 256);
        Ok(arguments)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.parts.iter().all(|part| name.contains(part.as_str()))
    }
}

/// Another one for each run, short enough to be typed.
fn from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_micros() as u64 % 1_000_000_000_000)
}
