//! The site's handlers, and the rules that their answers are held to.

use cloakroom_core::Session;
use http::HeaderMap;

use super::play::{By, Given, Kind, Play, Response, Wrong};
use crate::client::{offered, value};
use crate::mutant::{self, Broken};
use crate::support::count;
use crate::{DeviceBinding, Policy, Status};

pub(super) const COOKIE_LIFE: u64 = 600;
const CHALLENGE_LIFE: u64 = 3_600;

impl Play {
    /// Whether something was given to this session, less than a life ago.
    fn holds(&self, given: Option<&Given>, of: Option<usize>, life: u64) -> bool {
        given.is_some_and(|given| given.to == of && self.world.now < given.at + life)
    }

    /// Holds an answer with a bound cookie to the rules.
    pub(super) fn proved(&self, of: Option<usize>, challenge: &str, may: bool) -> Wrong {
        if !may {
            return Err("a bound cookie is given for another key than the registered one".into());
        }
        match self.holds(self.challenges.get(challenge), of, CHALLENGE_LIFE) {
            true => Ok(()),
            false => Err("a bound cookie is given for an old or foreign challenge".into()),
        }
    }

    /// A page's request with these cookies. Returns `None` if the visitor is not signed in.
    pub(super) fn load(
        &mut self,
        by: By,
        (token, cookie): (Option<&str>, Option<&str>),
        policy: Policy,
        writes: bool,
    ) -> Result<Option<Status>, String> {
        let mut request = HeaderMap::new();
        if let Some(cookie) = cookie {
            request.insert("cookie", value(cookie));
        }
        let again = self.world.entropy();
        let mut refused = None;
        let status = self.begin(by, Kind::Page, token, |binding, session, now, entropy| {
            if session.subject().is_none() {
                return Response::default();
            }
            let checked = binding.guard(&request, session, policy, now, entropy);
            let checked = checked.expect("a binding that can be read");
            refused = checked.answer.as_ref().map(|answer| answer.status.as_u16());
            if refused.is_none() && writes {
                count(session);
            }
            let offer = match refused {
                None => binding.offer_again(session, now, again),
                Some(_) => Ok(None),
            };
            let offer = offer.expect("a binding that can be read");
            Response {
                answer: checked.answer,
                offer: offer.map(|offer| offered(offer.to_str().expect("text"))),
                status: Some(checked.status),
            }
        })?;
        let of = token.and_then(|token| self.tokens.get(token)).copied();
        let (Some(status), Some(of)) = (status, of) else {
            return Ok(None);
        };
        let expected = match (status.is_foreign(), policy) {
            (true, Policy::Refuse) => Some(403),
            (true, Policy::End) => Some(401),
            _ => None,
        };
        if refused != expected {
            return Err(format!("{status:?} is answered with {refused:?}"));
        }
        let given = cookie.and_then(|cookie| self.cookies.get(cookie));
        if status == Status::Bound && !self.holds(given, Some(of), COOKIE_LIFE) {
            return Err("an old or foreign bound cookie is accepted".into());
        }
        let session = &self.signed_in[of];
        if session.taken || !session.confirmed {
            return Ok(Some(status));
        }
        if matches!(status, Status::Unbound | Status::Pending) {
            return Err(format!("a session that was bound is {status:?}"));
        }
        if let By::Thief(copy) = by
            && self.world.now >= self.copies[copy].at + COOKIE_LIFE
            && !status.is_foreign()
        {
            return Err("an old copy of the jar is accepted".into());
        }
        Ok(Some(status))
    }

    pub(super) fn rotate(&mut self) -> Wrong {
        let token = self.jar.token.clone();
        let handler = |_: &DeviceBinding, session: &mut Session<'_>, _, entropy: [u8; 64]| {
            if session.subject().is_some() {
                session.rotate();
                if mutant::is(Broken::RotationDropsBinding) {
                    let (id, secret) = (*entropy.first_chunk().expect("64"), [7; 32]);
                    let other = crate::binding::Binding::new(id, secret);
                    session.set_binding(&other.text()).expect("room");
                }
            }
            Response::default()
        };
        self.begin(By::Browser, Kind::Rotate, token.as_deref(), handler)?;
        Ok(())
    }

    pub(super) fn sign_in(&mut self) -> Wrong {
        let token = self.jar.token.clone();
        let handler = |binding: &DeviceBinding, session: &mut Session<'_>, now, entropy| {
            let old = session.binding().expect("text");
            session.sign_in("ada").expect("a subject");
            if let Some(old) = old.filter(|_| mutant::is(Broken::CrossesSignIn)) {
                session.set_binding(&old).expect("room");
            }
            let offer = binding.offer(session, now, entropy).expect("room");
            Response {
                offer: offer.map(|offer| offered(offer.to_str().expect("text"))),
                ..Response::default()
            }
        };
        self.begin(By::Browser, Kind::SignIn, token.as_deref(), handler)?;
        let offered = self.flights.last().map(|flight| &flight.response.offer);
        match offered {
            Some(None) => Err("a sign-in gets no offer".into()),
            _ => Ok(()),
        }
    }

    pub(super) fn sign_out(&mut self) -> Wrong {
        let token = self.jar.token.clone();
        let handler = |_: &DeviceBinding, session: &mut Session<'_>, _, _| {
            session.sign_out();
            Response::default()
        };
        self.begin(By::Browser, Kind::SignOut, token.as_deref(), handler)?;
        Ok(())
    }
}
