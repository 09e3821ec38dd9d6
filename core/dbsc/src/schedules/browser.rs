//! The browser, and the thief with copies of its jar.

use http::HeaderMap;

use super::Theft;
use super::arrive::Told;
use super::pen::PENS;
use super::play::{By, Kind, Play, Response, Wrong};
use super::site::COOKIE_LIFE;
use crate::client::value;
use crate::{Policy, Status};

/// A key that the browser registered.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) pen: usize,
    pub(super) id: String,
    pub(super) challenge: Option<String>,
}

/// The browser's memory.
#[derive(Clone, Default)]
pub(super) struct Jar {
    pub(super) token: Option<String>,
    /// The bound cookie, and when the browser drops it.
    pub(super) cookie: Option<(String, u64)>,
    pub(super) keys: Vec<Known>,
    pub(super) offers: Vec<String>,
    /// All that it ever got.
    pub(super) seen_offers: Vec<String>,
    pub(super) seen: Vec<String>,
    /// The registrations that it sent: key, token and offer.
    sent: Vec<(usize, Option<String>, String)>,
    pens: usize,
}

impl Jar {
    pub(super) fn restart(&mut self) {
        for known in &mut self.keys {
            known.challenge = None;
        }
    }

    fn cookie(&self, now: u64) -> Option<String> {
        let (cookie, end) = self.cookie.as_ref()?;
        (now < *end).then(|| cookie.clone())
    }

    fn pen(&mut self) -> usize {
        self.pens = self.pens % (PENS.len() - 1) + 1;
        self.pens
    }
}

/// A copied jar.
pub(super) struct Copied {
    pub(super) token: Option<String>,
    pub(super) cookie: Option<String>,
    pub(super) id: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) offers: Vec<String>,
    pub(super) at: u64,
}

const COPIES: usize = 4;
const THIEF: usize = 0;

impl Play {
    pub(super) fn page(
        &mut self,
        by: By,
        policy: Policy,
        writes: bool,
    ) -> Result<Option<Status>, String> {
        let (token, cookie) = match by {
            By::Browser => (self.jar.token.clone(), self.jar.cookie(self.world.now)),
            By::Thief(copy) => {
                let copied = &self.copies[copy];
                (copied.token.clone(), copied.cookie.clone())
            }
        };
        let cookies = (token.as_deref(), cookie.as_deref());
        self.load(by, cookies, policy, writes)
    }

    /// Registers a new key for the newest offer, or for any that there was.
    pub(super) fn register(&mut self, old: Option<usize>, twice: bool) -> Wrong {
        let seen = self.jar.seen_offers.len();
        let offer = match old {
            Some(old) if seen > 0 => Some(self.jar.seen_offers[old % seen].clone()),
            _ => self.jar.offers.pop(),
        };
        let Some(offer) = offer else { return Ok(()) };
        let (token, pen) = (self.jar.token.clone(), self.jar.pen());
        for _ in 0..=usize::from(twice) {
            self.registers(By::Browser, pen, token.as_deref(), &offer)?;
        }
        self.jar.sent.push((pen, token, offer));
        Ok(())
    }

    /// Repeats a registration.
    pub(super) fn again(&mut self, back: usize) -> Wrong {
        let sent = self.jar.sent.iter().rev().nth(back).cloned();
        let Some((pen, token, offer)) = sent else {
            return Ok(());
        };
        self.registers(By::Browser, pen, token.as_deref(), &offer)
    }

    fn registers(&mut self, by: By, pen: usize, token: Option<&str>, offer: &str) -> Wrong {
        let mut request = HeaderMap::new();
        let jws = PENS[pen].registration(offer);
        request.insert("secure-session-response", value(&jws));
        let kind = Kind::Register(pen);
        self.begin(by, kind, token, |binding, session, now, entropy| Response {
            answer: Some(
                binding
                    .register(&request, session, now, entropy)
                    .expect("a binding that can be read"),
            ),
            ..Response::default()
        })?;
        self.given(offer, true)
    }

    /// Refreshes with a key: with its challenge, with any that there was, or without one.
    pub(super) fn refresh(&mut self, key: usize, old: Option<usize>, twice: bool) -> Wrong {
        if self.jar.keys.is_empty() {
            return Ok(());
        }
        let known = self.jar.keys[key % self.jar.keys.len()].clone();
        let seen = self.jar.seen.len();
        let challenge = match old {
            Some(old) if seen > 0 => Some(self.jar.seen[old % seen].clone()),
            _ => known.challenge,
        };
        let token = self.jar.token.clone();
        for _ in 0..=usize::from(twice) {
            let challenge = challenge.as_deref();
            self.refreshes(
                By::Browser,
                known.pen,
                token.as_deref(),
                &known.id,
                challenge,
            )?;
        }
        Ok(())
    }

    fn refreshes(
        &mut self,
        by: By,
        pen: usize,
        token: Option<&str>,
        id: &str,
        challenge: Option<&str>,
    ) -> Wrong {
        let mut request = HeaderMap::new();
        request.insert("sec-secure-session-id", value(id));
        if let Some(challenge) = challenge {
            let jws = PENS[pen].refresh(challenge);
            request.insert("secure-session-response", value(&jws));
        }
        let kind = Kind::Refresh(id.to_owned());
        self.begin(by, kind, token, |binding, session, now, entropy| Response {
            answer: Some(
                binding
                    .refresh(&request, session, now, entropy)
                    .expect("a binding that can be read"),
            ),
            ..Response::default()
        })?;
        let may = challenge.is_some() && self.registered.contains(&(id.to_owned(), pen));
        self.given(challenge.unwrap_or_default(), may)
    }

    /// If the last answer gives a bound cookie, it was given for this challenge.
    fn given(&self, challenge: &str, may: bool) -> Wrong {
        let flight = self.flights.last().expect("begun");
        match flight.told {
            Some(Told::Cookie { .. }) => self.proved(flight.of, challenge, may),
            _ => Ok(()),
        }
    }

    pub(super) fn copy(&mut self) {
        let key = self.jar.keys.last();
        let copied = Copied {
            token: self.jar.token.clone(),
            cookie: self.jar.cookie(self.world.now),
            id: key.map(|key| key.id.clone()),
            challenge: key.and_then(|key| key.challenge.clone()),
            offers: self.jar.seen_offers.clone(),
            at: self.world.now,
        };
        self.tell(|| "the thief copies the jar".into());
        // The oldest one goes, if none of its requests is on its way.
        let is_used = |by: By| matches!(by, By::Thief(_));
        if self.copies.len() < COPIES {
            self.copies.push(copied);
        } else if !self.flights.iter().any(|flight| is_used(flight.by)) {
            self.copies.remove(0);
            self.copies.push(copied);
        }
    }

    pub(super) fn steal(&mut self, copy: usize, theft: Theft) -> Wrong {
        let by = By::Thief(copy);
        let copied = &self.copies[copy];
        let token = copied.token.clone();
        match theft {
            Theft::Page(policy) => self.page(by, policy, false).map(drop),
            Theft::Disguise => {
                let Some(challenge) = &copied.challenge else {
                    return Ok(());
                };
                let cookie = format!("{}={challenge}", self.binding.cookie_name());
                let cookies = (token.as_deref(), Some(cookie.as_str()));
                self.load(by, cookies, Policy::Refuse, false).map(drop)
            }
            Theft::Register(back) => {
                let offers = copied.offers.len();
                if offers == 0 {
                    return Ok(());
                }
                let offer = copied.offers[offers - 1 - back % offers].clone();
                self.registers(by, THIEF, token.as_deref(), &offer)
            }
            Theft::Refresh { signed } => {
                let Some(id) = copied.id.clone() else {
                    return Ok(());
                };
                let challenge = copied.challenge.clone().filter(|_| signed);
                self.refreshes(by, THIEF, token.as_deref(), &id, challenge.as_deref())
            }
        }
    }

    /// Refreshes with each key until the site answers with a cookie or an end.
    fn renew(&mut self) -> Wrong {
        let keys = self.jar.keys.clone();
        for Known { id, .. } in keys {
            for _ in 0..2 {
                let key = self.jar.keys.iter().position(|known| known.id == id);
                let Some(key) = key else { break };
                if self.jar.cookie(self.world.now).is_some() {
                    break;
                }
                self.refresh(key, None, false)?;
                self.settle()?;
            }
        }
        Ok(())
    }

    /// Returns the status of the browser's page, or `None` after a sign-in.
    pub(super) fn visit(&mut self) -> Result<Option<Status>, String> {
        self.settle()?;
        for _ in 0..2 {
            if self.jar.cookie(self.world.now).is_none() {
                self.renew()?;
            }
            let token = self.jar.token.clone();
            let status = self.page(By::Browser, Policy::Refuse, false)?;
            self.settle()?;
            let of = token.and_then(|token| self.tokens.get(&token).copied());
            match (status, of) {
                (Some(status), _) if !status.is_foreign() => return Ok(Some(status)),
                (Some(_), Some(of)) if !self.signed_in[of].taken => {}
                _ => {
                    self.sign_in()?;
                    self.settle()?;
                    return Ok(None);
                }
            }
        }
        Err("the browser is locked out".into())
    }

    /// The browser gets bound, old copies are refused, and a sign-out ends all.
    pub(super) fn end(&mut self) -> Wrong {
        self.visit()?;
        self.later(31)?;
        let mut status = self.visit()?;
        if status != Some(Status::Bound) {
            self.register(None, false)?;
            status = self.visit()?;
        }
        let of = self
            .jar
            .token
            .as_ref()
            .and_then(|token| self.tokens.get(token));
        let of = *of.ok_or("the browser cannot sign in")?;
        if status != Some(Status::Bound) && !self.signed_in[of].taken {
            return Err("the browser is never bound".into());
        }
        self.later(COOKIE_LIFE)?;
        for copy in 0..self.copies.len() {
            self.steal(copy, Theft::Page(Policy::Refuse))?;
            self.steal(copy, Theft::Register(0))?;
            self.settle()?;
            self.steal(copy, Theft::Refresh { signed: true })?;
            self.settle()?;
        }
        self.visit()?;
        self.sign_out()?;
        self.settle()?;
        let tokens: Vec<_> = self.tokens.keys().cloned().collect();
        for token in tokens {
            self.load(By::Browser, (Some(&token), None), Policy::Observe, false)?;
        }
        self.settle()
    }
}
