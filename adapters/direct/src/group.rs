//! Groups: plain saves of this process that wait for one record are written together.
//!
//! The commit whose turn it is loads the record once. It replays its own changes over it, and those
//! of each that waits over the write before. The store gets the last write, and its answer is the
//! answer for all. The records in between were never there, so to every other reader the saves
//! happened one after the other at one moment.
//!
//! - A save that needs anything but a write of this record, or fails, leaves. It goes on alone over
//!   the record that the store has, so nothing that it decides rests on a write that may fail.
//! - If the answer is lost, or the commit that writes is dropped, each of the others finds out by
//!   itself what has happened: the record remembers more writers than a group has. Until then the
//!   turn is theirs.
//! - A save that is dropped before the write begins is not in it. One that is dropped later stops
//!   nobody.
//! - A near cache is passed by (`load_fresh`). Every store sees what any commit asks: one load, and
//!   one compare-and-swap over the record that it had. So a store that adopts old records needs no
//!   exception. Sealed values are opened and sealed again for each save, under its own nonce.
//!   Records that another system shares stay out (`Reload::may_join`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cloakroom_core::{Commit, Grouped, Key, Reload, Replaced, Stored, Write};
use cloakroom_store::Store;
use tracing::Span;

use crate::Error;
use crate::drive::{Retries, reload_key};
use crate::inner::{Inner, now};
use crate::observe::Operation;
use crate::turns::{Called, Member, Reply, Seat, Turn};

/// How a commit waits for others.
#[derive(Default)]
pub(crate) struct Waiting {
    /// From the first conflict on, and to the end of the commit.
    pub(crate) turn: Option<Arc<Turn>>,
    /// It has left a group, and joins no other.
    alone: bool,
    /// It has waited before, or others have to wait for it.
    again: bool,
    /// How often the changes were made again.
    pub(crate) rebases: u32,
}

impl Waiting {
    /// Others have to wait for this commit.
    pub(crate) fn hurry(&mut self) {
        self.again = true;
    }
}

impl<S: Store> Inner<S> {
    /// Goes on after a conflict of a plain save, alone or with others.
    pub(crate) async fn grouped(
        &self,
        reload: Reload,
        waiting: &mut Waiting,
        retries: &mut Retries,
    ) -> Result<Commit, Error> {
        let reload = match &waiting.turn {
            Some(_) => reload,
            None => {
                let (key, in_front) = (reload.key().clone(), waiting.again);
                waiting.again = true;
                let (seat, kept) = match waiting.alone {
                    true => (None, Some(reload)),
                    false => (Some(self.seat(reload)), None),
                };
                match self.turns.take(key, seat, in_front).await {
                    Called::Turn(turn, reload) => {
                        waiting.turn = Some(turn);
                        let reload = reload.or(kept);
                        reload.ok_or(cloakroom_core::Error::ProtocolMisuse)?
                    }
                    Called::Reply(reply) => return self.replied(reply, waiting, retries),
                }
            }
        };
        let found = reload_key(self, reload.key()).await?;
        match (&waiting.turn, found) {
            // A turn at another record is that of a session that was rotated meanwhile.
            (Some(turn), Some(found)) if !waiting.alone && turn.is_at(reload.key()) => {
                match reload.over(found.clone(), self.now()) {
                    Grouped::Joins(replace) => {
                        let members = gather(turn, &found, replace.write());
                        let Some(write) = members.last().and_then(Member::write) else {
                            return Ok(Commit::Replace(replace));
                        };
                        let start = self.observer.start();
                        let answer = self.store.replace(replace.key(), &found, write).await;
                        self.observer.end(start, Operation::Replace, &answer);
                        match answer {
                            Ok(answer) => {
                                waiting.rebases += u32::from(answer == Replaced::Changed);
                                members.into_iter().for_each(|member| member.answer(answer));
                                Ok(replace.then(answer, self.now())?)
                            }
                            Err(error) => {
                                let error = Arc::new(error);
                                for member in members {
                                    member.lost(Arc::clone(&error));
                                }
                                retries.spend(error)?;
                                Ok(replace.lost(self.now())?)
                            }
                        }
                    }
                    Grouped::Leaves(reload) => Ok(reload.then(Some(found), self.now())?),
                }
            }
            (_, found) => Ok(reload.then(found, self.now())?),
        }
    }

    /// Waits for a turn, alone.
    pub(crate) async fn wait(&self, key: &Key, waiting: &mut Waiting) {
        if waiting.turn.is_none() {
            let in_front = std::mem::replace(&mut waiting.again, true);
            let wait = self.turns.take(key.clone(), None, in_front);
            if let Called::Turn(turn, _) = wait.await {
                waiting.turn = Some(turn);
            }
        }
    }

    fn seat(&self, reload: Reload) -> Seat {
        Seat {
            reload,
            clock: self.clock.clone(),
            span: Span::current(),
        }
    }

    /// Goes on with what another commit did for this one.
    fn replied(
        &self,
        reply: Reply,
        waiting: &mut Waiting,
        retries: &mut Retries,
    ) -> Result<Commit, Error> {
        match reply {
            Reply::Left(reload) => {
                waiting.alone = true;
                Ok(Commit::Reload(reload))
            }
            Reply::Panicked(panic) => std::panic::resume_unwind(panic),
            Reply::Answered(replace, answer) => {
                waiting.rebases += u32::from(answer == Replaced::Changed);
                Ok(replace.then(answer, self.now())?)
            }
            Reply::Lost(replace, failed, turn) => {
                waiting.turn = Some(turn);
                if let Some(error) = failed {
                    retries.spend(error)?;
                }
                Ok(replace.lost(self.now())?)
            }
        }
    }
}

/// Replays those that wait, each over the write before, until the group is full or the next one
/// waits for something else.
fn gather(turn: &Arc<Turn>, found: &Stored, first: &Write) -> Vec<Member> {
    let over = |write: &Write| Stored::new(write.bytes.clone(), write.expires_at, found.version);
    let (mut members, mut next) = (Vec::new(), over(first));
    while members.len() + 1 < Reload::MOST {
        let Some((mut member, seat)) = turn.another() else {
            break;
        };
        let Seat {
            reload,
            clock,
            span,
        } = seat;
        let over_it = next.clone();
        // A panic belongs to the request whose function it is.
        let grouped = catch_unwind(AssertUnwindSafe(|| {
            span.in_scope(|| reload.over(over_it, now(clock.as_ref())))
        }));
        match grouped {
            Ok(Grouped::Joins(replace)) => {
                next = over(member.joins(replace).write());
                members.push(member);
            }
            Ok(Grouped::Leaves(reload)) => member.reply(Reply::Left(reload)),
            Err(panic) => member.reply(Reply::Panicked(panic)),
        }
    }
    members
}
