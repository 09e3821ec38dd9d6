//! A schedule as a line of text, and back.

use std::fmt;
use std::str::FromStr;

use crate::step::{BadTrace, Step};
use crate::world::Ground;
use crate::wrong::{Habit, Mutant};

/// A schedule: what it is played on, and its steps. As text: `seed=7 grace=0 lazy +0:c0:n0:jar:count 0 0 0>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// What it is played on.
    pub ground: Ground,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={} grace={}", self.ground.seed, self.ground.grace)?;
        if self.ground.lazy {
            f.write_str(" lazy")?;
        }
        if self.ground.habit != Habit::Contract {
            write!(f, " store={:?}", self.ground.habit)?;
        }
        if self.ground.mutant != Mutant::None {
            write!(f, " driver={:?}", self.ground.mutant)?;
        }
        self.steps.iter().try_for_each(|step| write!(f, " {step}"))
    }
}

impl FromStr for Trace {
    type Err = BadTrace;

    fn from_str(text: &str) -> Result<Self, BadTrace> {
        let mut trace = Self::default();
        for word in text.split_whitespace() {
            let bad = |()| BadTrace(word.to_owned());
            match word.split_once('=') {
                Some(("seed", seed)) => trace.ground.seed = seed.parse().map_err(|_| bad(()))?,
                Some(("grace", grace)) => {
                    trace.ground.grace = grace.parse().map_err(|_| bad(()))?;
                }
                Some(("store", name)) => {
                    trace.ground.habit = named(&Habit::WRONG, name).ok_or_else(|| bad(()))?;
                }
                Some(("driver", name)) => {
                    trace.ground.mutant = named(&Mutant::WRONG, name).ok_or_else(|| bad(()))?;
                }
                _ if word == "lazy" => trace.ground.lazy = true,
                _ => trace.steps.push(word.parse()?),
            }
        }
        Ok(trace)
    }
}

fn named<T: fmt::Debug + Copy>(all: &[T], name: &str) -> Option<T> {
    let mut all = all.iter();
    all.find(|known| format!("{known:?}") == name).copied()
}
