//! The commit's loads: a record's present state.

use cloakroom_core::{Commit, Key};

use crate::around::Around;
use crate::request::{Live, RETRIES, Request};
use crate::step::Fault;
use crate::store::Slot;
use crate::told::letter;
use crate::truth::{Loaded, Truth, Wrong};
use crate::wrong::Mutant;

impl Around {
    /// The machine loads a record again.
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
        if self.environment.mutant != Mutant::NeverLate {
            request.now = self.clock(request.start.node);
        }
        match slot {
            Some(slot) if request.new == Some(slot) => {
                // Withdrawn, or it never was.
                request.new = request.new.filter(|_| found.is_some());
            }
            Some(slot) => self.rebase(request, slot, found.is_some()),
            None => {}
        }
        self.tell(|| {
            let what = match (slot, &found) {
                (Some(slot), Some(_)) => format!("record {}", letter(slot)),
                (Some(slot), None) => format!("record {} is gone", letter(slot)),
                (None, _) => "nothing".to_owned(),
            };
            format!("request {} loads again: {what}", request.id())
        });
        if self.environment.mutant == Mutant::ReplaysOverTheOld
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
        let follows = request.successor == Some(slot);
        let Some(base) = request.base.filter(|base| base.slot == slot || follows) else {
            return;
        };
        request.again = None;
        let truth = self.ledger.entries[slot].truth.filter(|_| found);
        request.successor = None;
        match truth {
            Some(Truth {
                retired: Some(retired),
                ..
            }) => request.successor = (!retired.signs_in).then_some(retired.successor),
            Some(truth) if truth.is_alive(request.now) => {
                request.followed |= follows;
                request.base = Some(Loaded {
                    slot,
                    content: truth.content,
                    ..base
                });
            }
            _ => request.base_gone = true,
        }
    }
}
