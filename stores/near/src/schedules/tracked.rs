//! Announcements to the first process, on a connection of their own.
//!
//! Messages arrive in order, each at a moment of its own: before or after the answer of the change
//! that they announce, and of the load that they overtake. Changes may share a message, a slow
//! listener loses some, and the connection breaks: at once for the store, later for the process.

use std::collections::VecDeque;

use cloakroom_store::{Change, Key};

use super::world::{Call, Far, Shared, World, choose};
use super::{Op, Scene, Thread, key};
use crate::Near;
use crate::follow::Follower;

/// How often each of these may still happen.
#[derive(Clone, Copy, Default)]
pub(super) struct Budget {
    /// The process has the record in memory at the beginning.
    pub(super) is_warm: bool,
    /// The store sees a question at once.
    is_quick: bool,
    /// Questions whether the announcements are complete.
    pub(super) asks: usize,
    /// Losses of messages, or of the connection.
    pub(super) breaks: usize,
    /// Removals of the record, whichever it is, without a load.
    pub(super) wipes: usize,
}

/// The connection.
pub(super) struct Pipe {
    budget: Budget,
    connected: bool,
    queue: VecDeque<Message>,
    /// The store has not seen the question yet.
    asked: bool,
    follower: Option<Follower>,
}

struct Message {
    change: Change,
    /// The step of the first change that it announces.
    step: u64,
    /// How many answers there had been.
    answers: u64,
}

#[derive(Clone, Copy)]
enum Move {
    Ask,
    Complete,
    Deliver,
    Lag,
    Cut,
    Notice,
    Connect,
    Wipe,
}

impl Pipe {
    /// A connection that stands from the beginning.
    pub(super) fn new(budget: Budget, near: &Near<Far>) -> Self {
        Self {
            budget,
            connected: true,
            queue: VecDeque::new(),
            asked: false,
            follower: Some(Follower::begin(near.cache())),
        }
    }

    /// Announces a change. It may share the message of the one before if nobody was answered in
    /// between.
    pub(super) fn announce(&mut self, key: &Key, step: u64, answers: u64) {
        if !self.connected {
            return;
        }
        let change = Change::Record(key.clone());
        let last = self.queue.back();
        let joins = last.is_some_and(|last| last.answers == answers && last.change == change);
        if joins && choose(2) == 1 {
            return;
        }
        self.push(change, step, answers);
    }

    fn push(&mut self, change: Change, step: u64, answers: u64) {
        self.queue.push_back(Message {
            change,
            step,
            answers,
        });
    }

    fn moves(&self) -> Vec<Move> {
        let follows = self.follower.is_some();
        let asks = self.follower.as_ref().is_some_and(Follower::is_asking);
        let budget = &self.budget;
        [
            (follows && !asks && budget.asks > 0, Move::Ask),
            (self.connected && self.asked, Move::Complete),
            (follows && !self.queue.is_empty(), Move::Deliver),
            (budget.breaks > 0 && !self.queue.is_empty(), Move::Lag),
            (budget.breaks > 0 && self.connected, Move::Cut),
            (follows && !self.connected, Move::Notice),
            (!follows, Move::Connect),
            (budget.wipes > 0, Move::Wipe),
        ]
        .into_iter()
        .filter_map(|(may, then)| may.then_some(then))
        .collect()
    }
}

/// Returns how many things may happen on the connection.
pub(super) fn choices(world: &World) -> usize {
    world.pipe.as_ref().map_or(0, |pipe| pipe.moves().len())
}

/// Lets one of them happen.
pub(super) fn happen(world: &Shared, near: &Near<Far>, choice: usize) {
    let mut world = world.lock().expect("free");
    let world = &mut *world;
    let (step, answers, cache) = (world.step, world.answers, near.cache());
    let Some(pipe) = &mut world.pipe else {
        return;
    };
    match pipe.moves()[choice] {
        Move::Ask => {
            pipe.budget.asks -= 1;
            pipe.asked = !pipe.budget.is_quick;
            if pipe.budget.is_quick && pipe.connected {
                pipe.push(Change::Complete, step, answers);
            }
            if let Some(follower) = &mut pipe.follower {
                follower.ask(cache);
            }
        }
        Move::Complete => {
            pipe.asked = false;
            pipe.push(Change::Complete, step, answers);
        }
        Move::Deliver => {
            let message = pipe.queue.pop_front().expect("one");
            if let Some(follower) = &mut pipe.follower {
                follower.hear(cache, &message.change);
            }
            if message.change != Change::Complete {
                world.knows(message.step);
            }
        }
        Move::Lag => {
            pipe.budget.breaks -= 1;
            let all = Message {
                change: Change::All,
                step,
                answers,
            };
            pipe.queue
                .retain(|message| message.change == Change::Complete);
            pipe.queue.push_front(all);
        }
        Move::Cut => {
            pipe.budget.breaks -= 1;
            (pipe.connected, pipe.asked) = (false, false);
            pipe.queue.clear();
        }
        Move::Notice => {
            if let Some(follower) = pipe.follower.take() {
                follower.end(cache);
            }
            world.knows(step);
        }
        Move::Connect => {
            pipe.connected = true;
            pipe.follower = Some(Follower::begin(cache));
            world.knows(step);
        }
        Move::Wipe => {
            pipe.budget.wipes -= 1;
            world.perform(&key(), Call::Wipe);
        }
    }
}

const fn scene(threads: &'static [Thread], ticks: usize, budget: [usize; 3]) -> Scene {
    let [asks, breaks, wipes] = budget;
    Scene {
        there: true,
        threads,
        ticks,
        faults: 0,
        tracked: Some(Budget {
            is_warm: true,
            is_quick: false,
            asks,
            breaks,
            wipes,
        }),
    }
}

/// With nothing in memory.
const fn cold(threads: &'static [Thread], ticks: usize, budget: [usize; 3]) -> Scene {
    let mut scene = scene(threads, ticks, budget);
    if let Some(budget) = &mut scene.tracked {
        budget.is_warm = false;
    }
    scene
}

/// With a store that sees questions at once: fewer schedules.
const fn quick(threads: &'static [Thread], ticks: usize, budget: [usize; 3]) -> Scene {
    let mut scene = scene(threads, ticks, budget);
    if let Some(budget) = &mut scene.tracked {
        budget.is_quick = true;
    }
    scene
}

const READ: &[Thread] = &[(0, &[Op::Load])];
const READS: &[Thread] = &[(0, &[Op::Load, Op::Pause, Op::Load])];

/// With a budget of asks, breaks and wipes.
pub(super) const SCENES: &[Scene] = &[
    scene(READ, 2, [1, 0, 1]),
    scene(READ, 2, [0, 1, 1]),
    scene(READS, 0, [0, 1, 1]),
    cold(READS, 0, [0, 0, 1]),
    cold(READS, 0, [0, 1, 1]),
    scene(&[(0, &[Op::Add, Op::Add, Op::Load])], 0, [0, 0, 1]),
    scene(&[(0, &[Op::Add, Op::Load]), (1, &[Op::Add])], 0, [0; 3]),
    scene(READ, 1, [1, 1, 1]),
    scene(&[(0, &[Op::Touch, Op::Pause, Op::Load])], 0, [0, 0, 1]),
    quick(&[(0, &[Op::Add, Op::Pause, Op::Load])], 2, [1, 0, 1]),
];
