//! Everything that a schedule plays on: clients, nodes with their clocks, the store, the requests;
//! and how a step changes it.

use cloakroom_core::{Config, Exchange, Token, UnixTime};
use std::time::Duration;

use crate::epoch::{Epochs, LEASE};
use crate::midway::MIDWAY;
use crate::request::{Live, Request, Told};
use crate::step::{Action, Fault, Id, MAX_CLIENTS, MAX_REQUESTS, Present, SMALL_SKEW, Start, Step};
use crate::store::{Op, Slot, Store};
use crate::told::{doing, ends, letter, naming, told_name};
use crate::truth::{Aim, Ledger, Presented, Truth, Wrong};
use crate::written::Nonces;
use crate::wrong::{Habit, Mutant};

/// When every schedule begins.
pub(crate) const BEGIN: u64 = 1_700_000_000;

/// The rotation graces that a schedule may have, in seconds.
pub(crate) const GRACES: [u64; 3] = [30, 0, 120];

/// The settings of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Where all randomness of the machine comes from.
    pub seed: u64,
    /// One of the rotation graces: 30, 0 or 120 seconds.
    pub grace: u8,
    /// A load may return what has expired.
    pub lazy: bool,
    /// All sessions can be ended at once.
    pub ending: bool,
    /// A limit on a subject's sessions marks each sign-in until its token is presented.
    pub limited: bool,
    /// The values of the records are sealed.
    pub sealed: bool,
    /// The store's fault.
    pub habit: Habit,
    /// The driver's fault.
    pub mutant: Mutant,
}

/// An abandoned write that may still happen.
pub(crate) struct Flight {
    pub(crate) by: Id,
    pub(crate) slot: Slot,
    pub(crate) aim: Aim,
    pub(crate) op: Op,
}

/// All but the requests themselves.
pub(crate) struct Around {
    /// First those that do not seal values; of each kind, first those without an epoch.
    configs: [[[Config; 3]; 2]; 2],
    pub(crate) epochs: Epochs,
    pub(crate) environment: Environment,
    pub(crate) now: u64,
    pub(crate) skews: [i64; MAX_CLIENTS as usize],
    /// The largest difference between two clocks so far.
    pub(crate) skew: u64,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) flights: Vec<Flight>,
    /// A write came late, whose request had been answered for.
    pub(crate) late_touch: bool,
    pub(crate) jars: [Option<Slot>; MAX_CLIENTS as usize],
    /// The cookies that no record belongs to.
    pub(crate) cookies: [Option<String>; MAX_CLIENTS as usize],
    /// The last form of a visitor without a session, and the cookie that came with it.
    pub(crate) form: Option<(String, Token)>,
    /// The last CSRF token that was handed out, and its source.
    pub(crate) csrf: Option<(String, u8)>,
    /// An unknown token.
    pub(crate) unknown: String,
    /// Some living record, for mutants.
    pub(crate) spare: Option<cloakroom_core::Stored>,
    /// The records that were sealed.
    pub(crate) nonces: Nonces,
    /// The values that were claimed: in which chain, their names, and whose they were.
    pub(crate) taken: Vec<(usize, u8, u8)>,
    pub(crate) story: Option<Vec<String>>,
}

pub(crate) struct World {
    pub(crate) around: Around,
    pub(crate) requests: Vec<Request>,
    /// Where in `requests` a number is.
    pub(crate) places: [Option<u8>; MAX_REQUESTS as usize],
}

impl Around {
    pub(crate) fn config(&self) -> &Config {
        let configs = &self.configs[usize::from(self.environment.sealed)];
        let configs = &configs[usize::from(self.environment.ending)];
        &configs[usize::from(self.environment.grace) % 3]
    }

    pub(crate) fn grace(&self) -> u64 {
        GRACES[usize::from(self.environment.grace) % 3]
    }

    /// How long a request can count on finding a record that was retired after it began.
    pub(crate) fn hold(&self) -> u64 {
        self.grace().max(30)
    }

    /// How long a retired record is kept.
    pub(crate) fn kept(&self) -> u64 {
        self.hold() + 30
    }

    /// Now, and how long a record that is retired now must be there, for all clocks.
    pub(crate) fn moment(&self) -> (u64, u64) {
        (self.now, self.hold() + self.skew)
    }

    /// The clock of a node.
    pub(crate) fn clock(&self, node: u8) -> u64 {
        self.now
            .saturating_add_signed(self.skews[usize::from(node)])
    }

    pub(crate) fn store_time(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    /// A clock is wrong beyond what clocks are.
    pub(crate) fn is_wild(&self) -> bool {
        self.skew > SMALL_SKEW
    }

    /// A record that this request began, and that a listing of its subject's sessions has.
    pub(crate) fn listed(&self, id: Id) -> Option<Slot> {
        let mut entries = self.ledger.entries.iter();
        entries.position(|entry| {
            entry.by == id
                && entry.truth.is_some_and(|truth| {
                    let owned = truth.content.subject != crate::model::NOBODY;
                    owned && truth.retired.is_none() && self.now < truth.expires_at
                })
        })
    }

    /// A record whose token no client has, because the request failed between two writes. It
    /// expires like its session.
    fn check_orphan(&self, slot: Slot) -> Result<(), Wrong> {
        let truth = self.ledger.entries[slot].truth;
        let Some(truth) = truth.filter(|truth| truth.retired.is_none() && self.skew == 0) else {
            return Ok(());
        };
        let (idle, absolute) = crate::model::LIFETIMES[usize::from(truth.content.expiry)];
        let latest = (self.now + idle).min(truth.content.created + absolute);
        match self.store.ends_at(slot) > latest {
            true => Err("a record whose token was never issued outlives its session"),
            false => Ok(()),
        }
    }

    /// Compares what a limit takes a record for with the requests that presented its token.
    fn check_mark(&mut self, slot: Slot) -> Result<(), Wrong> {
        let entry = &self.ledger.entries[slot];
        let now = self.now;
        let lives = |truth: &Truth| truth.retired.is_none() && truth.is_alive(now);
        let Some(truth) = entry.truth.filter(lives) else {
            return Ok(());
        };
        let is_sure = self.skew == 0 && !entry.odd_end && !self.late_touch;
        // A commit that takes long has less to hold back.
        let at_once = truth.content.created == truth.content.authenticated;
        if !is_sure || !entry.marked || !at_once || self.environment.habit != Habit::Contract {
            return Ok(());
        }
        let time = self.store_time();
        let mut exchange = Exchange::open_key(self.config(), self.store.key(slot), time);
        let Some(key) = exchange.wants_load().cloned() else {
            return Ok(());
        };
        let found = self.store.load(slot, 0, false, time);
        if found.is_none() || exchange.handle_loaded(&key, found).is_err() {
            return Ok(());
        }
        match (entry.presented, exchange.is_unpresented()) {
            (Presented::Never, false) => {
                Err("a session whose token was never presented counts as one in use")
            }
            (Presented::Surely, true) => {
                Err("a session in use counts as one whose token was never presented")
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    pub(crate) fn entropy(&self, id: Id, mint: u8) -> [u8; 64] {
        let seed = self.environment.seed ^ u64::from(id) << 48 ^ u64::from(mint) << 56;
        let mut rng = fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut bytes = [0; 64];
        rng.fill(&mut bytes);
        bytes
    }
}

fn config(seals: bool, lease: Option<Duration>, grace: u64) -> Config {
    let config = Config::builder().rotation_grace(Duration::from_secs(grace));
    let config = config.end_all_within(lease).seal_values(seals);
    config.build().unwrap_or_default()
}

/// The base64url of some 256 bits: a token like any other.
fn token(seed: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut token: String = (0..42)
        .map(|_| char::from(ALPHABET[rng.usize(..64)]))
        .collect();
    token.push('A');
    token
}

impl World {
    pub(crate) fn new() -> Self {
        let around = Around {
            configs: [false, true].map(|seals| {
                [None, Some(Duration::from_secs(LEASE))]
                    .map(|lease| GRACES.map(|grace| config(seals, lease, grace)))
            }),
            epochs: Epochs::default(),
            environment: Environment::default(),
            now: BEGIN,
            skews: [0; MAX_CLIENTS as usize],
            skew: 0,
            store: Store::new(),
            ledger: Ledger::default(),
            flights: Vec::new(),
            late_touch: false,
            jars: [None; MAX_CLIENTS as usize],
            cookies: [const { None }; MAX_CLIENTS as usize],
            form: None,
            csrf: None,
            unknown: token(7),
            spare: None,
            nonces: Nonces::new(),
            taken: Vec::new(),
            story: None,
        };
        Self {
            around,
            requests: Vec::new(),
            places: [None; MAX_REQUESTS as usize],
        }
    }

    /// Starts another schedule, and reuses the allocations.
    pub(crate) fn reset(&mut self, environment: Environment) {
        let around = &mut self.around;
        around.environment = environment;
        around.now = BEGIN;
        (around.skews, around.skew) = ([0; MAX_CLIENTS as usize], 0);
        (around.late_touch, around.taken) = (false, Vec::new());
        around.epochs = Epochs::default();
        around.store.reset(environment.habit, environment.lazy);
        around.ledger.reset();
        around.flights.clear();
        around.jars = [None; MAX_CLIENTS as usize];
        (around.cookies, around.form) = ([const { None }; MAX_CLIENTS as usize], None);
        (around.csrf, around.spare) = (None, None);
        around.nonces.clear();
        if let Some(story) = &mut around.story {
            story.clear();
        }
        self.requests.clear();
        self.places = [None; MAX_REQUESTS as usize];
    }

    pub(crate) fn place(&self, id: Id) -> Option<usize> {
        let place = self.places.get(usize::from(id)).copied().flatten();
        place.map(usize::from)
    }

    /// Performs a step. Returns whether it was possible.
    pub(crate) fn apply(&mut self, step: Step) -> Result<bool, Wrong> {
        match step {
            Step::Start(start) => return self.start(start),
            Step::Act(id, fault) => {
                let Some(place) = self.place(id) else {
                    return Ok(false);
                };
                let request = &mut self.requests[place];
                if !request.is_running() {
                    return Ok(false);
                }
                self.around.act(request, fault)?;
                return self.midway(place).map(|()| true);
            }
            Step::Crash(id) => {
                let Some(place) = self.place(id) else {
                    return Ok(false);
                };
                if !self.requests[place].is_running() {
                    return Ok(false);
                }
                self.crash(place);
                self.around
                    .tell(|| format!("the process that serves request {id} dies"));
            }
            Step::Deliver(id) | Step::Lose(id) => {
                let Some(place) = self.place(id) else {
                    return Ok(false);
                };
                let request = &mut self.requests[place];
                let Some(told) = request.answer.take() else {
                    return Ok(false);
                };
                let client = request.start.client;
                if let Step::Lose(_) = step {
                    self.around.tell(|| {
                        format!("the answer to request {id} does not reach client {client}")
                    });
                } else {
                    let around = &mut self.around;
                    let client = usize::from(client);
                    let jar = match told {
                        Told::Nothing => around.jars[client],
                        Told::Clear | Told::Form => None,
                        Told::Token(slot) => Some(slot),
                    };
                    if told != Told::Nothing {
                        let cookie = request.cookie.take();
                        around.cookies[client] = cookie.filter(|_| told == Told::Form);
                        around.jars[client] = jar;
                    }
                    around.tell(|| {
                        let what = told_name(told);
                        format!("client {client} gets the answer to request {id}: {what}")
                    });
                }
            }
            Step::Land(id) => return self.land(id),
            Step::Advance(seconds) => {
                self.around.now += u64::from(seconds);
                self.around.tell(|| format!("{seconds} seconds pass"));
            }
            Step::Skew(node, seconds) => {
                let around = &mut self.around;
                let Some(skew) = around.skews.get_mut(usize::from(node)) else {
                    return Ok(false);
                };
                *skew = seconds;
                // To one clock it has expired, to the other not: then a store shows nothing that
                // has expired by its own.
                around.store.lazy &= seconds == 0;
                let (low, high) = around.skews.iter().fold((0, 0), |(low, high), skew| {
                    ((*skew).min(low), (*skew).max(high))
                });
                around.skew = around.skew.max(high.abs_diff(low));
                around.tell(|| format!("the clock of node {node} is {seconds:+} seconds ahead"));
            }
            Step::Evict(id) => return Ok(self.evict(id)),
            Step::EndAll(node) => return self.around.end_all(node),
        }
        Ok(true)
    }

    fn start(&mut self, start: Start) -> Result<bool, Wrong> {
        let id = start.id;
        let (client, node) = (usize::from(start.client), usize::from(start.node));
        let clients = usize::from(MAX_CLIENTS);
        if id >= MIDWAY || client >= clients || node >= clients || self.place(id).is_some() {
            return Ok(false);
        }
        let around = &mut self.around;
        let of = |id: Id| {
            let mut entries = around.ledger.entries.iter();
            entries.position(|entry| entry.by == id && entry.token.is_some())
        };
        let jar = around.jars[client];
        let slots = match start.present {
            Present::Nothing | Present::Unknown | Present::Garbage | Present::Listed(_) => {
                [None, None]
            }
            Present::Jar => [jar, None],
            Present::Of(id) => [of(id), None],
            Present::Both(id) => [jar, of(id)],
        };
        let cookie = match start.present {
            Present::Jar | Present::Both(_) => around.cookies[client].clone(),
            _ => None,
        };
        let own = match start.present {
            _ if cookie.is_some() => cookie.as_deref().map(str::as_bytes),
            Present::Unknown => Some(around.unknown.as_bytes()),
            Present::Garbage => Some(&b"../%00$ne"[..]),
            _ => None,
        };
        if matches!(start.present, Present::Of(_) | Present::Both(_)) && slots == [None, None] {
            return Ok(false);
        }
        let listed = match start.present {
            Present::Listed(id) => around.listed(id),
            _ => None,
        };
        if matches!(start.present, Present::Listed(_))
            && (listed.is_none() || start.actions != Start::ENDS)
        {
            return Ok(false);
        }
        let first_only = around.environment.mutant == Mutant::TrustsFirstToken;
        let tokens = slots
            .iter()
            .flatten()
            .filter_map(|slot| around.ledger.entries[*slot].token.as_ref())
            .map(|token| token.expose().as_bytes())
            .chain(own)
            .take(if first_only { 1 } else { 2 });
        let opened = around.clock(start.node);
        let time = UnixTime::from_secs(opened);
        let exchange = match listed {
            Some(slot) => Exchange::open_key(around.config(), around.store.key(slot), time),
            None => Exchange::open(around.config(), tokens, time),
        };
        let mut request = Request::new(start, exchange, opened, around.now);
        request.presents = own.is_some() || slots != [None, None];
        let two = slots[0] != slots[1] && slots[0].is_some() && slots[1].is_some();
        request.cookie.clone_from(&cookie);
        request.tokens = u8::from(slots != [None, None]) + u8::from(two);
        request.fold.presented = [slots[0].or(slots[1]), slots[1].filter(|_| two)];
        around.tell(|| {
            let cookie = match start.present {
                Present::Unknown => "an unknown token".to_owned(),
                Present::Garbage => "garbage".to_owned(),
                _ => match slots {
                    [None, None] if cookie.is_some() => "the cookie of a form".to_owned(),
                    [None, None] => "no token".to_owned(),
                    [Some(one), None] | [None, Some(one)] => format!("token {}", letter(one)),
                    [Some(one), Some(two)] => {
                        format!("tokens {} and {}", letter(one), letter(two))
                    }
                },
            };
            let does: Vec<_> = start.actions.iter().flatten().map(doing).collect();
            let does = match does.is_empty() {
                true => "to a page without a session".to_owned(),
                false => format!("to a page that {}", does.join(", then ")),
            };
            match listed {
                Some(slot) => format!(
                    "request {id} to node {node} lists the subject's sessions, and ends {}",
                    letter(slot)
                ),
                None => format!(
                    "client {client} sends request {id} with {cookie} to node {node}, {does}"
                ),
            }
        });
        self.places[usize::from(id)] = u8::try_from(self.requests.len()).ok();
        self.around.opened(&mut request)?;
        if listed.is_some() {
            // A listing has the records with it.
            self.around.act(&mut request, Fault::None)?;
        }
        self.requests.push(request);
        self.midway(self.requests.len() - 1)?;
        Ok(true)
    }

    fn land(&mut self, id: Id) -> Result<bool, Wrong> {
        let mut flights = self.around.flights.iter();
        let Some(at) = flights.position(|flight| flight.by == id) else {
            return Ok(false);
        };
        let flight = self.around.flights.remove(at);
        let Some(place) = self.place(id) else {
            return Ok(false);
        };
        let (around, request) = (&mut self.around, &mut self.requests[place]);
        let (time, now) = (around.store_time(), around.moment());
        let retires = matches!(flight.aim, Aim::Retire { .. });
        let op = flight.op.by_ref();
        let answer = around.store.land(flight.slot, op, retires, time);
        around.late_touch |= flight.aim == Aim::Touch;
        around.tell(|| {
            let what = naming(flight.aim, flight.slot);
            format!("the abandoned action of request {id} happens after all: {what}: {answer:?}")
        });
        if answer.is_done() {
            let expires_at = ends(op);
            around
                .ledger
                .land(request, flight.slot, flight.aim, expires_at, now)?;
        }
        Ok(true)
    }

    fn evict(&mut self, id: Id) -> bool {
        let around = &mut self.around;
        let mut entries = around.ledger.entries.iter();
        let Some(slot) = entries.position(|entry| entry.by == id) else {
            return false;
        };
        around.store.evict(slot);
        let entry = &mut around.ledger.entries[slot];
        entry.before = None;
        if entry.truth.take().is_none() {
            return false;
        }
        entry.damaged = true;
        around.tell(|| format!("the store drops record {}", letter(slot)));
        true
    }

    /// Requests that are not over, and answers that are on their way.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut requests = self.requests.iter();
        requests.all(|request| !request.is_running() && request.answer.is_none())
    }

    /// Looks at every token that was ever issued, as a last request each.
    pub(crate) fn audit(&mut self) -> Result<(), Wrong> {
        self.around
            .tell(|| "in the end every token that was issued is tried".to_owned());
        for slot in 0..self.around.ledger.entries.len() {
            self.around.check_mark(slot)?;
            if self.around.ledger.entries[slot].token.is_none() {
                self.around.check_orphan(slot)?;
                continue;
            }
            let start = Start {
                id: MAX_REQUESTS - 1,
                client: 0,
                node: 0,
                present: Present::Of(self.around.ledger.entries[slot].by),
                actions: [Some(Action::Look), None, None],
            };
            let around = &mut self.around;
            let opened = around.clock(0);
            let token = around.ledger.entries[slot].token.as_ref();
            let token = token.map(|token| token.expose().as_bytes());
            let time = UnixTime::from_secs(opened);
            let exchange = Exchange::open(around.config(), token, time);
            let mut request = Request::new(start, exchange, opened, around.now);
            request.presents = true;
            around.tell(|| format!("token {} is presented", letter(slot)));
            around.opened(&mut request)?;
            while matches!(request.live, Live::Opening(_)) {
                around.act(&mut request, Fault::None)?;
            }
        }
        Ok(())
    }
}
