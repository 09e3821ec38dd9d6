//! All that the requests of a schedule share: clients, nodes with their clocks, and the store.

use std::time::Duration;

use cloakroom_core::{Config, Exchange, Token, UnixTime};

use crate::epoch::{Epochs, LEASE};
use crate::step::{Id, MAX_CLIENTS, SMALL_SKEW};
use crate::store::{Op, Slot, Store};
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

impl Around {
    pub(crate) fn new() -> Self {
        Self {
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
        }
    }

    /// Starts another schedule, and reuses the allocations.
    pub(crate) fn reset(&mut self, environment: Environment) {
        self.environment = environment;
        self.now = BEGIN;
        (self.skews, self.skew) = ([0; MAX_CLIENTS as usize], 0);
        (self.late_touch, self.taken) = (false, Vec::new());
        self.epochs = Epochs::default();
        self.store.reset(environment.habit, environment.lazy);
        self.ledger.reset();
        self.flights.clear();
        self.jars = [None; MAX_CLIENTS as usize];
        (self.cookies, self.form) = ([const { None }; MAX_CLIENTS as usize], None);
        (self.csrf, self.spare) = (None, None);
        self.nonces.clear();
        if let Some(story) = &mut self.story {
            story.clear();
        }
    }

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
    pub(crate) fn check_orphan(&self, slot: Slot) -> Result<(), Wrong> {
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
    pub(crate) fn check_mark(&mut self, slot: Slot) -> Result<(), Wrong> {
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
