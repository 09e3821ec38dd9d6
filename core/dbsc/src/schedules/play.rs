//! Requests and their commits, and what a schedule knows of the sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use cloakroom_core::{Commit, Config, Directive, Session, UnixTime};

use super::arrive::Told;
use super::browser::{Copied, Jar};
use super::{Action, story};
use crate::support::{START, World, issued};
use crate::{Answer, DeviceBinding, Status};

/// A browser whose answer to a rotation is later than the grace signs in again. So none is.
const LATE: u64 = 25;
/// The rotation grace, in which the token from before a sign-in still reads its session.
const GRACE: u64 = 30;
const FLIGHTS: usize = 6;

pub(super) type Wrong = Result<(), String>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum By {
    Browser,
    Thief(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Page,
    /// With the number of the key.
    Register(usize),
    /// With the identifier.
    Refresh(String),
    Rotate,
    SignIn,
    SignOut,
}

/// The session of a sign-in, through all its rotations.
#[derive(Default)]
pub(super) struct SignedIn {
    /// The browser's bound cookie was accepted, and no registration was under way.
    pub(super) confirmed: bool,
    /// The thief registered a key in time. It has the session from now on.
    pub(super) taken: bool,
    /// When nothing of it is accepted any more: since a sign-out, or a grace after a sign-in.
    end: Option<u64>,
}

/// A cookie or a challenge: for which sign-in, and when.
#[derive(Clone, Copy)]
pub(super) struct Given {
    pub(super) to: Option<usize>,
    pub(super) at: u64,
}

/// The site's answer, apart from the token.
#[derive(Default)]
pub(super) struct Response {
    pub(super) answer: Option<Answer>,
    pub(super) offer: Option<String>,
    pub(super) status: Option<Status>,
}

pub(super) struct Flight {
    pub(super) by: By,
    pub(super) kind: Kind,
    pub(super) number: u32,
    pub(super) of: Option<usize>,
    pub(super) response: Response,
    pub(super) told: Option<Told>,
    pub(super) commit: Commit,
    began: u64,
    /// The binding was confirmed when the request began.
    was_confirmed: bool,
    /// A registration was under way at the same time.
    raced: bool,
}

pub(super) struct Play {
    pub(super) world: World,
    pub(super) binding: Rc<DeviceBinding>,
    pub(super) jar: Jar,
    pub(super) copies: Vec<Copied>,
    pub(super) flights: Vec<Flight>,
    pub(super) tokens: BTreeMap<String, usize>,
    pub(super) signed_in: Vec<SignedIn>,
    /// Identifiers that were given, each with its key's number.
    pub(super) registered: BTreeSet<(String, usize)>,
    pub(super) cookies: BTreeMap<String, Given>,
    pub(super) challenges: BTreeMap<String, Given>,
    requests: u32,
    pub(super) story: Option<Vec<String>>,
}

impl Play {
    pub(super) fn new(tells: bool) -> Self {
        let config = Config::builder().idle_timeout(Duration::from_secs(40_000));
        let config = config.build().expect("a good configuration");
        let binding = DeviceBinding::new(&config).expect("a good configuration");
        Self {
            world: World::with(config),
            binding: Rc::new(binding),
            jar: Jar::default(),
            copies: Vec::new(),
            flights: Vec::new(),
            tokens: BTreeMap::new(),
            signed_in: Vec::new(),
            registered: BTreeSet::new(),
            cookies: BTreeMap::new(),
            challenges: BTreeMap::new(),
            requests: 0,
            story: tells.then(Vec::new),
        }
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            let seconds = self.world.now - START;
            story.push(format!("{seconds:>6} s  {}", text()));
        }
    }

    pub(super) fn act(&mut self, action: Action) -> Wrong {
        while self.flights.len() > FLIGHTS {
            self.finish(0, false)?;
        }
        let flights = self.flights.len();
        match action {
            Action::Page { policy, writes } => self.page(By::Browser, policy, writes).map(drop),
            Action::Register { old, twice } => self.register(old, twice),
            Action::Again(back) => self.again(back),
            Action::Refresh { key, old, twice } => self.refresh(key, old, twice),
            Action::Rotate => self.rotate(),
            Action::SignIn => self.sign_in(),
            Action::SignOut => self.sign_out(),
            Action::Step { flight, lost } if flights > 0 => self.step(flight % flights, lost),
            Action::Arrive { flight, lost } if flights > 0 => self.finish(flight % flights, lost),
            Action::Step { .. } | Action::Arrive { .. } => Ok(()),
            Action::Later(seconds) => self.later(seconds),
            Action::Restart => {
                self.jar.restart();
                Ok(())
            }
            Action::Copy => {
                self.copy();
                Ok(())
            }
            Action::Steal { copy, theft } => match self.copies.len() {
                0 => Ok(()),
                copies => self.steal(copy % copies, theft),
            },
            Action::Visit => self.visit().map(drop),
        }
    }

    /// Goes to a later time. No commit takes half a minute.
    pub(super) fn later(&mut self, seconds: u64) -> Wrong {
        let then = self.world.now + seconds;
        for at in (0..self.flights.len()).rev() {
            let flight = &self.flights[at];
            if then - flight.began <= LATE {
                continue;
            }
            let is_rotation = matches!(flight.kind, Kind::Rotate);
            if self.complete(at)? && is_rotation {
                self.finish(at, false)?;
            }
        }
        self.world.later(seconds);
        Ok(())
    }

    /// Begins a request: up to where the handler has answered.
    pub(super) fn begin(
        &mut self,
        by: By,
        kind: Kind,
        token: Option<&str>,
        handler: impl FnOnce(&DeviceBinding, &mut Session<'_>, UnixTime, [u8; 64]) -> Response,
    ) -> Result<Option<Status>, String> {
        let (now, entropy, binding) = (self.world.now(), self.world.entropy(), &self.binding);
        let mut exchange = self.world.open(token);
        if matches!(kind, Kind::Register(_) | Kind::Refresh(_)) {
            exchange.in_background();
        }
        let mut session = exchange.session().expect("loaded");
        let is_signed_in = session.subject().is_some();
        let response = handler(binding, &mut session, now, entropy);
        let commit = exchange.finish(now);

        let of = token.and_then(|token| self.tokens.get(token)).copied();
        let of = of.filter(|_| is_signed_in);
        self.requests += 1;
        let (number, status) = (self.requests, response.status);
        let told = response.answer.as_ref().map(Told::read);
        self.tell(|| story::request(number, by, &kind, of, status, told.as_ref()));
        let session = of.map(|of| &self.signed_in[of]);
        let end = session.and_then(|session| session.end);
        if end.is_some_and(|end| end <= self.world.now) {
            return Err("a session that ended is accepted".into());
        }
        let given = Given {
            to: of,
            at: self.world.now,
        };
        // That of a sign-in is for the session that it begins.
        if let (Some(offer), Kind::Page) = (&response.offer, &kind) {
            self.challenges.insert(offer.clone(), given);
        }
        match &told {
            Some(Told::Cookie {
                cookie, challenge, ..
            }) => {
                self.cookies.insert(cookie.clone(), given);
                self.challenges.insert(challenge.clone(), given);
            }
            Some(Told::Challenge(challenge)) => {
                self.challenges.insert(challenge.clone(), given);
            }
            _ => {}
        }

        let has_cookie = matches!(told, Some(Told::Cookie { .. }));
        let registers = matches!(kind, Kind::Register(_)) && has_cookie;
        let mut same = (self.flights.iter_mut()).filter(|flight| flight.of == of);
        let mut raced = registers;
        for flight in &mut same {
            let is_under_way = !matches!(flight.commit, Commit::Done(_));
            raced |= is_under_way && matches!(flight.kind, Kind::Register(_));
            flight.raced |= registers;
        }
        let session = of.map(|of| &self.signed_in[of]);
        self.flights.push(Flight {
            by,
            kind,
            number,
            of,
            response,
            told,
            commit,
            began: self.world.now,
            was_confirmed: session.is_some_and(|session| session.confirmed),
            raced,
        });
        self.progressed(self.flights.len() - 1)?;
        Ok(status)
    }

    fn is_done(&self, at: usize) -> bool {
        matches!(self.flights[at].commit, Commit::Done(_))
    }

    /// Goes on until the commit is done. Returns false if it failed.
    pub(super) fn complete(&mut self, at: usize) -> Result<bool, String> {
        let flights = self.flights.len();
        while !self.is_done(at) {
            self.step(at, None)?;
            if self.flights.len() < flights {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes the next action of a commit. An error is a 5xx, and the browser keeps what it has.
    pub(super) fn step(&mut self, at: usize, lost: Option<bool>) -> Wrong {
        if self.is_done(at) {
            return Ok(());
        }
        let mut flight = self.flights.remove(at);
        self.tell(|| story::call(flight.number, &flight.commit, lost));
        let next = match lost.filter(|_| writes(&flight.commit)) {
            Some(landed) => self.world.lose(flight.commit, landed),
            None => self.world.step(flight.commit),
        };
        match next {
            Ok(commit) => {
                flight.commit = commit;
                self.flights.insert(at, flight);
                self.progressed(at)
            }
            Err(error) => {
                self.tell(|| format!("request {} fails: {error}", flight.number));
                Ok(())
            }
        }
    }

    /// Notes what a commit's end means for the session, and what a refresh is about to write.
    fn progressed(&mut self, at: usize) -> Wrong {
        let flight = &self.flights[at];
        let has_cookie = matches!(flight.told, Some(Told::Cookie { .. }));
        let Commit::Done(outcome) = &flight.commit else {
            let confirms = has_cookie && !flight.was_confirmed;
            let refreshes = matches!(flight.kind, Kind::Refresh(_));
            return match refreshes && !confirms && writes(&flight.commit) {
                true => Err("a refresh writes".into()),
                false => Ok(()),
            };
        };
        let (of, by, raced) = (flight.of, flight.by, flight.raced);
        let was_confirmed = flight.was_confirmed;
        let is_bound = flight.response.status == Some(Status::Bound);
        let ends = flight
            .response
            .answer
            .as_ref()
            .map(|answer| answer.status.as_u16());
        let (clears, issued) = (outcome.directive == Directive::Clear, issued(outcome));
        let kind = flight.kind.clone();
        if matches!(kind, Kind::SignIn)
            && let Some(token) = &issued
        {
            let (to, at) = (self.signed_in.len(), flight.began);
            self.tokens.insert(token.clone(), to);
            let offer = flight.response.offer.clone();
            let given = Given { to: Some(to), at };
            (self.challenges).extend(offer.map(|offer| (offer, given)));
            self.signed_in.push(SignedIn::default());
        }
        if let (Kind::Register(pen), Some(Told::Cookie { id, .. })) = (&kind, &flight.told) {
            self.registered.insert((id.clone(), *pen));
        }
        let Some(of) = of else { return Ok(()) };
        if let (Kind::Rotate, Some(token)) = (&kind, issued.clone()) {
            self.tokens.insert(token, of);
        }
        let (session, now) = (&mut self.signed_in[of], self.world.now);
        match kind {
            Kind::Page if ends == Some(401) => session.end = Some(now),
            Kind::Page => session.confirmed |= is_bound && !raced && !session.taken,
            Kind::Refresh(_) => session.confirmed |= has_cookie && !raced && !session.taken,
            Kind::SignOut if clears => session.end = Some(now),
            Kind::SignIn if issued.is_some() => session.end = session.end.or(Some(now + GRACE)),
            _ => {}
        }
        let registers = matches!(kind, Kind::Register(_) | Kind::Refresh(_)) && has_cookie;
        if registers && by != By::Browser && !session.taken {
            // A refresh is held to its key at the beginning.
            if was_confirmed && matches!(kind, Kind::Register(_)) {
                return Err("a copy of the jar gets a bound cookie".into());
            }
            session.taken = true;
        }
        Ok(())
    }
}

fn writes(commit: &Commit) -> bool {
    matches!(
        commit,
        Commit::Create(_) | Commit::Replace(_) | Commit::Touch(_) | Commit::Delete(_)
    )
}
