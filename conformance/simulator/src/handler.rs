//! The handler of a request. Its reads are compared with the model, and its changes are applied to
//! the session and to the model.

use cloakroom_core::{Error, Exchange, Expiry, Session};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::around::Around;
use crate::model::{Content, LIFETIMES, NOBODY};
use crate::request::Request;
use crate::step::{Action, Present};
use crate::truth::{Loaded, Wrong};
use crate::wrong::Mutant;

pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];
const SUBJECTS: [&str; 3] = ["", "ada", "bob"];

/// All values of a session in one struct.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct View {
    a: Option<u8>,
    b: Option<u8>,
    c: Option<u8>,
}

impl View {
    fn value(&mut self, name: u8) -> &mut Option<u8> {
        match name {
            0 => &mut self.a,
            1 => &mut self.b,
            _ => &mut self.c,
        }
    }
}

/// No error of the session is expected: the values are of the types that they were written with.
fn fine<T>(result: Result<T, cloakroom_core::Error>) -> Result<T, Wrong> {
    result.map_err(|_| "a value of the session cannot be read or written")
}

impl Around {
    pub(crate) fn handle(
        &mut self,
        request: &mut Request,
        mut exchange: Exchange,
    ) -> Result<(), Wrong> {
        let session = fine(exchange.session())?;
        self.end_older(request)?;
        request.base = request.fold.base();
        request.found = request.base;
        if request.fold.is_following() {
            return Err("a token is not good for the old data within the grace");
        }
        if request.fold.looked < request.tokens {
            return Err("a token that was presented was not looked at");
        }
        self.compare(request, &session)?;
        self.check_ends(request)?;
        self.tell(|| {
            let id = request.id();
            match &request.base {
                Some(base) => format!("request {id} sees {}", described(base)),
                None => format!("request {id} sees no session"),
            }
        });
        request.change.inherits = request.presents_unknown() && request.base.is_none();
        self.run(request, exchange)
    }

    pub(crate) fn perform(
        &mut self,
        request: &mut Request,
        exchange: &mut Exchange,
        action: Action,
        base: Option<&Content>,
    ) -> Result<(), Wrong> {
        if action == Action::Discard && self.environment.mutant != Mutant::SavesFailedHandlers {
            exchange.discard_changes();
        }
        let mut session = fine(exchange.session())?;
        let value = request.id() + 1;
        match action {
            Action::Look => {
                if self.environment.mutant == Mutant::WritesOnRead && !session.is_new() {
                    fine(session.insert("seen", value))?;
                }
                let mut view: View = fine(session.typed())?;
                for (n, name) in (0..).zip(NAMES) {
                    if *view.value(n) != fine(session.get(name))? {
                        return Err("a struct of the values has another value");
                    }
                }
            }
            Action::Insert(name) => fine(session.insert(NAMES[usize::from(name)], value))?,
            Action::View(name) => fine(session.update_typed(|view: &mut View| {
                *view.value(name) = Some(value);
            }))?,
            Action::Remove(name) => {
                session.remove(NAMES[usize::from(name)]);
            }
            Action::Count if self.environment.mutant == Mutant::CountsWithoutUpdate => {
                let count: Option<u32> = fine(session.get("n"))?;
                fine(session.insert("n", count.unwrap_or(0) + 1))?;
            }
            Action::Count => {
                fine(session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1))?;
            }
            Action::Clear => session.clear(),
            Action::Rotate => session.rotate(),
            Action::SignIn(subject) => {
                let subject = SUBJECTS[usize::from(subject) % 3];
                let keeps = self.environment.mutant == Mutant::SignsInWithoutRotation;
                match keeps && !session.is_new() {
                    true => fine(session.set_subject(Some(subject)))?,
                    false => fine(session.sign_in(subject))?,
                }
            }
            Action::SignOut => session.sign_out(),
            Action::Belong(subject) => {
                let subject = SUBJECTS[usize::from(subject) % 3];
                let subject = Some(subject).filter(|subject| !subject.is_empty());
                fine(session.set_subject(subject))?;
            }
            Action::Flash => fine(session.flash("f", value))?,
            Action::Flashed => {
                let there = base.filter(|_| request.change.shows(base));
                let wanted = there.map_or(0, |base| base.flash);
                let found: Option<u8> = fine(session.flashed("f"))?;
                if found.unwrap_or(0) != wanted {
                    return Err("the message is not the one that was left");
                }
            }
            Action::Expiry(kind) => fine(session.set_expiry(match kind {
                0 => None,
                kind => {
                    let (idle, absolute) = LIFETIMES[usize::from(kind) % 3];
                    let expiry = Expiry::new().idle(Duration::from_secs(idle));
                    Some(expiry.absolute(Duration::from_secs(absolute)))
                }
            }))?,
            Action::Csrf => self.csrf(request, &mut session)?,
            Action::Discard | Action::Save | Action::Claim(_) => {}
        }
        Ok(())
    }

    fn csrf(&mut self, request: &mut Request, session: &mut Session<'_>) -> Result<(), Wrong> {
        // The seed of a session that this request itself creates or signs in is another question.
        let untouched = !request.change.is_modified();
        let signed_in = request
            .base
            .is_some_and(|base| base.content.authenticated != 0);
        let stranger = request.base.is_none() && request.tokens == 0;
        if let Some((form, cookie)) = self.form.as_ref().filter(|_| untouched) {
            let own = request.cookie.as_deref() == Some(cookie.expose());
            match session.verify_csrf(form) {
                false if stranger && own => return Err("a CSRF token of this session is refused"),
                true if signed_in || stranger && !own => {
                    return Err("a form is accepted from another visitor");
                }
                _ => {}
            }
        }
        let Some(base) = request.base.filter(|_| untouched) else {
            let entropy = std::array::from_fn(|n| request.id().wrapping_mul(17) ^ n as u8);
            request.form = Some(session.csrf_token(entropy));
            return Ok(());
        };
        let seed = base.content.seed;
        if let Some((token, made_from)) = &self.csrf
            && seed != 0
            && session.verify_csrf(token) != (*made_from == seed)
        {
            return Err(match *made_from == seed {
                true => "a CSRF token of this session is refused",
                false => "a CSRF token of another session, or from before the sign-in, is accepted",
            });
        }
        let entropy = std::array::from_fn(|n| request.id().wrapping_mul(31) ^ n as u8);
        let token = session.csrf_token(entropy);
        self.csrf = Some((token, seed)).filter(|_| seed != 0);
        Ok(())
    }

    /// The session's contents and the model's.
    fn compare(&self, request: &Request, session: &Session<'_>) -> Result<(), Wrong> {
        let Some(base) = request.base else {
            if session.is_new() {
                return Ok(());
            }
            let ended = |slot: &usize| self.ledger.entries[*slot].ended;
            let presented = self.presented(request);
            return Err(match presented.iter().flatten().any(ended) {
                true => "a session is seen that was signed out",
                false if request.ended_with_all => "a session is seen that ended with all others",
                false if request.start.present == Present::Unknown => {
                    "an unknown token was adopted"
                }
                false if request.fold.living[1].is_some() => {
                    "of two sessions that were presented one is trusted"
                }
                false => "a session is seen that has expired, or never was",
            });
        };
        if session.is_new() {
            return Err("a living session is not seen");
        }
        let content = &base.content;
        let subject = session.subject().unwrap_or_default();
        if subject != SUBJECTS[usize::from(content.subject) % 3] {
            return Err(match content.subject {
                NOBODY => "a token reaches a privilege that it was not issued for",
                _ => "the session is not the subject's",
            });
        }
        self.compare_values(request, session, content)?;
        let authenticated = session
            .authenticated_at()
            .map_or(0, cloakroom_core::UnixTime::as_secs);
        if authenticated != content.authenticated {
            return Err("the time of the sign-in is another");
        }
        if session.created_at().as_secs() != content.created {
            return Err("the absolute timeout counts from another moment");
        }
        Ok(())
    }

    fn compare_values(
        &self,
        request: &Request,
        session: &Session<'_>,
        content: &Content,
    ) -> Result<(), Wrong> {
        let listed = matches!(request.start.present, Present::Listed(_));
        if session.is_sealed() != (self.environment.sealed && listed) {
            return Err("values are sealed with their token, or open without it");
        }
        if session.is_sealed() {
            return match session.get::<u8>("n") {
                Err(Error::Sealed) => Ok(()),
                _ => Err("values are sealed with their token, or open without it"),
            };
        }
        for (name, value) in NAMES.iter().zip(content.values) {
            let found: Option<u8> = fine(session.get(name))?;
            if found.unwrap_or(0) != value {
                return Err("a value is not the one that was saved");
            }
        }
        let count: Option<u32> = fine(session.get("n"))?;
        match count.unwrap_or(0) {
            found if found < content.count => Err("an increment is lost"),
            found if found > content.count => {
                Err("an increment was counted twice, or was not to be saved")
            }
            _ => Ok(()),
        }
    }

    fn presented(&self, request: &Request) -> [Option<usize>; 2] {
        let of = |id| {
            let mut entries = self.ledger.entries.iter();
            entries.position(|entry| entry.by == id && entry.token.is_some())
        };
        let jar = self.jars[usize::from(request.start.client)];
        match request.start.present {
            Present::Jar => [jar, None],
            Present::Of(id) => [of(id), None],
            Present::Both(id) => [jar, of(id)],
            _ => [None, None],
        }
    }
}

fn described(base: &Loaded) -> String {
    let Content {
        values,
        count,
        subject,
        ..
    } = base.content;
    let kind = if base.retired { "the retired" } else { "the" };
    let whose = match SUBJECTS[usize::from(subject) % 3] {
        "" => "nobody's",
        subject => subject,
    };
    let mut text = format!("{kind} session {}: {whose}", crate::told::letter(base.slot));
    for (name, value) in NAMES.iter().zip(values).filter(|(_, value)| *value != 0) {
        text += &format!(", {name} of request {}", value - 1);
    }
    if count > 0 {
        text += &format!(", counted to {count}");
    }
    text
}
