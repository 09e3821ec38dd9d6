//! A write that the store carries out, by what it is for.

use crate::model::Issue;
use crate::request::Request;
use crate::store::Slot;
use crate::truth::{Aim, Ledger, Retired, Truth, Wrong};

impl Ledger {
    /// A write was carried out.
    pub(crate) fn land(
        &mut self,
        request: &mut Request,
        slot: Slot,
        aim: Aim,
        expires_at: u64,
        (now, keep): (u64, u64),
    ) -> Result<(), Wrong> {
        let truth = self.entries[slot].truth;
        match aim {
            Aim::Create(content) => {
                if truth.is_none_or(|truth| now >= truth.expires_at) && !self.entries[slot].ended {
                    self.put(slot, content, expires_at);
                    self.entries[slot].marked = request.marks;
                }
            }
            Aim::Rewrite(content) => {
                if truth.is_some() {
                    self.put(slot, content, expires_at);
                }
            }
            Aim::Save => {
                if let Some(truth) = truth.filter(|truth| truth.retired.is_none())
                    && truth.content.applied & request.mark() == 0
                {
                    let content = request.change.over(&truth.content);
                    if let Some(claim) = &mut request.claiming {
                        claim.took = truth.content.values[usize::from(claim.name)];
                    }
                    self.put(slot, content, expires_at);
                    request.landed = true;
                }
            }
            Aim::Retire { new, until } => {
                if let Some(old) = truth.filter(|truth| truth.retired.is_none()) {
                    self.retire(request, slot, &old, new, until, expires_at, (now, keep))?;
                }
            }
            Aim::Touch => {
                let entry = &mut self.entries[slot];
                if let Some(truth) = &mut entry.truth {
                    entry.odd_end |= expires_at < truth.expires_at;
                    truth.expires_at = expires_at;
                    let base = request.base.map(|base| base.content.expiry);
                    entry.odd_end |= base != Some(truth.content.expiry);
                    // A touch compares nothing, and this one knew of no retirement.
                    let kept = truth.retired.map_or(0, |retired| retired.kept);
                    entry.damaged |= expires_at < kept;
                }
            }
            Aim::Delete => {
                let entry = &mut self.entries[slot];
                entry.before = entry.truth.take();
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "both records, and their times")]
    fn retire(
        &mut self,
        request: &mut Request,
        slot: Slot,
        old: &Truth,
        new: Slot,
        until: u64,
        expires_at: u64,
        (now, keep): (u64, u64),
    ) -> Result<(), Wrong> {
        let successor = self.entries[new]
            .truth
            .filter(|truth| now < truth.expires_at);
        // To a clock that is wrong the old session had expired: then nothing of it was to be
        // carried on.
        if let Some(successor) = successor.filter(|_| !request.stripped) {
            let (opened, now) = (request.opened, successor.content.created);
            let wanted = request.change.anew(Some(&old.content), opened, now);
            if !successor.content.is_like(&wanted) {
                return Err("the old record is retired, and the new one lacks its data");
            }
        }
        let signs_in = matches!(request.change.issue, Issue::SignIn(_));
        let entry = &mut self.entries[slot];
        entry.overtaken |= signs_in;
        entry.before = entry.truth;
        entry.truth = Some(Truth {
            content: old.content,
            expires_at,
            retired: Some(Retired {
                successor: new,
                until,
                kept: now + keep,
                signs_in,
            }),
        });
        // A write that took too long: sign-outs may miss it.
        entry.damaged |= expires_at < now + keep;
        let (chain, era, ended) = (entry.chain, entry.era, entry.ended);
        let entry = &mut self.entries[new];
        (entry.chain, entry.era) = (chain, era + u8::from(signs_in));
        entry.ended |= ended && !signs_in;
        request.landed = true;
        Ok(())
    }
}
