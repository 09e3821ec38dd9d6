//! The requests of a schedule and all around them, and how a step changes it.

use cloakroom_core::{Exchange, UnixTime};

use crate::around::{Around, Environment};
use crate::midway::MIDWAY;
use crate::request::{Live, Request, Told};
use crate::step::{Action, Fault, Id, MAX_CLIENTS, MAX_REQUESTS, Present, Start, Step};
use crate::told::{doing, ends, letter, naming, told_name};
use crate::truth::{Aim, Wrong};
use crate::wrong::Mutant;

pub(crate) struct World {
    pub(crate) around: Around,
    pub(crate) requests: Vec<Request>,
    /// Where in `requests` a number is.
    pub(crate) places: [Option<u8>; MAX_REQUESTS as usize],
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            around: Around::new(),
            requests: Vec::new(),
            places: [None; MAX_REQUESTS as usize],
        }
    }

    /// Starts another schedule, and reuses the allocations.
    pub(crate) fn reset(&mut self, environment: Environment) {
        self.around.reset(environment);
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
