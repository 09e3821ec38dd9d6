//! Plays schedules on the session machine, and compares every answer with a model. A schedule has
//! many requests of several clients and tabs, interleaved at every store action, with faults,
//! crashes and clocks, all from one seed.
//!
//! A cancelled request (the client disconnects or a timeout drops its future) is a request without
//! further steps: [`Step::Crash`] at any point. Its last write may still land ([`Fault::Late`]). So
//! crashes stand for cancellations too.
//!
//! A schedule is a list of [`Step`]s. [`Simulator::play`] draws one from a seed and plays it.
//! [`Simulator::replay`] plays a given one, and [`Simulator::story`] prints it as a story.
//! [`shorten`] removes steps that a failing schedule does not need.
//!
//! ```
//! use cloakroom_simulator::{Environment, Simulator};
//!
//! let mut simulator = Simulator::new();
//! for seed in 0..100 {
//!     let environment = Environment { seed, ..Environment::default() };
//!     simulator.play(environment).expect("no promise is broken");
//! }
//! ```

mod act;
mod answer;
mod around;
mod choose;
mod done;
mod epoch;
mod handler;
mod landing;
mod midway;
mod model;
mod promise;
mod reload;
mod request;
mod shorten;
mod step;
mod store;
mod told;
mod trace;
mod truth;
mod world;
mod written;
mod wrong;

pub use around::Environment;
pub use choose::{Bytes, Source};
pub use promise::invariants;
pub use shorten::shorten;
pub use step::{Action, BadTrace, Fault, Id, MAX_REQUESTS, Present, Start, Step};
pub use trace::Trace;
pub use truth::Wrong;
pub use wrong::{Habit, Mutant};

use choose::Mood;
use world::World;

/// The most steps that a schedule may take; none comes near.
const MAX_STEPS: usize = 20_000;

/// A broken promise, and the schedule that breaks it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The broken promise.
    pub wrong: Wrong,
    /// The schedule.
    pub trace: Trace,
}

/// A violation and its invariants: `a session is seen that was signed out (invariant 4)`.
#[must_use]
pub fn named(wrong: Wrong) -> String {
    let numbers: Vec<_> = invariants(wrong).iter().map(u8::to_string).collect();
    match &numbers[..] {
        [one] => format!("{wrong} (invariant {one})"),
        some => format!("{wrong} (invariants {})", some.join(" and ")),
    }
}

/// How much was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Requests.
    pub requests: u64,
    /// Steps.
    pub steps: u64,
}

/// A world to play in, used again for each schedule.
pub struct Simulator {
    world: World,
    steps: Vec<Step>,
}

impl Simulator {
    /// An empty world.
    #[must_use]
    pub fn new() -> Self {
        Self {
            world: World::new(),
            steps: Vec::new(),
        }
    }

    /// Draws the schedule of this environment's seed, and plays it.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn play(&mut self, environment: Environment) -> Result<Played, Violation> {
        let mixed = environment.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66;
        self.draw(environment, &mut fastrand::Rng::with_seed(mixed))
    }

    /// Plays the schedule that this source decides on.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn draw(
        &mut self,
        mut environment: Environment,
        source: &mut impl Source,
    ) -> Result<Played, Violation> {
        let mood = Mood::choose(source, &mut environment);
        self.world.reset(environment);
        self.steps.clear();
        let played = self.run(&mood, source);
        played.map_err(|wrong| Violation {
            wrong,
            trace: Trace {
                environment,
                steps: self.steps.clone(),
            },
        })
    }

    fn run(&mut self, mood: &Mood, source: &mut impl Source) -> Result<Played, Wrong> {
        while let Some(step) = mood.step(source, &self.world) {
            self.steps.push(step);
            self.world.apply(step)?;
            if self.steps.len() > MAX_STEPS {
                return Err("the schedule does not end");
            }
        }
        self.world.audit()?;
        Ok(Played {
            requests: self.world.requests.len() as u64,
            steps: self.steps.len() as u64,
        })
    }

    /// Plays a given schedule.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn replay(&mut self, trace: &Trace) -> Result<(), Wrong> {
        self.world.reset(trace.environment);
        for step in &trace.steps {
            self.world.apply(*step)?;
        }
        self.world.audit()
    }

    /// Plays a given schedule, and prints a line for each event.
    pub fn story(&mut self, trace: &Trace) -> (Vec<String>, Result<(), Wrong>) {
        self.world.around.story = Some(Vec::new());
        let result = self.replay(trace);
        (self.world.around.story.take().unwrap_or_default(), result)
    }

    /// Returns the steps that are possible in their turn.
    pub(crate) fn effective(&mut self, trace: &Trace) -> Trace {
        self.world.reset(trace.environment);
        let mut steps = Vec::new();
        for step in &trace.steps {
            match self.world.apply(*step) {
                Ok(true) => steps.push(*step),
                Ok(false) => {}
                Err(_) => {
                    steps.push(*step);
                    break;
                }
            }
        }
        Trace {
            environment: trace.environment,
            steps,
        }
    }
}

impl Default for Simulator {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").finish_non_exhaustive()
    }
}
