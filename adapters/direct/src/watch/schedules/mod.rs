//! Random schedules of a watcher, a store and other processes that end, rotate and use sessions.
//!
//! Each load of a look takes effect, and each answer arrives, at a moment of its own, or never. The
//! store may fail. Hints are lost, late, doubled and groundless. Time passes between any two of
//! these, also while the process is paused. The records are those that core's machine writes.
//!
//! On every schedule: nothing resolves that has not happened. What was acknowledged at T is noticed
//! at T + lease, or there is an error by then. There is no error while looks succeed. And after a
//! hint one round of looks is enough.

mod memory;

use std::time::Duration;

use cloakroom_core::{
    Config, Directive, Error as SessionError, Exchange, Key, Look, Outcome, Seen, UnixTime,
};
use cloakroom_store::StoreError;

use self::memory::{Memory, Random};
use super::mutant::{Broken, Mutant};
use super::table::{Step, Table, Waiter};
use crate::{Cause, Ended, Error};

const TICK: Duration = Duration::from_millis(125);
const LEASE: u32 = 8;
/// After a pause every session gets a look, which has this long.
const CHANCE: u32 = 2;
const STEPS: usize = 80;
const SCHEDULES: u64 = 4_000;

/// Session number.
impl Waiter for usize {
    fn is_gone(&self) -> bool {
        false
    }
}

/// The state of a session, for the holder of the token that is watched.
#[derive(Clone, Debug, PartialEq)]
enum Truth {
    Lives,
    Rotated(String),
    SignedIn,
    Ended,
    Expired,
}

/// A session, of which somebody waits for the end.
struct Watched {
    key: Key,
    /// The token that its client has by now.
    token: String,
    history: Vec<(u32, Truth)>,
    /// The beginning of the watch, or of the last look that found it living.
    confirmed: u32,
    was_seen: bool,
    told: Option<Ended>,
}

impl Watched {
    fn truth(&self) -> &Truth {
        &self.history.last().expect("a beginning").1
    }

    /// When it first was no longer as it had been.
    fn changed(&self) -> Option<u32> {
        self.history.get(1).map(|(tick, _)| *tick)
    }

    fn has_happened(&self, ended: &Ended) -> bool {
        self.history.iter().any(|(_, truth)| match (ended, truth) {
            (Ended::Rotated { id }, Truth::Rotated(known)) => id == known,
            (Ended::SignedIn, Truth::SignedIn) | (Ended::Expired, Truth::Expired) => true,
            (Ended::SignedOut | Ended::Revoked | Ended::Gone, Truth::Ended) => true,
            // No look has seen when it was to expire.
            (Ended::Gone, Truth::Expired) => !self.was_seen,
            _ => false,
        })
    }
}

struct Flight {
    session: usize,
    number: u64,
    began: u32,
    look: Look,
    seen: Option<Seen>,
    /// It belongs to an earlier watch.
    is_old: bool,
}

struct World {
    config: Config,
    table: Table<usize>,
    memory: Memory,
    random: Random,
    tick: u32,
    /// The time of day is ahead by so much.
    jumped: Duration,
    resumed: u32,
    sessions: Vec<Watched>,
    flights: Vec<Flight>,
    hints: Vec<usize>,
    wrong: Option<String>,
}

impl World {
    fn new(seed: u64, broken: Option<Broken>) -> Self {
        let mut table = Table::new(TICK * LEASE);
        table.mutant = Mutant(broken);
        let mut world = Self {
            config: Config::default(),
            table,
            memory: Memory::default(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            tick: 1,
            jumped: Duration::ZERO,
            resumed: 0,
            sessions: Vec::new(),
            flights: Vec::new(),
            hints: Vec::new(),
            wrong: None,
        };
        for number in 0..2 {
            let outcome = world.commit(None, |exchange| {
                let mut session = exchange.session().expect("loaded");
                session.sign_in("ada").expect("a subject");
            });
            let Directive::Issue(issued) = &outcome.directive else {
                panic!("no token");
            };
            let token = issued.token.expose().to_owned();
            let key = world.key(&token);
            world.table.watch(key.clone(), number, world.now());
            world.sessions.push(Watched {
                key,
                token,
                history: vec![(world.tick, Truth::Lives)],
                confirmed: world.tick,
                was_seen: false,
                told: None,
            });
        }
        world
    }

    fn now(&self) -> Duration {
        TICK * self.tick
    }

    fn wall(&self) -> UnixTime {
        UnixTime::from_secs(1_700_000_000) + (self.now() + self.jumped)
    }

    fn key(&self, token: &str) -> Key {
        let exchange = Exchange::open(&self.config, [token.as_bytes()], self.wall());
        exchange.wants_load().expect("a well-formed token").clone()
    }

    fn commit(&mut self, token: Option<&str>, change: impl FnOnce(&mut Exchange)) -> Outcome {
        let now = self.wall();
        let mut exchange = Exchange::open(&self.config, token.map(str::as_bytes), now);
        while let Some(key) = exchange.wants_load().cloned() {
            let found = self.memory.load(&key, now);
            exchange.handle_loaded(&key, found).expect("a record");
        }
        change(&mut exchange);
        let commit = exchange.finish(now);
        self.memory.drive(commit, now, &mut self.random)
    }

    /// A request with the session's present token. Returns how it ended the session.
    fn request(&mut self, number: usize) -> Option<Cause> {
        let session = &self.sessions[number];
        if *session.truth() == Truth::Expired {
            return None;
        }
        let (token, before) = (session.token.clone(), session.truth().clone());
        let is_here = matches!(before, Truth::Lives | Truth::Rotated(_));
        let what = self.random.below(8);
        let outcome = self.commit(Some(&token), |exchange| {
            let mut session = exchange.session().expect("loaded");
            if session.is_new() {
                return;
            }
            match what {
                0 | 1 => session.sign_out(),
                2 | 3 => session.rotate(),
                4 => session.sign_in("ada").expect("a subject"),
                _ => session.insert("count", 1).expect("a value"),
            }
        });
        let token = match outcome.directive {
            Directive::Issue(issued) => issued.token.expose().to_owned(),
            _ => token,
        };
        let truth = match what {
            0 | 1 if is_here => Truth::Ended,
            2 | 3 if is_here => Truth::Rotated(self.id(&token)),
            4 if is_here => Truth::SignedIn,
            _ => before.clone(),
        };
        let session = &mut self.sessions[number];
        session.token = token;
        if truth != before {
            session.history.push((self.tick, truth));
        }
        (what < 2).then_some(Cause::OwnRequest)
    }

    fn id(&self, token: &str) -> String {
        let mut exchange = Exchange::open(&self.config, [token.as_bytes()], self.wall());
        let key = self.key(token);
        let found = self.memory.load(&key, self.wall());
        exchange.handle_loaded(&key, found).expect("a record");
        exchange.session().expect("loaded").id().expect("an id")
    }

    /// The time of day jumps, and a session that lives here has expired.
    fn expire(&mut self) {
        if self
            .sessions
            .iter()
            .any(|session| *session.truth() != Truth::Lives)
        {
            return;
        }
        self.jumped += Duration::from_secs(13 * 3_600);
        for session in &mut self.sessions {
            session.history.push((self.tick, Truth::Expired));
        }
    }

    fn poll(&mut self) {
        loop {
            match self.table.next(self.now()) {
                Step::Look(key, number) => {
                    let session = self.sessions.iter().position(|known| known.key == key);
                    self.flights.push(Flight {
                        session: session.expect("a watched key"),
                        number,
                        began: self.tick,
                        look: Look::new(&self.config, key),
                        seen: None,
                        is_old: false,
                    });
                }
                Step::Tell(waiters, answer) => self.tell(&waiters, answer),
                Step::Wait(_) | Step::Stop => return,
            }
        }
    }

    fn tell(&mut self, waiters: &[usize], answer: Result<Ended, Error>) {
        for number in waiters {
            let session = &mut self.sessions[*number];
            match &answer {
                Ok(ended) if session.has_happened(ended) => session.told = Some(ended.clone()),
                Ok(ended) => {
                    let wrong = format!("{ended:?} instead of {:?}", session.history);
                    self.wrong.get_or_insert(wrong);
                }
                Err(_) => {
                    if self.tick < session.confirmed + LEASE {
                        let wrong = "an error within a lease of a look that succeeded";
                        self.wrong.get_or_insert_with(|| wrong.to_owned());
                    }
                    // It asks again.
                    (session.confirmed, session.was_seen) = (self.tick, false);
                    if let Some((tick, _)) = session.history.get_mut(1) {
                        *tick = self.tick;
                    }
                    let key = session.key.clone();
                    let flights = self.flights.iter_mut();
                    let own = flights.filter(|flight| flight.session == *number);
                    own.for_each(|flight| flight.is_old = true);
                    self.table.watch(key, *number, self.now());
                }
            }
        }
    }

    /// One load of a look takes effect.
    fn effect(&mut self, at: usize) {
        let now = self.wall();
        let flight = &mut self.flights[at];
        if flight.seen.is_none() {
            let found = self.memory.load(flight.look.key(), now);
            flight.seen = flight.look.answer(found, now).expect("a record");
        }
    }

    fn answer(&mut self, at: usize, fails: bool) {
        let flight = &self.flights[at];
        let result = match (&flight.seen, fails) {
            (Some(seen), false) => Ok(seen.clone()),
            (_, true) => Err(StoreError::transient("test", "down").into()),
            (None, false) => return,
        };
        let flight = self.flights.remove(at);
        let session = &mut self.sessions[flight.session];
        if matches!(result, Ok(Seen::Lives { .. })) && !flight.is_old {
            (session.confirmed, session.was_seen) = (flight.began, true);
        }
        let (key, now, wall) = (session.key.clone(), self.now(), self.wall());
        let told = self.table.answered(&key, flight.number, result, now, wall);
        if let Some((waiters, answer)) = told {
            self.tell(&waiters, answer);
        }
    }

    fn tick(&mut self, ticks: usize) {
        self.tick += u32::try_from(ticks).expect("a few");
        if ticks > 1 {
            self.resumed = self.tick;
        }
        self.poll();
        for session in &self.sessions {
            let Some(changed) = session.changed().filter(|_| session.told.is_none()) else {
                continue;
            };
            let chance = self.resumed + CHANCE;
            if self.tick > (changed + LEASE).max(chance) {
                let wrong = format!("{:?} is not noticed at {}", session.history, self.tick);
                self.wrong.get_or_insert(wrong);
            }
        }
    }

    fn step(&mut self) {
        let number = self.random.below(2);
        let flights = self.flights.len();
        match self.random.below(32) {
            0..12 => self.tick(1),
            12 => {
                let ticks = 2 + self.random.below(20);
                self.tick(ticks);
            }
            13 | 14 => {
                _ = self.request(number);
                self.hints.push(number);
            }
            15 => {
                let cause = self.request(number);
                self.hint(number, cause);
            }
            16 if !self.hints.is_empty() => {
                let hinted = self.hints.remove(0);
                self.hint(hinted, None);
            }
            17 => self.hint(number, None),
            18 if self.random.below(4) == 0 => self.expire(),
            19..24 if flights > 0 => {
                let at = self.random.below(flights);
                self.effect(at);
            }
            24..31 if flights > 0 => {
                let at = self.random.below(flights);
                self.answer(at, false);
            }
            31 if flights > 0 => {
                let at = self.random.below(flights);
                self.answer(at, true);
            }
            _ => {}
        }
    }

    fn hint(&mut self, number: usize, cause: Option<Cause>) {
        let key = self.sessions[number].key.clone();
        self.table.hint(&key, cause, self.now());
        self.poll();
    }

    /// After a hint, and without any time passing, looks find out.
    fn settle(&mut self) {
        match self.random.below(2) {
            0 => self.table.lost(self.now()),
            _ => (0..self.sessions.len()).for_each(|number| self.hint(number, None)),
        }
        for _ in 0..100 {
            self.poll();
            if self.flights.is_empty() {
                break;
            }
            self.effect(0);
            self.answer(0, false);
        }
        for session in &self.sessions {
            if session.changed().is_some() && session.told.is_none() {
                let wrong = format!("{:?} is not noticed after a hint", session.history);
                self.wrong.get_or_insert(wrong);
            }
        }
    }
}

/// Plays schedules. Returns what is wrong with the first that is.
fn all(broken: Option<Broken>) -> Option<String> {
    (1..=SCHEDULES).find_map(|seed| {
        let mut world = World::new(seed, broken);
        world.poll();
        for _ in 0..STEPS {
            world.step();
            if world.wrong.is_some() {
                return world.wrong;
            }
        }
        world.settle();
        world.wrong
    })
}

// R80, R82.
#[test]
fn no_schedule_tells_of_an_end_that_was_none_or_later_than_a_lease() {
    assert_eq!(all(None), None);
}

// R80, R82: each place matters.
#[test]
fn every_mutant_is_found() {
    for broken in [
        Broken::EndsOnError,
        Broken::EndsOnRotation,
        Broken::CrossesSignIn,
        Broken::HintsCoveredByLook,
        Broken::TrustsHints,
        Broken::IgnoresLost,
        Broken::LeaseFromReply,
        Broken::ErrorsConfirm,
        Broken::WaitsForLook,
        Broken::TakesOldAnswers,
    ] {
        assert!(all(Some(broken)).is_some(), "{broken:?} passes");
    }
}

#[test]
fn a_record_that_is_missing_after_a_long_pause_proves_no_end() {
    let lost = |broken| {
        let mut table = Table::new(Duration::from_secs(1));
        table.mutant = Mutant(broken);
        let key = Key::new("session:1").expect("a key");
        table.watch(key.clone(), 0, Duration::ZERO);
        let Step::Look(_, number) = table.next(Duration::ZERO) else {
            panic!("no look");
        };
        let lives = Seen::Lives {
            until: UnixTime::MAX,
        };
        let (now, wall) = (Duration::ZERO, UnixTime::from_secs(1));
        assert!(table.answered(&key, number, Ok(lives), now, wall).is_none());
        assert!(matches!(table.next(now), Step::Wait(_)));
        // The process was paused for an hour, in which the session may have been rotated.
        let now = Duration::from_secs(3_600);
        let Step::Look(_, number) = table.next(now) else {
            panic!("no look");
        };
        let told = table.answered(&key, number, Ok(Seen::Missing), now, wall);
        told.is_some_and(|(_, answer)| answer.is_ok()) || {
            let Step::Tell(_, Err(error)) = table.next(now + Duration::from_millis(250)) else {
                panic!("no error");
            };
            assert!(matches!(error, Error::Session(SessionError::GraceExpired)));
            false
        }
    };
    assert!(!lost(None));
    assert!(lost(Some(Broken::TrustsLateMisses)));
}

#[test]
fn a_table_without_waiters_stops() {
    struct Gone;
    impl Waiter for Gone {
        fn is_gone(&self) -> bool {
            true
        }
    }
    let mut table = Table::new(Duration::from_secs(1));
    let key = Key::new("session:1").expect("a key");
    for _ in 0..10_000 {
        table.watch(key.clone(), Gone, Duration::ZERO);
    }
    assert!(matches!(table.next(Duration::ZERO), Step::Stop));
}
