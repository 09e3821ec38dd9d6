//! The outcome of a request, and whether it is permitted.

use cloakroom_core::{Directive, Error, Fate, Outcome};

use crate::around::Around;
use crate::model::Issue;
use crate::request::{Request, Told};
use crate::step::Present;
use crate::told::{letter, told_name};
use crate::truth::{Presented, Wrong};
use crate::wrong::Mutant;

impl Around {
    pub(crate) fn done(&mut self, request: &mut Request, outcome: &Outcome) -> Result<(), Wrong> {
        let (fate, mut told) = (outcome.fate, Told::Nothing);
        match &outcome.directive {
            Directive::Keep => {}
            Directive::Clear => told = Told::Clear,
            Directive::Issue(issued) => {
                let token = issued.token.clone();
                match request.new {
                    Some(new) => {
                        self.ledger.entries[new].token = Some(token);
                        told = Told::Token(new);
                    }
                    None if request.change.shows_form() => {
                        request.cookie = Some(token.expose().to_owned());
                        self.form = request.form.take().map(|form| (form, token));
                        told = Told::Form;
                    }
                    None => return Err("a token is issued, and no record was created"),
                }
            }
            _ => return Err("the machine returns an outcome that this driver does not support"),
        }
        let presented = request.found.map(|base| base.slot);
        match (self.environment.mutant, fate, presented) {
            (Mutant::SendsCookieAgain, Fate::Saved, Some(slot)) if told == Told::Nothing => {
                told = Told::Token(slot);
            }
            (Mutant::GoneClearsCookie, Fate::Gone, _) => told = Told::Clear,
            (Mutant::AdoptsTokens, _, _) => {
                if let Told::Token(new) = told
                    && request.start.present == Present::Unknown
                {
                    let _ = new;
                    told = Told::Nothing;
                }
            }
            _ => {}
        }
        self.tell(|| {
            let id = request.id();
            let told = told_name(told);
            format!("request {id} is done: {fate:?}, with {told}")
        });
        request.answer = match told {
            Told::Nothing => request.earlier.or(Some(told)),
            _ => Some(told),
        };
        if request.claiming.is_some() {
            request.answer = None;
        }
        if let Some(found) = request.found.filter(|found| !found.retired) {
            let is_use = !matches!(request.start.present, Present::Listed(_));
            if is_use && fate != Fate::Gone && !request.stale && request.claiming.is_none() {
                self.ledger.entries[found.slot].presented = Presented::Surely;
            }
        }
        self.check_answer(request, fate, told)?;
        self.check_calls(request, outcome)?;
        self.acknowledge(request, fate);
        // A claim that lost is followed by its request's own commit, which extends the life.
        if request.claiming.is_none() {
            self.check_life(request, fate)?;
        }
        self.claimed(request, outcome)?;
        self.resume(request, outcome, told);
        Ok(())
    }

    /// A request has failed: by the machine's word, or because the store stays away.
    pub(crate) fn fail(
        &mut self,
        request: &mut Request,
        error: Option<&Error>,
    ) -> Result<(), Wrong> {
        self.tell(|| {
            let what = error.map_or_else(|| "the store stays away".to_owned(), Error::to_string);
            format!("request {} fails: {what}", request.id())
        });
        if let Some(Error::Superseded) = error {
            if self.environment.mutant == Mutant::SupersededStartsAnew {
                return self.start_anew(request);
            }
            if request.change.destroyed {
                return self.refused_to_end(request);
            }
            return self.refused(request);
        }
        let late = self.now - request.began + 2 * self.skew >= self.hold() || self.is_wild();
        let excused = match error {
            None => request.faults > 0,
            Some(Error::GraceExpired) => late,
            Some(Error::UnknownOutcome) => request.faults > 0,
            Some(Error::Contended) => request.loads > 14 || request.calls > 14 || request.taken > 6,
            Some(_) => false,
        };
        if !excused {
            return Err("a request failed, and nothing was wrong");
        }
        if self.environment.mutant == Mutant::HidesFailures {
            let fate = match request.change.is_modified() {
                true => Fate::Saved,
                false => Fate::Unchanged,
            };
            self.check_answer(request, fate, Told::Nothing)?;
        }
        Ok(())
    }

    /// A sign-out was refused: the session that was presented has been signed in since, and the
    /// token has no right to what it is now.
    fn refused_to_end(&self, request: &Request) -> Result<(), Wrong> {
        let mut living = request.fold.living.iter().flatten();
        let presented = !matches!(request.start.present, Present::Listed(_));
        let crossed = living.any(|base| self.ledger.is_crossed(base));
        match presented && (crossed || request.stale) {
            true => Ok(()),
            false => Err("a request failed, and nothing was wrong"),
        }
    }

    /// A request was refused because a sign-in overtook its changes.
    fn refused(&self, request: &Request) -> Result<(), Wrong> {
        let overtaken =
            |found: crate::truth::Loaded| found.retired || self.ledger.is_overtaken(found.chain);
        let plain = !matches!(request.change.issue, Issue::SignIn(_)) && !request.change.destroyed;
        if !plain || !request.change.has_entries() || !request.found.is_some_and(overtaken) {
            return Err("a request was refused, and no client signed in");
        }
        match request.landed || self.is_there(request) {
            true => Err("a change was refused, and is there all the same"),
            false => Ok(()),
        }
    }

    /// A mutant saves the changes of a rotated token in a session of its own.
    fn start_anew(&mut self, request: &mut Request) -> Result<(), Wrong> {
        let time = request.time();
        let exchange = cloakroom_core::Exchange::open(self.config(), [], time);
        (request.fold, request.tokens) = (crate::truth::Fold::default(), 0);
        request.change = crate::model::Change::new(request.id());
        request.at = 0;
        self.load_on(request, exchange)
    }

    /// Checks the answer against the request's load and changes.
    fn check_answer(&self, request: &Request, fate: Fate, told: Told) -> Result<(), Wrong> {
        let (change, found) = (&request.change, request.found);
        let retired = found.is_some_and(|found| found.retired);
        let superseded = retired || found.is_some_and(|found| found.via) || request.followed;
        let issues = match change.issue {
            _ if change.destroyed => change.creates(),
            Issue::SignIn(_) => true,
            Issue::Rotate if found.is_some() => !superseded,
            _ => found.is_none() && change.creates(),
        };
        // A token that is no session is good enough for a form, unless this request removes it.
        let unknown = request.presents_unknown();
        let form = change.shows_form() && (change.destroyed || !unknown);
        match told {
            Told::Form if !form => {
                return Err("a cookie is issued, and there is no new session");
            }
            Told::Nothing | Told::Clear if form => {
                return Err("a form has no cookie that it can be checked against");
            }
            Told::Clear if !change.destroyed || change.creates() => {
                return Err("a cookie is cleared, and no client signed out");
            }
            Told::Token(_) if !issues => {
                return Err("a cookie is issued, and there is no new session");
            }
            Told::Nothing if change.destroyed && request.presents && !change.creates() => {
                return Err("a sign-out leaves the cookie");
            }
            Told::Nothing if issues && fate == Fate::Saved => {
                return Err("there is a new session, and its token is not issued");
            }
            _ => {}
        }
        let writes = match change.issue {
            _ if change.destroyed => false,
            _ if issues => true,
            Issue::Rotate if found.is_none() => false,
            _ => change.has_entries() || found.is_none() && change.is_modified(),
        };
        // A sign-in was first, and only a new token was left to save.
        let overtaken = |found: crate::truth::Loaded| self.ledger.is_overtaken(found.chain);
        let rotates_only = change.issue == Issue::Rotate && !change.has_entries();
        let yielded = rotates_only && found.is_some_and(overtaken);
        let ended = |found: crate::truth::Loaded| {
            let unsure = self.skew > 0 || request.stale || self.ledger.is_damaged(found.chain);
            // A sign-in with several tokens ends them all, also the record that leads to another.
            unsure || overtaken(found) || !self.ledger.lives(found.chain, self.now)
        };
        match fate {
            Fate::Unchanged if writes && !yielded && request.claiming.is_none() => {
                Err("changes count as unchanged")
            }
            Fate::Superseded => Err("a change was dropped, and the answer is a success"),
            Fate::Gone if writes && !found.is_none_or(ended) => {
                Err("a change was dropped, and its session lives")
            }
            Fate::Saved if !writes && !change.destroyed => {
                Err("a request that changes nothing has saved something")
            }
            Fate::Saved if !self.is_saved(request) => {
                Err("a change was acknowledged, and was not saved")
            }
            Fate::Gone if !change.destroyed && self.is_there(request) => {
                Err("a change was dropped, and is there all the same")
            }
            Fate::Gone if !change.destroyed && change.issue == Issue::No && request.landed => {
                Err("a change was dropped, and had been there")
            }
            _ if fate != Fate::Saved && matches!(told, Told::Token(_)) && !change.destroyed => {
                Err("a token is issued for changes that were not saved")
            }
            _ => Ok(()),
        }
    }

    fn is_saved(&self, request: &Request) -> bool {
        let (change, found) = (&request.change, request.found);
        if change.destroyed {
            return true;
        }
        match (found, change.issue) {
            (None, _) => request
                .new
                .is_none_or(|new| self.ledger.entries[new].was_there()),
            // Another rotation may have been first; but the data of a session that has ended may
            // not be carried on.
            (Some(found), Issue::SignIn(_)) => {
                let carries = request.new.is_some_and(|new| {
                    let truth = self.ledger.entries[new].truth;
                    truth.is_some_and(|truth| truth.content.applied & !request.mark() != 0)
                });
                let old = &self.ledger.entries[found.slot];
                let left = old.truth.is_none() && old.ended && !old.left && !found.retired;
                request.landed
                    || request.stripped
                    || self.ledger.is_overtaken(found.chain) && !(carries && left)
            }
            (Some(_), _) => request.landed,
        }
    }

    /// Whether what the request changed can be seen with some token.
    fn is_there(&self, request: &Request) -> bool {
        let mut entries = self.ledger.entries.iter();
        request.landed
            && entries.any(|entry| {
                let truth = entry.truth.filter(|truth| {
                    let lives = self.now < truth.expires_at && truth.is_alive(request.now);
                    lives && truth.retired.is_none()
                });
                entry.token.is_some()
                    && truth.is_some_and(|truth| truth.content.applied & request.mark() != 0)
            })
    }

    /// No more store calls than promised.
    fn check_calls(&self, request: &Request, outcome: &Outcome) -> Result<(), Wrong> {
        let change = &request.change;
        if request.start.actions[0].is_none() {
            return match request.loads + request.calls == 0 && !outcome.accessed {
                true => Ok(()),
                false => Err("an untouched request calls the store"),
            };
        }
        let found = request.found;
        let rotates = matches!(change.issue, Issue::SignIn(_) | Issue::Rotate)
            && found.is_some_and(|found| !found.retired);
        let rotates = rotates && (change.issue != Issue::Rotate || !found.is_some_and(|f| f.via));
        let whole = outcome.fate == Fate::Saved && !request.stripped;
        let ends = change.destroyed || ends_others(request);
        let promised = match change {
            _ if ends && outcome.conflicts > 0 => 100,
            _ if ends => {
                let living = request.fold.living.iter().flatten();
                let all = living.map(|base| if base.retired { 40 } else { 1 });
                all.sum::<u32>() + u32::from(change.creates())
            }
            _ if rotates && whole => 2,
            _ if rotates => 4,
            // A clock that is set meanwhile shows other times than it did.
            change if !change.is_modified() => u32::from(self.skew > 0 || touches(request)),
            _ => 1,
        };
        let troubles = outcome.conflicts + request.faults + request.taken;
        match request.calls > promised + 6 * troubles {
            true => Err("a request calls the store more often than promised"),
            false => Ok(()),
        }
    }

    /// The consequences of an acknowledgement for other requests.
    fn acknowledge(&mut self, request: &Request, fate: Fate) {
        let signed_in = ends_others(request) && fate == Fate::Saved;
        if !request.change.destroyed && !signed_in {
            return;
        }
        // A clock that jumps during a sign-out hides its duration. A stale read hides its effect
        // from everybody.
        if self.is_wild() || request.stale {
            return;
        }
        let listed = matches!(request.start.present, Present::Listed(_));
        for base in request.fold.living.into_iter().flatten() {
            // A session that a sign-in replaced is out of reach of its former token, even for a
            // sign-in with that token.
            let crossed = !listed && self.ledger.is_crossed(&base);
            if !crossed && !self.ledger.is_damaged(base.chain) {
                let last = match request.start.present {
                    Present::Listed(_) => u8::MAX,
                    _ => base.era,
                };
                self.ledger.end(base.chain, base.era..=last, self.now);
                self.tell(|| format!("session {} has been signed out", letter(base.slot)));
            }
        }
    }

    /// A use of the session extends its life.
    fn check_life(&self, request: &Request, fate: Fate) -> Result<(), Wrong> {
        let Some(found) = request.found.filter(|found| !found.retired) else {
            return Ok(());
        };
        let entry = &self.ledger.entries[found.slot];
        let Some(truth) = entry.truth.filter(|_| !entry.odd_end) else {
            return Ok(());
        };
        let same = truth.content.expiry == found.content.expiry
            && truth.content.created == found.content.created;
        if fate == Fate::Gone || truth.retired.is_some() || !same || self.late_touch {
            return Ok(());
        }
        if self.skew > 0 || request.stale || request.base_gone || request.change.destroyed {
            return Ok(());
        }
        let due = truth.content.expires_at(request.opened);
        let (idle, _) = crate::model::LIFETIMES[usize::from(truth.content.expiry)];
        match truth.expires_at + idle / 10 < due {
            true => Err("a session was used, and will end as if it had not been"),
            false => Ok(()),
        }
    }
}

/// Whether a sign-in was presented with several sessions, so that none of them was trusted: it ends
/// them.
fn ends_others(request: &Request) -> bool {
    let several = request.fold.living[1].is_some();
    several && matches!(request.change.issue, Issue::SignIn(_))
}

/// Returns whether a request that only reads may extend the session's life: if the expiry lags by a
/// tenth of the idle timeout, or another clock set it too late.
fn touches(request: &Request) -> bool {
    let Some(base) = request.found.filter(|base| !base.retired) else {
        return false;
    };
    let (idle, _) = crate::model::LIFETIMES[usize::from(base.content.expiry)];
    let due = |now| base.content.expires_at(now);
    let (first, last) = (
        request.opened.min(request.now),
        request.opened.max(request.now),
    );
    let behind = due(last).saturating_sub(base.expires_at);
    let ahead = base.expires_at.saturating_sub(due(first));
    behind.max(ahead) >= idle / 10
}
