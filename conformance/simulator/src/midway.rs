//! The acts of a handler before it ends: it saves and goes on, or claims a value. Each is a commit
//! of its own, and so a request of its own to the model, with a number that follows from the
//! request's.

use cloakroom_core::{Claimed, Commit, Exchange, Fate, Outcome};

use crate::around::Around;
use crate::handler::NAMES;
use crate::model::Change;
use crate::request::{Live, Request, Told};
use crate::step::{Action, Fault, Id, Start};
use crate::store::Slot;
use crate::told::letter;
use crate::truth::{Loaded, Wrong};
use crate::world::World;

/// The first number that a client's request does not have.
pub(crate) const MIDWAY: Id = 20;
/// The claims have numbers from here on.
const CLAIMS: Id = 40;
const NOTHING: [Option<Action>; 3] = [None; 3];

/// A commit that begins while a handler runs.
pub(crate) enum Next {
    Claim(u8, Commit),
    /// The changes are saved: the handler goes on with this exchange, of this record.
    Resume(Exchange, Option<Slot>),
}

/// A claim that is under way.
#[derive(Default)]
pub(crate) struct Claiming {
    /// The request whose handler waits for it.
    pub(crate) parent: Id,
    pub(crate) name: u8,
    /// The value that its write took out, in truth.
    pub(crate) took: u8,
    pub(crate) won: Option<Claimed>,
}

impl Around {
    /// The calls of a handler, until one waits for the store or there are no more.
    pub(crate) fn run(
        &mut self,
        request: &mut Request,
        mut exchange: Exchange,
    ) -> Result<(), Wrong> {
        while let Some(action) = request.next_action() {
            let base = request.base.map(|base| base.content);
            match action {
                Action::Save => {
                    if request.change.is_modified() && request.id() < MIDWAY {
                        if exchange.will_resume().is_err() {
                            return Err("a value of the session cannot be read or written");
                        }
                        request.saves = true;
                        break;
                    }
                }
                Action::Claim(name) => {
                    if let Some(commit) = self.claim(request, &exchange, name)? {
                        request.next = Some(Next::Claim(name, commit));
                        request.held = Some(exchange);
                        request.live = Live::Waiting;
                        return Ok(());
                    }
                }
                action => self.perform(request, &mut exchange, action, base.as_ref())?,
            }
            request.change.note(action, base.as_ref());
        }
        let modified = exchange
            .session()
            .is_ok_and(|session| session.is_modified());
        if modified != request.change.is_modified() {
            return Err(match request.change.is_modified() {
                true => "a change was not noticed",
                false => "a request that changes nothing would write",
            });
        }
        request.live = Live::Handling(exchange);
        Ok(())
    }

    /// The commit of a claim, if there is such a value.
    fn claim(
        &self,
        request: &mut Request,
        exchange: &Exchange,
        name: u8,
    ) -> Result<Option<Commit>, Wrong> {
        request.now = self.clock(request.start.node);
        let Ok(commit) = exchange.claim(NAMES[usize::from(name)], request.time()) else {
            return Err("a value of the session cannot be read or written");
        };
        let base = request.base.filter(|_| !request.change.destroyed);
        let there = base.is_some_and(|base| base.content.values[usize::from(name)] != 0);
        match (&commit, there) {
            (None, true) => return Err("a claim found no value, and it is there"),
            (Some(_), false) => return Err("a value was claimed that is not there"),
            _ => {}
        }
        let first = request.id() < MIDWAY && !std::mem::replace(&mut request.claims, true);
        Ok(commit.filter(|_| first))
    }

    /// After a commit: a handler that saved goes on.
    pub(crate) fn resume(&mut self, request: &mut Request, outcome: &Outcome, told: Told) {
        let goes_on = matches!(outcome.fate, Fate::Saved | Fate::Unchanged);
        if !request.saves || !goes_on {
            return;
        }
        let slot = match told {
            Told::Token(new) => Some(new),
            _ if request.change.destroyed => None,
            _ => request.base.map(|base| base.slot),
        };
        let exchange = Exchange::resume(self.config(), outcome, request.time());
        request.answer = None;
        request.earlier = Some(told);
        request.followed = outcome.superseded;
        request.next = Some(Next::Resume(exchange, slot));
    }

    /// The result of a claim.
    pub(crate) fn claimed(
        &mut self,
        request: &mut Request,
        outcome: &Outcome,
    ) -> Result<(), Wrong> {
        let Some(claim) = &mut request.claiming else {
            return match &outcome.claimed {
                Some(_) => Err("a value was claimed that is not there"),
                None => Ok(()),
            };
        };
        let name = usize::from(claim.name);
        let took = claim.took;
        let left = request.base.filter(|_| !request.base_gone);
        let left = left.map_or(0, |base| base.content.values[name]);
        claim.won = outcome.claimed.as_deref().cloned();
        let won = match &claim.won {
            Some(claimed) => claimed.get::<u8>().ok().flatten().unwrap_or(0),
            None if took != 0 => return Err("a claim took a value, and does not have it"),
            None if outcome.fate == Fate::Unchanged && left != 0 => {
                return Err("a claim found no value, and it is there");
            }
            None => return Ok(()),
        };
        // Sign-ins at the same time, or with a token that one has replaced, make sessions of their
        // own, each with the values.
        let key = claim.won.as_ref().map(Claimed::key);
        let slot = key.and_then(|key| self.store.find(key));
        let chain = slot.map_or(usize::MAX, |slot| self.ledger.entries[slot].chain);
        let taken = (chain, claim.name, won);
        if won == 0 || self.taken.contains(&taken) {
            return Err("a value was claimed twice");
        }
        if won != took {
            return Err("a claim has another value than it took");
        }
        self.taken.push(taken);
        let (id, by) = (request.id() - CLAIMS, NAMES[name]);
        self.tell(|| format!("request {id} has claimed {by} of request {}", won - 1));
        Ok(())
    }

    /// The handler goes on after its claim.
    fn after_claim(
        &mut self,
        request: &mut Request,
        won: Option<(u8, Claimed)>,
        fails: bool,
    ) -> Result<(), Wrong> {
        let Some(mut exchange) = request.held.take() else {
            return Ok(());
        };
        if let (Some((name, claimed)), Some(base)) = (won, request.base) {
            let name = usize::from(name);
            let slot = self.store.find(claimed.key());
            let (node, time) = (usize::from(request.start.node), self.store_time());
            let seen = slot.filter(|_| !fails);
            let found = seen.and_then(|slot| self.store.load(slot, node, false, time));
            let truth = slot.and_then(|slot| self.ledger.entries[slot].truth);
            let truth = truth.filter(|truth| {
                found.is_some() && truth.retired.is_none() && truth.is_alive(request.opened)
            });
            exchange.after_claim(&claimed, found);
            match (slot, truth) {
                (Some(slot), Some(truth)) => {
                    let base = Loaded {
                        slot,
                        content: truth.content,
                        expires_at: truth.expires_at,
                        via: base.via || slot != base.slot,
                        ..base
                    };
                    request.change.rebase(&base.content);
                    request.base = Some(base);
                    request.found = Some(base);
                    request.fold.living[0] = Some(base);
                }
                // Its own commit finds out whether the session still lives.
                _ => request.change.lose(name, &base.content),
            }
        }
        self.run(request, exchange)
    }
}

impl World {
    /// How many requests clients have sent.
    pub(crate) fn started(&self) -> usize {
        let requests = self.requests.iter();
        requests.filter(|request| request.id() < MIDWAY).count()
    }

    /// The commits that a request has begun or ended while a handler runs.
    pub(crate) fn midway(&mut self, place: usize) -> Result<(), Wrong> {
        let request = &mut self.requests[place];
        match request.next.take() {
            Some(Next::Claim(name, commit)) => {
                let mut claim = request.claiming(name);
                self.around.go_on(&mut claim, Ok(commit), Fault::None)?;
                self.add(claim);
                self.midway(self.requests.len() - 1)?;
            }
            Some(Next::Resume(exchange, slot)) => {
                let mut rest = request.resumed(exchange, slot);
                let id = request.id();
                self.around.tell(|| match slot {
                    Some(slot) => format!("request {id} has saved {}, and goes on", letter(slot)),
                    None => format!("request {id} has saved, and goes on"),
                });
                self.around.opened(&mut rest)?;
                self.add(rest);
            }
            None => {}
        }
        let Some(request) = self.requests.get_mut(place) else {
            return Ok(());
        };
        if !matches!(request.live, Live::Over) {
            return Ok(());
        }
        let Some(claim) = request.claiming.take() else {
            return Ok(());
        };
        // A store that failed before fails at the load after the claim too.
        let fails = request.faults > 0;
        let Some(parent) = self.place(claim.parent) else {
            return Ok(());
        };
        let won = claim.won.map(|claimed| (claim.name, claimed));
        let parent_request = &mut self.requests[parent];
        self.around.after_claim(parent_request, won, fails)?;
        self.midway(parent)
    }

    fn add(&mut self, request: Request) {
        self.places[usize::from(request.id())] = u8::try_from(self.requests.len()).ok();
        self.requests.push(request);
    }

    /// The process dies that serves a request, and what waits for it or is waited for.
    pub(crate) fn crash(&mut self, place: usize) {
        let request = &mut self.requests[place];
        request.live = Live::Over;
        let parent = request.claiming.take().map(|claim| claim.parent);
        if let Some(parent) = parent.and_then(|parent| self.place(parent)) {
            self.requests[parent].live = Live::Over;
            self.requests[parent].held = None;
        }
    }
}

impl Request {
    fn next_action(&mut self) -> Option<Action> {
        let action = self.start.actions.get(self.at).copied().flatten()?;
        self.at += 1;
        Some(action)
    }

    /// The commit of its claim.
    fn claiming(&self, name: u8) -> Self {
        let mut actions = NOTHING;
        actions[0] = Some(Action::Claim(name));
        let id = self.id() + CLAIMS;
        let start = Start {
            id,
            actions,
            ..self.start
        };
        let mut claim = Self::without(start, self.opened, self.began);
        claim.now = self.now;
        (claim.presents, claim.stale, claim.ended) = (self.presents, self.stale, self.ended);
        (claim.base, claim.found, claim.fold) = (self.base, self.base, self.fold);
        claim.followed = self.followed;
        claim.change = Change::new(id);
        if let Some(base) = &self.base {
            claim.change.lose(usize::from(name), &base.content);
        }
        claim.claiming = Some(Claiming {
            parent: self.id(),
            name,
            ..Claiming::default()
        });
        claim
    }

    /// The rest of its handler, after a save.
    fn resumed(&mut self, exchange: Exchange, slot: Option<Slot>) -> Self {
        let mut actions = NOTHING;
        let rest = self.start.actions.into_iter().skip(self.at);
        actions
            .iter_mut()
            .zip(rest)
            .for_each(|(to, from)| *to = from);
        actions[0] = actions[0].or(Some(Action::Look));
        let start = Start {
            id: self.id() + MIDWAY,
            present: crate::step::Present::Jar,
            actions,
            ..self.start
        };
        let mut rest = Self::new(start, exchange, self.now, self.began);
        rest.presents = true;
        rest.tokens = slot.is_some().into();
        rest.fold.presented = [slot, None];
        rest.followed = self.followed;
        rest.earlier = self.earlier;
        rest.claims = true;
        rest
    }
}
