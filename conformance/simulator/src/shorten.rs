//! Delta debugging: leaves out of a schedule that fails what it does not need to fail.

use crate::step::{Fault, Present, Step};
use crate::truth::Wrong;
use crate::{Simulator, Trace};

/// How many attempts are made at most.
const ATTEMPTS: usize = 20_000;

/// A shorter schedule that breaks the same promise. Leaves out steps, in large pieces first, then
/// faults, actions and strange cookies.
#[must_use]
pub fn shorten(simulator: &mut Simulator, trace: &Trace, wrong: Wrong) -> Trace {
    let mut best = simulator.effective(trace);
    if simulator.replay(&best) != Err(wrong) {
        best = trace.clone();
    }
    let mut attempts = ATTEMPTS;
    loop {
        let before = best.clone();
        fewer(simulator, &mut best, wrong, &mut attempts);
        simpler(simulator, &mut best, wrong, &mut attempts);
        if best == before || attempts == 0 {
            return best;
        }
    }
}

fn attempt(
    simulator: &mut Simulator,
    best: &mut Trace,
    candidate: Trace,
    wrong: Wrong,
    attempts: &mut usize,
) -> bool {
    *attempts = attempts.saturating_sub(1);
    let fails = *attempts > 0 && simulator.replay(&candidate) == Err(wrong);
    if fails {
        // Also removes steps after the failure, and steps that could not be done.
        let effective = simulator.effective(&candidate);
        let same = simulator.replay(&effective) == Err(wrong);
        *best = if same { effective } else { candidate };
    }
    fails
}

fn fewer(simulator: &mut Simulator, best: &mut Trace, wrong: Wrong, attempts: &mut usize) {
    let mut size = best.steps.len().next_power_of_two();
    while size > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let end = (at + size).min(best.steps.len());
            let mut candidate = best.clone();
            candidate.steps.drain(at..end);
            if !attempt(simulator, best, candidate, wrong, attempts) {
                at += size;
            }
        }
        size /= 2;
    }
    // A request and all that it does.
    for id in 0..crate::MAX_REQUESTS {
        let mut candidate = best.clone();
        candidate.steps.retain(|step| step.id() != Some(id));
        if candidate.steps.len() < best.steps.len() {
            attempt(simulator, best, candidate, wrong, attempts);
        }
    }
}

fn simpler(simulator: &mut Simulator, best: &mut Trace, wrong: Wrong, attempts: &mut usize) {
    let mut at = 0;
    while at < best.steps.len() {
        for simpler in simpler_steps(best.steps[at]) {
            let mut candidate = best.clone();
            candidate.steps[at] = simpler;
            if attempt(simulator, best, candidate, wrong, attempts) {
                break;
            }
        }
        at += 1;
    }
    let environment = best.environment;
    for simpler in [
        crate::Environment {
            grace: 0,
            ..environment
        },
        crate::Environment {
            lazy: false,
            ..environment
        },
        crate::Environment {
            limited: false,
            ..environment
        },
        crate::Environment {
            sealed: false,
            ending: false,
            ..environment
        },
    ] {
        if simpler != best.environment {
            let mut candidate = best.clone();
            candidate.environment = simpler;
            attempt(simulator, best, candidate, wrong, attempts);
        }
    }
}

fn simpler_steps(step: Step) -> Vec<Step> {
    match step {
        Step::Act(id, fault) if fault != Fault::None => vec![Step::Act(id, Fault::None)],
        Step::Start(start) => {
            let mut all = Vec::new();
            for n in 0..3 {
                if start.actions[n].is_some() && start.actions.iter().flatten().count() > 1 {
                    let mut simpler = start;
                    simpler.actions[n] = None;
                    // Nothing first would mean: does not look at the session.
                    simpler.actions.sort_by_key(Option::is_none);
                    all.push(Step::Start(simpler));
                }
            }
            if start.present != Present::Jar {
                let present = Present::Jar;
                all.push(Step::Start(crate::Start { present, ..start }));
            }
            for (client, node) in [(0, start.node), (start.client, 0)] {
                if (client, node) != (start.client, start.node) {
                    all.push(Step::Start(crate::Start {
                        client,
                        node,
                        ..start
                    }));
                }
            }
            all
        }
        _ => Vec::new(),
    }
}

impl Step {
    fn id(&self) -> Option<crate::Id> {
        match self {
            Self::Start(start) => Some(start.id),
            Self::Act(id, _)
            | Self::Crash(id)
            | Self::Deliver(id)
            | Self::Lose(id)
            | Self::Land(id)
            | Self::Evict(id) => Some(*id),
            Self::Advance(_) | Self::Skew(..) | Self::EndAll(_) => None,
        }
    }
}
