//! Every schedule of a few operations on two stores, with a fault at each point: the results are
//! those of one store.
//!
//! Each call of a store waits for its turn. A schedule is a list of choices: which operation goes
//! on, and whether its call fails before it takes effect, after it, or takes effect later. What was
//! answered must be what one store could have answered, in some order that respects time. An
//! operation that failed or was cut may have happened at any time since, or never.

mod choices;
mod halves;
mod operations;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use cloakroom_store::{StoreError, Stored, UnixTime};

use self::choices::{choose, next, restart};
use self::halves::{Fault, Half, World, key};
use self::operations::{Event, Op, RETIRED, SOON, Said, possible, run};
use crate::Adopting;
use crate::adopting::{Broken, Mutant};

/// Where the record is when the operations begin.
#[derive(Clone, Copy, Debug)]
enum Begins {
    InOld,
    InNew,
    Nowhere,
    /// An adoption was cut before it removed the old record.
    InBoth,
}

type Running = Pin<Box<dyn Future<Output = Result<Said, StoreError>>>>;

/// The result of one schedule.
struct Played {
    /// The answers. Loads of clients that come later are last.
    events: Vec<Event>,
    /// Whether the old store still has a record.
    left: bool,
    /// The record that a client finds when a retired one is over.
    later: Option<String>,
}

/// Runs one schedule.
fn schedule(mutant: Mutant, begins: Begins, ops: &[Op], faults: usize) -> Played {
    let world = Arc::new(Mutex::new(World::default()));
    let half = |number| Half {
        number,
        world: Arc::clone(&world),
    };
    let put = |store: usize, bytes| {
        let record = Stored::new(bytes, UnixTime::from_secs(1_000), 0);
        world.lock().expect("free").records[store].insert(key(), record);
    };
    match begins {
        Begins::InNew => put(0, "a"),
        Begins::InOld => put(1, "a"),
        Begins::InBoth => {
            put(0, "a");
            put(1, "stale");
        }
        Begins::Nowhere => {}
    }
    let mut store = Adopting::new(half(0), half(1));
    store.mutant = mutant;
    let mut context = Context::from_waker(Waker::noop());
    let (mut time, mut faults) = (0, faults);
    let mut events = Vec::new();
    let mut running: Vec<(usize, Running)> = Vec::new();
    for (number, op) in ops.iter().enumerate() {
        events.push(Event {
            op: *op,
            began: 0,
            ended: usize::MAX,
            said: None,
        });
        let mut future: Running = Box::pin(run(store.clone(), *op));
        // Up to its first call.
        assert!(future.as_mut().poll(&mut context).is_pending());
        running.push((number, future));
    }
    loop {
        let late = world.lock().expect("free").late.len();
        if running.is_empty() && late == 0 {
            break;
        }
        let choice = choose(running.len() + late);
        time += 1;
        if let Some(at) = choice.checked_sub(running.len()) {
            let mut world = world.lock().expect("free");
            let (store, call) = world.late.remove(at);
            world.perform(store, call);
            continue;
        }
        if faults > 0 {
            let fault = [
                None,
                Some(Fault::Before),
                Some(Fault::After),
                Some(Fault::Late),
            ];
            let fault = fault[choose(fault.len())];
            faults -= usize::from(fault.is_some());
            world.lock().expect("free").fault = fault;
        }
        let (number, future) = &mut running[choice];
        if let Poll::Ready(said) = future.as_mut().poll(&mut context) {
            if let Ok(said) = said {
                events[*number].ended = time;
                events[*number].said = Some(said);
            }
            drop(running.remove(choice));
        }
    }
    // Everything is over: two clients look, one after the other.
    let mut look = || {
        let mut future: Running = Box::pin(run(store.clone(), Op::Load));
        loop {
            if let Poll::Ready(said) = future.as_mut().poll(&mut context) {
                break said.ok();
            }
        }
    };
    for _ in 0..2 {
        time += 1;
        let said = look();
        events.push(Event {
            op: Op::Load,
            began: time,
            ended: time,
            said,
        });
    }
    let left = !world.lock().expect("free").records[1].is_empty();
    world.lock().expect("free").now = SOON;
    let later = match look() {
        Some(Said::Found(found)) => found,
        _ => None,
    };
    Played {
        events,
        left,
        later,
    }
}

impl Played {
    /// Returns whether a record that was retired gave way to an earlier one. One whose retirement
    /// was cut, or that was touched since, may stay.
    fn is_revived(&self) -> bool {
        let retired = Said::Found(Some(RETIRED.to_owned()));
        let is = |event: &Event| event.said.as_ref() == Some(&retired);
        let may_stay = self.events.iter().any(|event| match event.op {
            Op::Retire(_) => event.said.is_none(),
            Op::Touch => true,
            _ => false,
        });
        let later = self.later.as_deref();
        self.events.last().is_some_and(is)
            && later.is_some_and(|found| found != RETIRED || !may_stay)
    }
}

/// Plays all schedules. Returns the first whose answers no single store gives, and their number.
fn play(mutant: Mutant, begins: Begins, ops: &[Op], faults: usize) -> (Option<String>, usize) {
    restart();
    let first = match begins {
        Begins::Nowhere => None,
        _ => Some("a".to_owned()),
    };
    let mut count = 0;
    loop {
        let played = schedule(mutant, begins, ops, faults);
        let (events, left, revived) = (&played.events, played.left, played.is_revived());
        count += 1;
        // A session that is not found any more is gone in the old store, too.
        let gone = events.last().and_then(|event| event.said.as_ref()) == Some(&Said::Found(None));
        if !possible(events, &first, false) || gone && left || revived {
            return (Some(format!("{begins:?} {events:#?}")), count);
        }
        if !next() {
            return (None, count);
        }
    }
}

const BEGINS: [Begins; 4] = [
    Begins::InOld,
    Begins::InNew,
    Begins::InBoth,
    Begins::Nowhere,
];

const OPS: [Op; 8] = [
    Op::Load,
    Op::Retire("a"),
    Op::Replace("a", "b"),
    Op::Replace("a", "c"),
    Op::Delete("a"),
    Op::Touch,
    Op::Adopt,
    Op::Create("d"),
];

fn all(mutant: Mutant) -> (Option<String>, usize) {
    let mut count = 0;
    for begins in BEGINS {
        for (number, one) in OPS.iter().enumerate() {
            for other in &OPS[number..] {
                let (found, played) = play(mutant, begins, &[*one, *other], 1);
                count += played;
                if found.is_some() {
                    return (found, count);
                }
            }
        }
    }
    (None, count)
}

// R85: two operations at once, and a fault at each call.
#[test]
fn no_schedule_of_two_operations_with_a_fault_loses_doubles_or_revives_anything() {
    let (found, count) = all(Mutant::None);
    assert_eq!(found, None);
    assert!(count > 10_000, "{count} schedules");
}

// R85: three operations at once.
#[test]
fn no_schedule_of_three_operations_loses_doubles_or_revives_anything() {
    let ops = [Op::Replace("a", "b"), Op::Delete("a"), Op::Load];
    let (found, count) = play(Mutant::None, Begins::InOld, &ops, 0);
    assert_eq!(found, None);
    assert!(count > 1_000, "{count} schedules");
}

// R85: each place matters.
#[test]
fn every_mutant_is_found() {
    for broken in [
        Broken::LooksOnce,
        Broken::LeavesSignOutsHalf,
        Broken::NoMarker,
        Broken::RemovesFirst,
        Broken::ComparesNothing,
        Broken::CreatesBlindly,
        Broken::ShortensFirst,
    ] {
        let (found, count) = all(Mutant::At(broken));
        assert!(found.is_some(), "{broken:?} passes {count} schedules");
    }
}
