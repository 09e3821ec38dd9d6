//! A schedule as a line of text, and back.

use std::fmt;
use std::str::FromStr;

use crate::around::Environment;
use crate::step::{BadTrace, Step};
use crate::wrong::{Habit, Mutant};

/// A schedule: its settings and its steps. As text: `seed=7 grace=0 lazy +0:c0:n0:jar:count 0 0
/// 0>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The settings.
    pub environment: Environment,
    /// The events, in order.
    pub steps: Vec<Step>,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed={} grace={}",
            self.environment.seed, self.environment.grace
        )?;
        if self.environment.lazy {
            f.write_str(" lazy")?;
        }
        if self.environment.limited {
            f.write_str(" limited")?;
        }
        if self.environment.sealed {
            f.write_str(" sealed")?;
        }
        if self.environment.ending {
            f.write_str(" ending")?;
        }
        if self.environment.habit != Habit::Contract {
            write!(f, " store={:?}", self.environment.habit)?;
        }
        if self.environment.mutant != Mutant::None {
            write!(f, " driver={:?}", self.environment.mutant)?;
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
                Some(("seed", seed)) => {
                    trace.environment.seed = seed.parse().map_err(|_| bad(()))?;
                }
                Some(("grace", grace)) => {
                    trace.environment.grace = grace.parse().map_err(|_| bad(()))?;
                }
                Some(("store", name)) => {
                    trace.environment.habit = named(&Habit::WRONG, name).ok_or_else(|| bad(()))?;
                }
                Some(("driver", name)) => {
                    trace.environment.mutant =
                        named(&Mutant::WRONG, name).ok_or_else(|| bad(()))?;
                }
                _ if word == "lazy" => trace.environment.lazy = true,
                _ if word == "limited" => trace.environment.limited = true,
                _ if word == "sealed" => trace.environment.sealed = true,
                _ if word == "ending" => trace.environment.ending = true,
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
