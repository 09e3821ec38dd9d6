//! One action of a request: performs the machine's question on the simulated store, perhaps with a
//! fault, and answers it.

use cloakroom_core::{Commit, Created, Error, Exchange, Key, Replaced, Stored, Write};

use crate::around::{Around, Flight};
use crate::model::Issue;
use crate::request::{Live, RETRIES, Request};
use crate::step::{Fault, Id, Present};
use crate::store::{OpRef, Slot, StoreReply};
use crate::told::{answered, ends, naming, record_name};
use crate::truth::{Aim, Presented, Wrong};
use crate::written::{self, NO_SECRET};
use crate::wrong::{Habit, Mutant};

/// The result of a store action.
pub(crate) enum Came {
    StoreReply(StoreReply),
    /// It is unknown whether it happened.
    Unknown,
    /// The store failed for good.
    Failed,
    /// A broken store has done half of it.
    Half,
}

impl Around {
    /// Continues after the opening: runs the handler if no load is needed.
    pub(crate) fn opened(&mut self, request: &mut Request) -> Result<(), Wrong> {
        if let Live::Opening(exchange) = std::mem::replace(&mut request.live, Live::Over) {
            self.load_on(request, exchange)?;
        }
        Ok(())
    }

    pub(crate) fn act(&mut self, request: &mut Request, fault: Fault) -> Result<(), Wrong> {
        request.suffer(fault);
        match std::mem::replace(&mut request.live, Live::Over) {
            Live::Opening(exchange) => self.load(request, exchange, fault),
            Live::Handling(mut exchange) => {
                if self.environment.limited && exchange.signs_in().is_some() {
                    exchange.mark_unpresented();
                    request.marks = true;
                }
                request.now = self.clock(request.start.node);
                let commit = exchange.finish(request.time());
                self.tell(|| format!("the handler of request {} ends", request.id()));
                self.go_on(request, Ok(commit), fault)
            }
            Live::Committing(commit) => self.commit(request, commit, fault),
            live @ (Live::Over | Live::Waiting) => {
                request.live = live;
                Ok(())
            }
        }
    }

    /// The next load, or the handler.
    pub(crate) fn load_on(
        &mut self,
        request: &mut Request,
        mut exchange: Exchange,
    ) -> Result<(), Wrong> {
        let touches = request.start.actions[0].is_some();
        if touches {
            self.recall_epoch(request, &mut exchange)?;
        }
        if touches && exchange.wants_load().is_some() {
            request.live = Live::Opening(exchange);
            return Ok(());
        }
        if request.stale && request.ended {
            // It sees what was signed out, and no store promised otherwise. The model does not
            // follow.
            let id = request.id();
            self.tell(|| format!("request {id} ends: it read a record from before a sign-out"));
            return Ok(());
        }
        if touches {
            return self.handle(request, exchange);
        }
        request.live = Live::Handling(exchange);
        Ok(())
    }

    fn load(
        &mut self,
        request: &mut Request,
        mut exchange: Exchange,
        fault: Fault,
    ) -> Result<(), Wrong> {
        let Some(key) = exchange.wants_load().cloned() else {
            return self.load_on(request, exchange);
        };
        if self.config().epoch_key() == Some(&key) {
            return self.load_epoch(request, exchange, fault);
        }
        request.loads += 1;
        if request.loads > 64 {
            return Err("a request loads without end");
        }
        let empty = self.environment.habit == Habit::FailsAsEmpty
            || self.environment.mutant == Mutant::FailsOpen;
        let found = match fault {
            Fault::None | Fault::Repeat | Fault::Stale => {
                let slot = self.store.find(&key);
                request.stale |= fault == Fault::Stale;
                self.look(request, slot, fault == Fault::Stale)
            }
            _ if empty => {
                if let Some(slot) = self.store.find(&key) {
                    self.fold(request, slot, false);
                }
                None
            }
            Fault::Broken => return self.fail(request, None),
            Fault::Before | Fault::Lost | Fault::Late => {
                self.tell(|| format!("request {}: the store does not answer", request.id()));
                if !request.retry(true) {
                    return self.fail(request, None);
                }
                request.live = Live::Opening(exchange);
                return Ok(());
            }
        };
        request.load_retries = RETRIES;
        self.tell(|| {
            let slot = record_name(request, &found);
            format!("request {} loads: {slot}", request.id())
        });
        let found = match self.environment.mutant {
            Mutant::FollowsNothing if request.first.is_some() && found.is_none() => {
                self.spare.clone()
            }
            _ => found,
        };
        if request.first.is_none() {
            request.first.clone_from(&found);
        }
        match exchange.handle_loaded(&key, found) {
            Ok(()) => self.load_on(request, exchange),
            Err(Error::Contended) if request.loads > 14 => self.fail(request, None),
            Err(_) => Err("a record that the machine wrote cannot be read"),
        }
    }

    /// An opening load, with what the model makes of it.
    fn look(&mut self, request: &mut Request, slot: Option<Slot>, stale: bool) -> Option<Stored> {
        let slot = slot?;
        self.fold(request, slot, stale);
        let (node, time) = (usize::from(request.start.node), self.store_time());
        self.store.load(slot, node, stale, time)
    }

    fn fold(&mut self, request: &mut Request, slot: Slot, stale: bool) {
        let Some(entry) = self.ledger.entries.get_mut(slot) else {
            return;
        };
        request.ended |= entry.ended;
        if entry.presented == Presented::Never {
            entry.presented = Presented::Perhaps;
        }
        let (now, lazy) = (self.now, self.store.lazy);
        let truth = match stale {
            true => entry.before,
            false => entry.truth.filter(|truth| lazy || now < truth.expires_at),
        };
        let at = (slot, entry.chain, entry.era);
        request.fold.load(at, truth, request.opened, self.grace());
    }

    /// Goes on with the answer of the machine: up to the next store action, or the end.
    pub(crate) fn go_on(
        &mut self,
        request: &mut Request,
        next: Result<Commit, Error>,
        fault: Fault,
    ) -> Result<(), Wrong> {
        let mut next = next;
        loop {
            next = match next {
                Ok(Commit::Mint(mint)) => {
                    let mut entropy = self.entropy(request.id(), request.mints);
                    if fault == Fault::Repeat
                        && let Some(other) = self.repeats(request)
                    {
                        let other = self.entropy(other, 0);
                        entropy[..32].copy_from_slice(&other[..32]);
                    }
                    request.mints += 1;
                    if !mint.needs_secrets() {
                        entropy[..48].fill(NO_SECRET);
                    }
                    mint.with(entropy)
                }
                Ok(Commit::Done(outcome)) => return self.done(request, &outcome),
                Ok(commit) => {
                    request.live = Live::Committing(commit);
                    return Ok(());
                }
                Err(error) => return self.fail(request, Some(&error)),
            };
        }
    }

    /// The token that a repeating generator produces: that of the request before, if it was issued
    /// only that one.
    fn repeats(&self, request: &Request) -> Option<Id> {
        let other = request.id().checked_sub(1)?;
        let found = request.found.map(|base| self.ledger.entries[base.slot].by);
        let entries = self.ledger.entries.iter();
        let mut entries = entries.filter(|entry| entry.by == other);
        let issued = entries.next().is_some_and(|entry| entry.token.is_some());
        let alone = entries.next().is_none();
        (issued && alone && found != Some(other) && !request.change.destroyed).then_some(other)
    }

    fn commit(&mut self, request: &mut Request, commit: Commit, fault: Fault) -> Result<(), Wrong> {
        request.calls += u32::from(request.half.is_none());
        if request.calls > 400 {
            return Err("a request never stops calling the store");
        }
        if let Commit::Reload(reload) = &commit {
            let key = reload.key().clone();
            return self.reload(request, commit, &key, fault);
        }
        let came = match &commit {
            Commit::Create(create) => {
                self.check_write(create.write())?;
                let slot = self.create_at(request, create.key());
                request.new = Some(slot);
                request.stripped |= request.base_gone;
                let aim = Aim::Create(request.anew());
                let op = OpRef::Create(create.write());
                self.create(request, slot, aim, op, fault)?
            }
            Commit::Replace(replace) => {
                self.check_write(replace.write())?;
                let Some(slot) = self.store.find(replace.key()) else {
                    return Err("a record is to be replaced that was never created");
                };
                let aim = self.aim(request, slot, replace.write().expires_at.as_secs());
                let op = OpRef::Replace(replace.old(), replace.write());
                let came = self.replace(request, slot, aim, op, fault)?;
                if let (Came::Unknown, Aim::Rewrite(content)) = (&came, aim) {
                    request.again = Some(content);
                }
                came
            }
            Commit::Touch(touch) => {
                let Some(slot) = self.store.find(touch.key()) else {
                    return Err("a record is to be touched that was never created");
                };
                let op = OpRef::Touch(touch.expires_at());
                self.send(request, slot, Aim::Touch, op, fault)?
            }
            Commit::Delete(delete) => {
                let Some(slot) = self.store.find(delete.key()) else {
                    return Err("a record is to be deleted that was never created");
                };
                self.check_delete(request, slot)?;
                let op = OpRef::Delete(delete.old());
                let skips = self.environment.mutant == Mutant::SignsOutOfTheCookieOnly
                    && request.change.destroyed;

                let came = match skips {
                    true => Came::StoreReply(StoreReply::Deleted(cloakroom_core::Deleted::Deleted)),
                    false => self.send(request, slot, Aim::Delete, op, fault)?,
                };
                if let Came::StoreReply(StoreReply::Deleted(answer)) = came
                    && answer != cloakroom_core::Deleted::Changed
                {
                    // Withdrawn.
                    request.new = request.new.filter(|new| *new != slot);
                }
                came
            }
            _ => return Err("the machine asks a question that this driver does not support"),
        };
        if self.environment.mutant != Mutant::NeverLate {
            request.now = self.clock(request.start.node);
        }
        match came {
            Came::Half => {
                request.live = Live::Committing(commit);
                Ok(())
            }
            Came::Failed => self.fail(request, None),
            Came::StoreReply(answer) => {
                let next = self.answer(request, commit, answer);
                self.go_on(request, next, fault)
            }
            Came::Unknown if !request.retry(false) => self.fail(request, None),
            Came::Unknown => {
                let next = self.lost(request, commit);
                self.go_on(request, next, fault)
            }
        }
    }

    /// A create, of a token that may be another's. Randomness that repeats a token whose session
    /// has ended, or ends while the create is under way, is beyond what a store can notice.
    fn create(
        &mut self,
        request: &mut Request,
        slot: Slot,
        aim: Aim,
        op: OpRef<'_>,
        fault: Fault,
    ) -> Result<Came, Wrong> {
        let entry = &self.ledger.entries[slot];
        let ended = entry.truth.is_none_or(|truth| self.now >= truth.expires_at);
        match entry.by == request.id() {
            true => self.send(request, slot, aim, op, fault),
            false if ended || fault == Fault::Late => {
                Ok(Came::StoreReply(StoreReply::Created(Created::Taken)))
            }
            false => self.send(request, slot, aim, op, fault),
        }
    }

    /// Where a record is created: a mutant takes over the token that was presented.
    fn create_at(&mut self, request: &Request, key: &Key) -> Slot {
        let adopts = self.environment.mutant == Mutant::AdoptsTokens
            && request.start.present == Present::Unknown;
        let adopted = adopts.then(|| {
            let token = self.unknown.as_bytes();
            Exchange::open(self.config(), [token], self.store_time())
                .wants_load()
                .cloned()
        });
        let slot = self.store.slot(adopted.flatten().as_ref().unwrap_or(key));
        self.ledger.know(slot, request.id());
        slot
    }

    fn check_write(&mut self, write: &Write) -> Result<(), Wrong> {
        written::check(write, self.environment.sealed, &mut self.nonces)
    }

    /// The purpose of a record's replacement.
    fn aim(&self, request: &mut Request, slot: Slot, expires_at: u64) -> Aim {
        match (request.new, request.base) {
            (Some(new), _) if new == slot => {
                request.stripped |= request.base_gone;
                if let Some(again) = request.again {
                    return Aim::Rewrite(again);
                }
                let base = request.base.filter(|_| !request.base_gone);
                let content = base.as_ref().map(|base| &base.content);
                let (opened, now) = (request.opened, request.now);
                Aim::Rewrite(request.change.anew(content, opened, now))
            }
            (Some(new), _) => Aim::Retire {
                new,
                until: expires_at - self.kept() + self.grace(),
            },
            (None, _) => Aim::Save,
        }
    }

    /// A replace, perhaps altered by a mutant.
    fn replace(
        &mut self,
        request: &mut Request,
        slot: Slot,
        aim: Aim,
        op: OpRef<'_>,
        fault: Fault,
    ) -> Result<Came, Wrong> {
        let stored = Came::StoreReply(StoreReply::Replaced(Replaced::Stored));
        let retires = matches!(aim, Aim::Retire { .. });
        match (self.environment.mutant, op) {
            (Mutant::RetiresNothing, _) if retires => return Ok(stored),
            (Mutant::RotationDeletes, OpRef::Replace(old, _)) if retires => {
                let came = self.send(request, slot, aim, OpRef::Delete(old), fault)?;
                return Ok(match came {
                    Came::StoreReply(answer) if answer.is_done() => stored,
                    Came::StoreReply(_) => {
                        Came::StoreReply(StoreReply::Replaced(Replaced::Changed))
                    }
                    other => other,
                });
            }
            _ => {}
        }
        let came = self.send(request, slot, aim, op, fault)?;
        let gone = matches!(came, Came::StoreReply(StoreReply::Replaced(Replaced::Gone)));
        if gone && retires {
            (request.base_gone, request.again) = (true, None);
        }
        match (self.environment.mutant, op) {
            (Mutant::GoneIsRecreated, OpRef::Replace(_, write)) if gone => {
                self.send(request, slot, aim, OpRef::Create(write), Fault::None)?;
                Ok(stored)
            }
            (Mutant::KeepsDataOfSignedOut, _)
                if gone && retires && matches!(request.change.issue, Issue::SignIn(_)) =>
            {
                Ok(stored)
            }
            _ => Ok(came),
        }
    }

    fn send(
        &mut self,
        request: &mut Request,
        slot: Slot,
        aim: Aim,
        op: OpRef<'_>,
        fault: Fault,
    ) -> Result<Came, Wrong> {
        let id = request.id();
        self.check_times(request, aim, ends(op))?;
        match fault {
            Fault::Before => {
                self.tell(|| {
                    let what = naming(aim, slot);
                    format!("request {id} {what}: it does not happen, and no answer says so")
                });
                return Ok(Came::Unknown);
            }
            Fault::Broken => {
                self.tell(|| format!("request {id} {}: the store fails", naming(aim, slot)));
                return Ok(Came::Failed);
            }
            Fault::Late => {
                let op = op.to_owned();
                self.flights.push(Flight {
                    by: id,
                    slot,
                    aim,
                    op,
                });
                self.tell(|| {
                    let what = naming(aim, slot);
                    format!("request {id} {what}: it hangs, and is abandoned")
                });
                return Ok(Came::Unknown);
            }
            Fault::None | Fault::Lost | Fault::Stale | Fault::Repeat => {}
        }
        let (node, time) = (usize::from(request.start.node), self.store_time());
        let retires = matches!(aim, Aim::Retire { .. });
        let half = &mut request.half;
        let Some(answer) = self.store.write(slot, node, op, retires, half, time) else {
            self.tell(|| format!("request {id} {}: half of it", naming(aim, slot)));
            return Ok(Came::Half);
        };
        self.tell(|| {
            let what = naming(aim, slot);
            let lost = match fault {
                Fault::Lost => ", but the reply is lost",
                _ => "",
            };
            format!("request {id} {what}: {}{lost}", answered(answer))
        });
        if answer.is_done() {
            let now = self.moment();
            if let (OpRef::Create(write), None) = (op, &self.spare) {
                let spare = Stored::new(write.bytes.clone(), write.expires_at, 0);
                self.spare = Some(spare);
            }
            self.ledger.land(request, slot, aim, ends(op), now)?;
        }
        match fault {
            Fault::Lost => Ok(Came::Unknown),
            _ => Ok(Came::StoreReply(answer)),
        }
    }

    /// A request deletes what it was presented, or made itself; and nothing beyond a sign-in.
    fn check_delete(&self, request: &Request, slot: Slot) -> Result<(), Wrong> {
        let may_cross = matches!(request.start.present, Present::Listed(_));
        let entry = &self.ledger.entries[slot];
        let mut living = request.fold.living.iter().flatten();
        let own = living.any(|base| {
            // A listing shows a record before its rotation is done, which then puts it into another
            // chain.
            let base = &self.ledger.entries[base.slot];
            base.chain == entry.chain && (base.era == entry.era || may_cross)
        });
        match own || request.new == Some(slot) || request.stale || self.is_wild() {
            true => Ok(()),
            false => Err("a token ended a session that it has no right to"),
        }
    }

    /// No write may give a session more life than its configuration does.
    fn check_times(&self, request: &Request, aim: Aim, expires_at: u64) -> Result<(), Wrong> {
        let most = match aim {
            Aim::Create(content) | Aim::Rewrite(content) => content.expires_at(request.now),
            Aim::Save => match request.base {
                Some(base) => request.change.over(&base.content).expires_at(request.now),
                None => return Ok(()),
            },
            Aim::Retire { .. } => request.now + self.kept(),
            Aim::Touch => match request.base {
                Some(base) => base.content.expires_at(request.now),
                None => return Ok(()),
            },
            Aim::Delete => return Ok(()),
        };
        match expires_at > most && !self.is_wild() && self.skew == 0 {
            true => Err("a record is to live longer than its session may"),
            false => Ok(()),
        }
    }
}
