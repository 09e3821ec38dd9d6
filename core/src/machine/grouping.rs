//! Saves of one process that are written together: each is replayed over what the one before it
//! would write, and the store gets the last.

use crate::commit::{Reload, ReloadStep, Replace, ReplaceStep};
use crate::pending::TokenChange;
use crate::record::RECENT;
use crate::{Stored, UnixTime};

use super::Machine;

/// The next question of a save that was to join a group: [`Reload::over`].
///
/// ```
/// use cloakroom_core::{Commit, Grouped};
///
/// fn question(grouped: Grouped) -> Commit {
///     match grouped {
///         Grouped::Joins(replace) => Commit::Replace(replace),
///         Grouped::Leaves(reload) => Commit::Reload(reload),
///     }
/// }
/// ```
#[derive(Debug)]
pub enum Grouped {
    /// It joins. This is its write, over the record that it was given.
    Joins(Replace),
    /// It has something else to do. This is its question as it was: ask the store.
    Leaves(Reload),
}

impl Replace {
    /// Returns whether this write may be put off: `then(Replaced::Changed, now)` instead of a call
    /// of the store, if another commit of this process writes the record at the moment. The
    /// question after that [may join a group](Reload::may_join).
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn put_off(replace: Replace, now: UnixTime) -> Result<Commit, Error> {
    ///     match replace.may_join() {
    ///         true => replace.then(Replaced::Changed, now),
    ///         false => Ok(Commit::Replace(replace)),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn may_join(&self) -> bool {
        self.step == ReplaceStep::Save && self.machine.may_join()
    }
}

impl Reload {
    /// How many saves may be written together at most. A record remembers one more writer. So after
    /// a lost answer each of the group finds its mark, and a save outside of it finds the mark of
    /// the writer before the group.
    pub const MOST: usize = RECENT - 1;

    /// Returns whether this is a plain save after a conflict, which may be written together with
    /// others of the same record.
    ///
    /// It is not one if an answer was lost, if the exchange claims a value, changes the token or
    /// signs out, or if another system shares the record (`ConfigBuilder::format`). That system's
    /// records mark only some writes, so a lost answer could not be resolved for each of a group.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn waits(commit: &Commit) -> bool {
    ///     matches!(commit, Commit::Reload(reload) if reload.may_join())
    /// }
    /// ```
    #[must_use]
    pub fn may_join(&self) -> bool {
        matches!(self.step, ReloadStep::Save(None)) && self.machine.may_join()
    }

    /// Replays the changes over this record: the one that the store has, or the one that the save
    /// before this one in its group is to write.
    ///
    /// The store gets only the last write of a group, in the place of the record that it has.
    /// Answer every [`Replace`] of the group with the store's answer, or call
    /// [`lost`](Replace::lost) on each. A group has at most [`MOST`](Self::MOST) of them.
    ///
    /// If the changes need anything but a write of this record, or fail, nothing has happened: the
    /// record given here may never be stored, so nothing is decided by it.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// fn second(first: &Replace, reload: Reload, now: UnixTime) -> Grouped {
    ///     let write = first.write();
    ///     let version = first.old().version;
    ///     let next = Stored::new(write.bytes.clone(), write.expires_at, version);
    ///     reload.over(next, now)
    /// }
    /// ```
    #[must_use = "the question is in it"]
    pub fn over(mut self, found: Stored, now: UnixTime) -> Grouped {
        if !self.may_join() {
            return Grouped::Leaves(self);
        }
        let machine = &mut *self.machine;
        let opener = machine.opener(&self.key);
        let found = machine.config.existing(Some(found), &self.key, opener, now);
        let Some(current) = found.ok().flatten() else {
            return Grouped::Leaves(self);
        };
        let limits = machine.config.settings().limits;
        let journal = &mut machine.pending.journal;
        let replayed = journal.replay(Some(&current.record), limits);
        if current.record.retired.is_some() || replayed.is_err() {
            return Grouped::Leaves(self);
        }
        machine.now = now;
        let before = machine.pending.base.replace(current);
        let write = match machine.is_emptied() {
            true => None,
            false => machine.changed_record().ok(),
        };
        match (write, machine.take_base()) {
            (Some(write), Ok(target)) => Grouped::Joins(Replace {
                machine: self.machine,
                target,
                write,
                step: ReplaceStep::Save,
            }),
            _ => {
                machine.pending.base = before;
                Grouped::Leaves(self)
            }
        }
    }
}

impl Machine {
    fn may_join(&self) -> bool {
        let settings = self.config.settings();
        !self.uncertain
            && self.claim.is_none()
            && !self.pending.destroyed
            && self.pending.token_change == TokenChange::No
            && settings.format.is_none()
    }
}
