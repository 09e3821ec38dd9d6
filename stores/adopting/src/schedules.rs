//! Every schedule of a few operations on two stores, with a fault at each point: the results are
//! those of one store.
//!
//! Each call of a store waits for its turn. A schedule is a list of choices: which operation goes
//! on, and whether its call fails before it takes effect, after it, or takes effect later. What was
//! answered must be what one store could have answered, in some order that respects time. An
//! operation that failed or was cut may have happened at any time since, or never.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use crate::Adopting;
use crate::adopting::Broken;

/// The fault of the protocol: none, or one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    None,
    At(Broken),
}

impl Mutant {
    pub(crate) fn breaks(self, broken: Broken) -> bool {
        self == Self::At(broken)
    }
}

/// The two stores, and the choices so far.
#[derive(Default)]
struct World {
    /// By the store's number.
    records: [BTreeMap<Key, Stored>; 2],
    version: u64,
    now: u64,
    /// The fault of the next call of a store.
    fault: Option<Fault>,
    /// Calls that take effect later.
    late: Vec<(usize, Call)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It fails, and has no effect.
    Before,
    /// It takes effect, and its answer is lost.
    After,
    /// Its answer is lost, and it takes effect at some later time.
    Late,
}

#[derive(Clone)]
enum Call {
    Load,
    Create(Write),
    Replace(Stored, Write),
    Touch(UnixTime),
    Delete(Stored),
}

enum Answer {
    Loaded(Option<Stored>),
    Created(Created),
    Replaced(Replaced),
    Touched(Touched),
    Deleted(Deleted),
}

fn key() -> Key {
    Key::new("session:1").expect("a key")
}

impl World {
    fn perform(&mut self, store: usize, call: Call) -> Answer {
        let records = &mut self.records[store];
        self.version += 1;
        let version = self.version;
        let stored = |write: Write| Stored::new(write.bytes, write.expires_at, version);
        if records
            .get(&key())
            .is_some_and(|record| record.expires_at.as_secs() <= self.now)
        {
            records.remove(&key());
        }
        let current = records.get(&key()).cloned();
        let same = |old: &Stored| {
            current
                .as_ref()
                .map(|current| current.version == old.version && current.bytes == old.bytes)
        };
        match call {
            Call::Load => Answer::Loaded(current),
            Call::Create(_) if current.is_some() => Answer::Created(Created::Taken),
            Call::Create(write) => {
                records.insert(key(), stored(write));
                Answer::Created(Created::Stored)
            }
            Call::Replace(old, write) => Answer::Replaced(match same(&old) {
                None => Replaced::Gone,
                Some(false) => Replaced::Changed,
                Some(true) => {
                    records.insert(key(), stored(write));
                    Replaced::Stored
                }
            }),
            Call::Touch(end) => Answer::Touched(match current {
                None => Touched::Gone,
                Some(current) => {
                    records.insert(key(), Stored::new(current.bytes, end, version));
                    Touched::Extended
                }
            }),
            Call::Delete(old) => Answer::Deleted(match same(&old) {
                None => Deleted::Gone,
                Some(false) => Deleted::Changed,
                Some(true) => {
                    records.remove(&key());
                    Deleted::Deleted
                }
            }),
        }
    }
}

/// One of the two stores.
#[derive(Clone)]
struct Half {
    number: usize,
    world: Arc<Mutex<World>>,
}

impl Half {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no panic under the lock")
    }

    async fn call(&self, call: Call) -> Result<Answer, StoreError> {
        Turn(false).await;
        let mut world = self.world();
        match world.fault.take() {
            None => Ok(world.perform(self.number, call)),
            Some(fault) => {
                match fault {
                    Fault::Before => {}
                    Fault::After => drop(world.perform(self.number, call)),
                    Fault::Late => world.late.push((self.number, call)),
                }
                Err(StoreError::transient("schedule", "a fault"))
            }
        }
    }
}

/// Waits once: the schedule decides when the call happens.
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

macro_rules! answer {
    ($half:expr, $call:expr, $answer:ident) => {
        match $half.call($call).await? {
            Answer::$answer(answer) => Ok(answer),
            _ => unreachable!("each call has its answer"),
        }
    };
}

impl Store for Half {
    async fn load(&self, _: &Key) -> Result<Option<Stored>, StoreError> {
        answer!(self, Call::Load, Loaded)
    }

    async fn create(&self, _: &Key, write: &Write) -> Result<Created, StoreError> {
        answer!(self, Call::Create(write.clone()), Created)
    }

    async fn replace(&self, _: &Key, old: &Stored, write: &Write) -> Result<Replaced, StoreError> {
        answer!(self, Call::Replace(old.clone(), write.clone()), Replaced)
    }

    async fn touch(&self, _: &Key, end: UnixTime) -> Result<Touched, StoreError> {
        answer!(self, Call::Touch(end), Touched)
    }

    async fn delete(&self, _: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        answer!(self, Call::Delete(old.clone()), Deleted)
    }
}

/// An operation on the pair of stores. The texts are the bytes of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Load,
    Create(&'static str),
    Replace(&'static str, &'static str),
    /// Replaces it by a record that ends sooner, as a rotation does.
    Retire(&'static str),
    Touch,
    Delete(&'static str),
    Adopt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Found(Option<String>),
    Done,
    Changed,
    Gone,
}

fn write(bytes: &'static str) -> Write {
    Write::new(bytes, UnixTime::from_secs(1_000), None)
}

/// The bytes of a record that was rotated away, and its end.
const RETIRED: &str = "retired";
const SOON: u64 = 500;

fn stored(bytes: &'static str) -> Stored {
    Stored::new(bytes, UnixTime::from_secs(1_000), 1)
}

async fn run(store: Adopting<Half, Half>, op: Op) -> Result<Said, StoreError> {
    let key = key();
    Ok(match op {
        Op::Load => Said::Found(store.load(&key).await?.map(|found| text(&found))),
        Op::Create(bytes) => match store.create(&key, &write(bytes)).await? {
            Created::Stored => Said::Done,
            Created::Taken => Said::Changed,
        },
        Op::Replace(old, new) => match store.replace(&key, &stored(old), &write(new)).await? {
            Replaced::Stored => Said::Done,
            Replaced::Changed => Said::Changed,
            Replaced::Gone => Said::Gone,
        },
        Op::Retire(old) => {
            let write = Write::new(RETIRED, UnixTime::from_secs(SOON), None);
            match store.replace(&key, &stored(old), &write).await? {
                Replaced::Stored => Said::Done,
                Replaced::Changed => Said::Changed,
                Replaced::Gone => Said::Gone,
            }
        }
        Op::Touch => match store.touch(&key, UnixTime::from_secs(2_000)).await? {
            Touched::Extended => Said::Done,
            Touched::Gone => Said::Gone,
        },
        Op::Delete(old) => match store.delete(&key, &stored(old)).await? {
            Deleted::Deleted => Said::Done,
            Deleted::Changed => Said::Changed,
            Deleted::Gone => Said::Gone,
        },
        Op::Adopt => match store.adopt(&key, None).await? {
            crate::Adopted::Gone => Said::Gone,
            _ => Said::Done,
        },
    })
}

fn text(stored: &Stored) -> String {
    String::from_utf8_lossy(&stored.bytes).into_owned()
}

/// The answer of one store with this record, and its record afterwards. A signed-out key is never
/// created again: no client has its token, and the marker keeps it taken.
fn of_one_store(state: &Option<String>, ended: bool, op: Op) -> (Said, Option<String>) {
    let new = |bytes: &str| Some(bytes.to_owned());
    match (op, state) {
        (Op::Load, _) => (Said::Found(state.clone()), state.clone()),
        (Op::Create(bytes), None) if !ended => (Said::Done, new(bytes)),
        (Op::Create(_), _) => (Said::Changed, state.clone()),
        (_, None) => (Said::Gone, None),
        (Op::Touch | Op::Adopt, Some(_)) => (Said::Done, state.clone()),
        (Op::Replace(old, bytes), Some(at)) if at == old => (Said::Done, new(bytes)),
        (Op::Retire(old), Some(at)) if at == old => (Said::Done, new(RETIRED)),
        (Op::Delete(old), Some(at)) if at == old => (Said::Done, None),
        (Op::Replace(..) | Op::Retire(_) | Op::Delete(_), Some(_)) => {
            (Said::Changed, state.clone())
        }
    }
}

/// An operation, when it began and ended, and its answer. Without one it failed or was cut.
#[derive(Clone, Debug)]
struct Event {
    op: Op,
    began: usize,
    ended: usize,
    said: Option<Said>,
}

/// Returns whether one store could have given these answers in an order that respects time.
fn possible(events: &[Event], state: &Option<String>, ended: bool) -> bool {
    // Those without an answer may never have happened.
    if events.iter().all(|event| event.said.is_none()) {
        return true;
    }
    (0..events.len()).any(|first| {
        let event = &events[first];
        let in_time = events.iter().all(|other| event.began <= other.ended);
        if !in_time {
            return false;
        }
        let mut rest = events.to_vec();
        rest.remove(first);
        let (said, after) = of_one_store(state, ended, event.op);
        let ends = ended || matches!(event.op, Op::Delete(_)) && said == Said::Done;
        event.said.as_ref().is_none_or(|answer| *answer == said) && possible(&rest, &after, ends)
    })
}

thread_local! {
    /// The choices of the schedule that runs now, and how many there were at each.
    static CHOICES: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
    static AT: Cell<usize> = const { Cell::new(0) };
}

/// Chooses one of `count`: as the schedule has it, or the first.
fn choose(count: usize) -> usize {
    let at = AT.replace(AT.get() + 1);
    CHOICES.with_borrow_mut(|choices| {
        if at == choices.len() {
            choices.push((0, count));
        }
        choices[at].0
    })
}

/// Goes on to the next schedule. False after the last one.
fn next() -> bool {
    AT.set(0);
    CHOICES.with_borrow_mut(|choices| {
        while let Some((choice, count)) = choices.pop() {
            if choice + 1 < count {
                choices.push((choice + 1, count));
                return true;
            }
        }
        false
    })
}

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
    CHOICES.take();
    AT.set(0);
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
