//! What a request came to, and whether it may have.

use cloakroom_core::{Directive, Error, Fate, Outcome};

use crate::model::Issue;
use crate::request::{Request, Told};
use crate::told::{letter, told_name};
use crate::truth::Wrong;
use crate::world::Around;
use crate::wrong::Mutant;

impl Around {
    pub(crate) fn done(&mut self, request: &mut Request, outcome: &Outcome) -> Result<(), Wrong> {
        let (fate, mut told) = (outcome.fate, Told::Nothing);
        match &outcome.directive {
            Directive::Keep => {}
            Directive::Clear => told = Told::Clear,
            Directive::Issue(issued) => {
                let Some(new) = request.new else {
                    return Err("a token is issued, and no record was created");
                };
                self.ledger.entries[new].token = Some(issued.token.clone());
                told = Told::Token(new);
            }
            _ => return Err("the machine tells what this driver does not know"),
        }
        let presented = request.found.map(|base| base.slot);
        match (self.ground.mutant, fate, presented) {
            (Mutant::SendsCookieAgain, Fate::Saved, Some(slot)) if told == Told::Nothing => {
                told = Told::Token(slot);
            }
            (Mutant::GoneClearsCookie, Fate::Gone, _) => told = Told::Clear,
            (Mutant::AdoptsTokens, _, _) => {
                if let Told::Token(new) = told
                    && request.start.present == crate::step::Present::Unknown
                {
                    let _ = new;
                    told = Told::Nothing;
                }
            }
            (Mutant::SupersededStartsAnew, Fate::Superseded, _) => {
                return self.start_anew(request);
            }
            _ => {}
        }
        self.tell(|| {
            let id = request.id();
            let told = told_name(told);
            format!("request {id} is done: {fate:?}, with {told}")
        });
        request.answer = Some(told);
        self.check_answer(request, fate, told)?;
        self.check_calls(request, outcome)?;
        self.acknowledge(request);
        self.check_life(request, fate)
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
        let late = self.now - request.began + 2 * self.skew >= self.hold() || self.is_wild();
        let excused = match error {
            None => request.faults > 0,
            Some(Error::Late) => late,
            Some(Error::Uncertain) => request.faults > 0,
            Some(Error::Contended) => request.loads > 14 || request.calls > 14 || request.taken > 6,
            Some(_) => false,
        };
        if !excused {
            return Err("a request failed, and nothing was wrong");
        }
        if self.ground.mutant == Mutant::HidesFailures {
            let fate = match request.change.is_modified() {
                true => Fate::Saved,
                false => Fate::Unchanged,
            };
            self.check_answer(request, fate, Told::Nothing)?;
        }
        Ok(())
    }

    /// A mutant: what a rotated token may not change is saved in a session of its own.
    fn start_anew(&mut self, request: &mut Request) -> Result<(), Wrong> {
        let time = request.time();
        let exchange = cloakroom_core::Exchange::open(self.config(), [], time);
        (request.fold, request.tokens) = (crate::truth::Fold::default(), 0);
        request.change = crate::model::Change::new(request.id());
        let exchange = self.handle(request, exchange)?;
        request.live = crate::request::Live::Handling(exchange);
        Ok(())
    }

    /// Which answers there may be, by what the request found and did.
    fn check_answer(&self, request: &Request, fate: Fate, told: Told) -> Result<(), Wrong> {
        let (change, found) = (&request.change, request.found);
        let retired = found.is_some_and(|found| found.retired);
        let issues = match change.issue {
            _ if change.destroyed => change.creates(),
            Issue::SignIn(_) => true,
            Issue::Rotate if found.is_some() => !retired,
            _ => found.is_none() && change.creates(),
        };
        match told {
            Told::Clear if !change.destroyed || change.creates() => {
                return Err("a cookie is cleared, and nobody signed out");
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
            _ => change.is_modified() && !retired,
        };
        match fate {
            Fate::Unchanged if writes => Err("changes count as unchanged"),
            Fate::Saved if !writes && !change.destroyed => {
                Err("a request that changes nothing has saved something")
            }
            Fate::Saved if !self.is_saved(request) => {
                Err("a change was acknowledged, and was not saved")
            }
            Fate::Superseded | Fate::Gone if !change.destroyed && self.is_there(request) => {
                Err("a change was dropped, and is there all the same")
            }
            Fate::Superseded | Fate::Gone
                if !change.destroyed && change.issue == Issue::No && request.landed =>
            {
                Err("a change was dropped, and had been there")
            }
            _ if fate != Fate::Saved && matches!(told, Told::Token(_)) && !change.destroyed => {
                Err("a token is issued for what was not saved")
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
            // Another rotation may have been first; but the data of a session that has ended may not be carried on.
            (Some(found), Issue::SignIn(_)) => {
                let carries = request.new.is_some_and(|new| {
                    let truth = self.ledger.entries[new].truth;
                    truth.is_some_and(|truth| truth.content.applied & !request.mark() != 0)
                });
                let old = &self.ledger.entries[found.slot];
                let left = old.truth.is_none() && old.ended && !old.left && !found.retired;
                request.landed || request.stripped || !(carries && left)
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
                false => Err("an untouched request asks the store"),
            };
        }
        let found = request.found;
        let rotates = matches!(change.issue, Issue::SignIn(_) | Issue::Rotate)
            && found.is_some_and(|found| !found.retired);
        let whole = outcome.fate == Fate::Saved && !request.stripped;
        let promised = match change {
            _ if change.destroyed && outcome.conflicts > 0 => 100,
            _ if change.destroyed => {
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
            true => Err("a request asks the store more often than promised"),
            false => Ok(()),
        }
    }

    /// What follows for others from an acknowledgement.
    fn acknowledge(&mut self, request: &Request) {
        if !request.change.destroyed {
            return;
        }
        // A clock that jumps while a sign-out waits hides from it how long that took; and what a stale read hides, nobody can
        // follow.
        if self.is_wild() || request.stale {
            return;
        }
        for base in request.fold.living.into_iter().flatten() {
            if !self.ledger.is_damaged(base.chain) {
                self.ledger.end(base.chain, self.now);
                self.tell(|| format!("session {} has been signed out", letter(base.slot)));
            }
        }
    }

    /// Who uses a session extends its life.
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

/// Whether a request that only reads may prolong the session's life: if that lags by a tenth of the idle timeout, or was set too
/// late by another clock.
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
