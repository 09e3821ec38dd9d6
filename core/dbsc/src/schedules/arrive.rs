//! The answers, as the browser and the thief take them.

use cloakroom_core::{Commit, Directive};

use super::browser::Known;
use super::play::{By, Flight, Kind, Play, Wrong};
use crate::Answer;
use crate::support::issued;

/// The meaning of an answer.
#[derive(Debug)]
pub(super) enum Told {
    Cookie {
        id: String,
        /// The whole pair.
        cookie: String,
        challenge: String,
    },
    Challenge(String),
    /// The browser's session ends.
    End,
    Refused,
}

impl Told {
    pub(super) fn read(answer: &Answer) -> Self {
        let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
        let challenge = answer.headers.get("secure-session-challenge");
        let challenge = challenge.and_then(|line| quoted(line.to_str().ok()?));
        if answer.status != 200 {
            return challenge.map_or(Self::Refused, Self::Challenge);
        }
        let json: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        if json["continue"] == false {
            return Self::End;
        }
        let line = answer.headers.get("set-cookie").expect("a bound cookie");
        let pair = line.to_str().expect("text").split(';').next();
        Self::Cookie {
            id: json["session_identifier"].as_str().expect("an id").into(),
            cookie: pair.expect("a pair").into(),
            challenge: challenge.expect("a challenge"),
        }
    }
}

impl Play {
    /// Ends a request. Its answer arrives, or is lost.
    pub(super) fn finish(&mut self, at: usize, lost: bool) -> Wrong {
        let number = self.flights[at].number;
        if !self.complete(at)? {
            return Ok(());
        }
        let flight = self.flights.remove(at);
        let how = if lost { "is lost" } else { "arrives" };
        self.tell(|| format!("request {number}: its answer {how}"));
        match flight.by {
            _ if lost => {}
            By::Browser => self.arrive(flight),
            By::Thief(copy) => self.fence(copy, flight),
        }
        Ok(())
    }

    /// Everything in flight ends, and arrives.
    pub(super) fn settle(&mut self) -> Wrong {
        while !self.flights.is_empty() {
            self.finish(0, false)?;
        }
        Ok(())
    }

    fn arrive(&mut self, flight: Flight) {
        let Commit::Done(outcome) = &flight.commit else {
            return;
        };
        if let Some(token) = issued(outcome) {
            self.jar.token = Some(token);
        }
        if outcome.directive == Directive::Clear {
            (self.jar.token, self.jar.cookie) = (None, None);
        }
        if let Some(offer) = flight.response.offer {
            self.jar.offers.push(offer.clone());
            self.jar.seen_offers.push(offer);
        }
        let (Some(answer), Some(told)) = (flight.response.answer, flight.told) else {
            return;
        };
        let known = match &flight.kind {
            Kind::Refresh(id) => self.jar.keys.iter().position(|known| known.id == *id),
            _ => None,
        };
        match (flight.kind, told) {
            (
                Kind::Register(pen),
                Told::Cookie {
                    id,
                    cookie,
                    challenge,
                },
            ) => {
                self.jar.cookie = Some((cookie, self.world.now + self.binding.max_age()));
                self.jar.seen.push(challenge.clone());
                self.jar.keys.retain(|known| known.id != id);
                let challenge = Some(challenge);
                self.jar.keys.push(Known { pen, id, challenge });
            }
            (
                Kind::Refresh(_),
                Told::Cookie {
                    cookie, challenge, ..
                },
            ) => {
                // Set-Cookie counts in every response.
                self.jar.cookie = Some((cookie, self.world.now + self.binding.max_age()));
                self.jar.seen.push(challenge.clone());
                if let Some(known) = known {
                    self.jar.keys[known].challenge = Some(challenge);
                }
            }
            (Kind::Refresh(_), Told::Challenge(challenge)) => {
                self.jar.seen.push(challenge.clone());
                if let Some(known) = known {
                    self.jar.keys[known].challenge = Some(challenge);
                }
            }
            // Every 4xx without a challenge ends it, too.
            (Kind::Refresh(_), Told::End | Told::Refused) => {
                if let Some(known) = known {
                    self.jar.keys.remove(known);
                }
            }
            (Kind::Page, _) if answer.headers.contains_key("set-cookie") => self.jar.cookie = None,
            _ => {}
        }
    }

    /// The thief keeps what it got.
    fn fence(&mut self, copy: usize, flight: Flight) {
        let copied = &mut self.copies[copy];
        copied.offers.extend(flight.response.offer);
        match flight.told {
            Some(Told::Challenge(challenge)) => copied.challenge = Some(challenge),
            Some(Told::Cookie {
                id,
                cookie,
                challenge,
            }) => {
                copied.id = Some(id);
                copied.cookie = Some(cookie);
                copied.challenge = Some(challenge);
            }
            _ => {}
        }
    }
}
