//! Loads of the commit: what became of a record meanwhile.

use cloakroom_core::{Commit, Key};

use crate::request::{Live, RETRIES, Request};
use crate::step::Fault;
use crate::store::Slot;
use crate::told::letter;
use crate::truth::{Base, Wrong};
use crate::world::Around;
use crate::wrong::Mutant;

impl Around {
    /// The machine wants to see a record again.
    pub(crate) fn reload(
        &mut self,
        request: &mut Request,
        commit: Commit,
        key: &Key,
        fault: Fault,
    ) -> Result<(), Wrong> {
        match fault {
            Fault::None | Fault::Repeat | Fault::Stale => {}
            Fault::Broken => return self.fail(request, None),
            Fault::Before | Fault::Lost | Fault::Late => {
                if !request.retry(true) {
                    return self.fail(request, None);
                }
                request.live = Live::Committing(commit);
                return Ok(());
            }
        }
        request.load_retries = RETRIES;
        let Commit::Reload(reload) = commit else {
            return Ok(());
        };
        let slot = self.store.find(key);
        let (node, time) = (usize::from(request.start.node), self.store_time());
        let mut found = slot.and_then(|slot| self.store.load(slot, node, false, time));
        if self.ground.mutant != Mutant::NeverLate {
            request.now = self.clock(request.start.node);
        }
        if let Some(slot) = slot.filter(|slot| request.new != Some(*slot)) {
            self.rebase(request, slot, found.is_some());
        }
        self.tell(|| {
            let what = match (slot, &found) {
                (Some(slot), Some(_)) => format!("record {}", letter(slot)),
                (Some(slot), None) => format!("record {} is gone", letter(slot)),
                (None, _) => "nothing".to_owned(),
            };
            format!("request {} loads again: {what}", request.id())
        });
        if self.ground.mutant == Mutant::ReplaysOverTheOld
            && let (Some(first), Some(found)) = (&request.first, &mut found)
            && slot != request.new
        {
            found.bytes = first.bytes.clone();
        }
        let next = reload.then(found, request.time());
        self.go_on(request, next, fault)
    }

    /// The session's own record was loaded again.
    fn rebase(&mut self, request: &mut Request, slot: Slot, found: bool) {
        let Some(base) = request.base.filter(|base| base.slot == slot) else {
            return;
        };
        request.again = None;
        let truth = self.ledger.entries[slot].truth.filter(|_| found);
        match truth {
            Some(truth) if truth.retired.is_some() => {}
            Some(truth) if truth.is_alive(request.now) => {
                request.base = Some(Base {
                    content: truth.content,
                    ..base
                });
            }
            _ => request.base_gone = true,
        }
    }
}
