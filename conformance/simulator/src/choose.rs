//! Chooses the next step. The character of a schedule is drawn first: few or many actions, which
//! faults, how fast the clock. So schedules differ in kind and not only in order.

use crate::around::Environment;
use crate::request::Request;
use crate::step::{Action, Fault, KINDS, MAX_CLIENTS, Present, SMALL_SKEW, Start, Step};
use crate::world::World;

/// Where decisions come from.
pub trait Source {
    /// A number below `end`, which is not 0.
    fn below(&mut self, end: u32) -> u32;
}

impl Source for fastrand::Rng {
    fn below(&mut self, end: u32) -> u32 {
        self.u32(..end)
    }
}

/// Decisions as bytes, as a fuzzer makes them: a byte each, and zeroes when there are none left.
#[derive(Debug)]
pub struct Bytes<'a>(
    /// The remaining steps.
    pub &'a [u8],
);

impl Source for Bytes<'_> {
    fn below(&mut self, end: u32) -> u32 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                u32::from(*first) % end
            }
            None => 0,
        }
    }
}

/// The kind of a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mood {
    requests: u8,
    clients: u8,
    nodes: u8,
    at_once: usize,
    actions: [bool; KINDS],
    /// Out of a thousand store actions.
    faults: u32,
    fault_kinds: [bool; 6],
    crashes: u32,
    losses: u32,
    evictions: u32,
    /// Ends of all sessions.
    ends: u32,
    /// Out of a thousand steps.
    clock: u32,
    leaps: u32,
    skews: Skews,
    /// Out of a hundred requests: those with a cookie that is not what the jar holds.
    strange: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skews {
    None,
    Small,
    Wild,
}

/// The fewest requests of a schedule.
pub(crate) const MIN_REQUESTS: u8 = 8;
const MORE_REQUESTS: u32 = 9;

const FAULTS: [Fault; 6] = [
    Fault::Before,
    Fault::Lost,
    Fault::Late,
    Fault::Broken,
    Fault::Stale,
    Fault::Repeat,
];

impl Mood {
    pub(crate) fn choose(source: &mut impl Source, environment: &mut Environment) -> Self {
        let mut pick = |of: &[u32]| of[source.below(of.len() as u32) as usize];
        environment.grace = pick(&[0, 0, 0, 1, 2]) as u8;
        environment.lazy = pick(&[0, 0, 1]) == 1;
        environment.limited = pick(&[0, 1]) == 1;
        let faulty = pick(&[0, 1, 1]);
        let mut mood = Self {
            requests: MIN_REQUESTS + pick(&[0, 1, 2, 4, MORE_REQUESTS - 1]) as u8,
            clients: 1 + pick(&[0, 0, 1, 2]) as u8,
            nodes: 1 + pick(&[0, 1]) as u8,
            at_once: pick(&[2, 3, 4, 6]) as usize,
            actions: [false; KINDS],
            faults: faulty * pick(&[20, 60, 150, 300]),
            fault_kinds: [false; 6],
            crashes: faulty * pick(&[0, 0, 10, 40]),
            losses: pick(&[0, 0, 50, 300]),
            evictions: pick(&[0, 0, 0, 10]),
            ends: 0,
            clock: pick(&[0, 20, 60, 150]),
            leaps: pick(&[0, 10, 50]),
            skews: match pick(&[0, 0, 0, 0, 1, 2]) {
                0 => Skews::None,
                1 => Skews::Small,
                _ => Skews::Wild,
            },
            strange: pick(&[0, 10, 30]),
        };
        for allowed in &mut mood.fault_kinds {
            *allowed = pick(&[0, 1]) == 1;
        }
        let few = pick(&[0, 1]) == 1;
        for allowed in &mut mood.actions {
            *allowed = pick(&[1, 0, 0]) == 1 || !few;
        }
        environment.sealed = pick(&[0, 1]) == 1;
        environment.ending = pick(&[0, 0, 1]) == 1;
        if environment.ending {
            mood.ends = pick(&[0, 10, 30]);
        }
        mood
    }

    /// The next step, or `None`: there is nothing left to do.
    pub(crate) fn step(&self, source: &mut impl Source, world: &World) -> Option<Step> {
        let started = world.started();
        let waiting = started < usize::from(self.requests);
        if !waiting && world.is_quiet() {
            return None;
        }
        let chance = source.below(1_000);
        // Zeroes lead to an early end.
        if chance >= 1_000 - self.clock {
            return Some(self.time(source));
        }
        if chance < 10 && !world.around.flights.is_empty() {
            return self.land(source, world);
        }
        if (10..10 + self.evictions).contains(&chance) && started > 0 {
            return Some(Step::Evict(source.below(started as u32) as u8));
        }
        if (30..30 + self.ends).contains(&chance) {
            return Some(Step::EndAll(source.below(u32::from(self.nodes)) as u8));
        }
        // A bounded number of looks. Going on from there finds a request that has something to do.
        let running = world.requests.iter().filter(|one| one.is_running()).count();
        let on_way = world
            .requests
            .iter()
            .filter(|one| one.answer.is_some())
            .count();
        let free = waiting && running < self.at_once;
        let open = running as u32 * 4 + on_way as u32 * 2 + u32::from(free) * 3;
        if open == 0 {
            return Some(Step::Advance(1));
        }
        let mut at = source.below(open);
        if at < running as u32 * 4 {
            let mut requests = world.requests.iter().filter(|one| one.is_running());
            return requests
                .nth(at as usize / 4)
                .map(|one| self.act(source, one));
        }
        at -= running as u32 * 4;
        if at < on_way as u32 * 2 {
            let mut requests = world.requests.iter().filter(|one| one.answer.is_some());
            let lost = source.below(1_000) < self.losses;
            return requests.nth(at as usize / 2).map(|one| match lost {
                true => Step::Lose(one.id()),
                false => Step::Deliver(one.id()),
            });
        }
        Some(Step::Start(self.start(source, world)))
    }

    fn act(&self, source: &mut impl Source, request: &Request) -> Step {
        let chance = source.below(1_000);
        if chance < self.crashes {
            return Step::Crash(request.id());
        }
        if chance < self.crashes + self.faults {
            let kind = source.below(FAULTS.len() as u32) as usize;
            if self.fault_kinds[kind] {
                return Step::Act(request.id(), FAULTS[kind]);
            }
        }
        Step::Act(request.id(), Fault::None)
    }

    fn land(&self, source: &mut impl Source, world: &World) -> Option<Step> {
        let flights = &world.around.flights;
        let at = source.below(flights.len() as u32) as usize;
        flights.get(at).map(|flight| Step::Land(flight.by))
    }

    fn time(&self, source: &mut impl Source) -> Step {
        let skews = match self.skews {
            Skews::None => 0,
            _ => 300,
        };
        if source.below(1_000) < skews {
            let node = source.below(u32::from(self.nodes)) as u8;
            let small = SMALL_SKEW as i64;
            let seconds = match self.skews {
                // Two nodes, with the second one's clock behind.
                Skews::None | Skews::Small => i64::from(source.below(3)) - small / 2 + 1,
                Skews::Wild => {
                    let leaps = [-1_700_000_000, -7_200, -45, 45, 7_200, 1 << 36];
                    leaps[source.below(6) as usize]
                }
            };
            return Step::Skew(node, seconds);
        }
        let small = [1, 2, 5, 10, 29];
        let large = [30, 31, 61, 179, 299, 301, 1_000, 1_800, 3_601, 43_200];
        let leaps = source.below(100) < self.leaps;
        Step::Advance(match leaps {
            true => large[source.below(large.len() as u32) as usize],
            false => small[source.below(small.len() as u32) as usize],
        })
    }

    fn start(&self, source: &mut impl Source, world: &World) -> Start {
        let id = world.started() as u8;
        let client = source.below(u32::from(self.clients.min(MAX_CLIENTS))) as u8;
        let mut present = Present::Jar;
        if source.below(100) < self.strange && id > 0 {
            let other = source.below(u32::from(id)) as u8;
            present = match source.below(10) {
                8 | 9 => Present::Listed(other),
                0 => Present::Nothing,
                1 => Present::Unknown,
                2 => Present::Garbage,
                3 | 4 => Present::Both(other),
                _ => Present::Of(other),
            };
            let issued = |id| {
                let mut entries = world.around.ledger.entries.iter();
                entries.any(|entry| entry.by == id && entry.token.is_some())
            };
            if matches!(present, Present::Both(_) | Present::Of(_)) && !issued(other) {
                present = Present::Jar;
            }
            if let Present::Listed(_) = present
                && world.around.listed(other).is_none()
            {
                present = Present::Jar;
            }
        }
        let mut actions = [None; 3];
        let many = match source.below(16) {
            0 => 0,
            1..=10 => 1,
            11..=14 => 2,
            _ => 3,
        };
        for action in actions.iter_mut().take(many) {
            *action = Some(self.action(source));
        }
        if let Present::Listed(_) = present {
            actions = Start::ENDS;
        }
        Start {
            id,
            client,
            node: source.below(u32::from(self.nodes)) as u8,
            present,
            actions,
        }
    }

    fn action(&self, source: &mut impl Source) -> Action {
        let count = Action::all().len();
        let at = source.below(count as u32) as usize;
        // The next one that this schedule has; there may be none.
        let found = (0..count)
            .map(|n| (at + n) % count)
            .find(|at| self.actions[*at]);
        let mut all = Action::all();
        found.and_then(|at| all.nth(at)).unwrap_or(Action::Count)
    }
}
