//! The end of all sessions of an older epoch.

use crate::pending::Loaded;
use crate::{Epoch, Error, Stored};

use super::Machine;

impl Machine {
    /// The number of the epoch is known. It is the last load, so nothing that was read before it
    /// counts for longer than the driver may rely on the number.
    pub(super) fn loaded_epoch(&mut self, found: Option<Stored>) -> Result<(), Error> {
        let epoch = Epoch::read(found.as_ref())?.number();
        self.wants_epoch = false;
        let pending = &mut self.pending;
        let known = || pending.untrusted.iter().chain(pending.base.as_deref());
        // A record proves the epoch that it was written in, if the driver has not noticed it yet.
        let proven = known().map(|loaded| loaded.record.epoch).max();
        let limit = epoch.max(proven.unwrap_or_default());
        // Rule epoch: sessions of an older one are as expired.
        let lives = |loaded: &Loaded| loaded.record.epoch >= limit;
        let all_live = known().all(lives);
        pending.epoch = limit;
        if all_live {
            return Ok(());
        }
        let mut living: Vec<Loaded> = std::mem::take(&mut pending.untrusted);
        living.extend(pending.base.take().map(|base| *base));
        let count = living.len();
        living.retain(lives);
        // The token that is left may not be the last one.
        self.token = self.token.take().filter(|_| count == 1);
        if living.is_empty() {
            let presented = self.candidates.iter();
            pending.unknown = presented.map(|candidate| candidate.key.clone()).collect();
        }
        match living.len() {
            0 | 1 => pending.base = living.pop().map(Box::new),
            _ => pending.untrusted = living,
        }
        Ok(())
    }
}
