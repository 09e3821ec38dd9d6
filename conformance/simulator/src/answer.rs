//! Answers about writes.

use cloakroom_core::{Commit, Created, Deleted, Error, Replaced};

use crate::around::Around;
use crate::request::Request;
use crate::store::StoreReply;
use crate::wrong::Mutant;

impl Around {
    /// The answer of the store goes to the machine.
    pub(crate) fn answer(
        &self,
        request: &mut Request,
        commit: Commit,
        answer: StoreReply,
    ) -> Result<Commit, Error> {
        let time = request.time();
        match (commit, answer) {
            (Commit::Create(create), StoreReply::Created(answer)) => {
                request.taken += u32::from(answer == Created::Taken);
                create.then(answer, time)
            }
            (Commit::Replace(replace), StoreReply::Replaced(answer)) => replace.then(answer, time),
            (Commit::Touch(touch), StoreReply::Touched(answer)) => touch.then(answer, time),
            (Commit::Delete(delete), StoreReply::Deleted(answer)) => delete.then(answer, time),
            _ => Err(Error::ProtocolMisuse),
        }
    }

    /// The answer to a write was lost. The machine finds out what happened, and a mutant assumes
    /// it.
    pub(crate) fn lost(&self, request: &mut Request, commit: Commit) -> Result<Commit, Error> {
        let time = request.time();
        match (commit, self.environment.mutant) {
            (Commit::Create(create), Mutant::LostCreateIsDone) => {
                create.then(Created::Stored, time)
            }
            (Commit::Create(create), Mutant::LostCreateIsRepeated) => Ok(Commit::Create(create)),
            (Commit::Create(create), _) => create.lost(time),
            (Commit::Replace(replace), Mutant::LostReplaceIsDone) => {
                replace.then(Replaced::Stored, time)
            }
            (Commit::Replace(replace), Mutant::LostReplaceIsConflict) => {
                replace.then(Replaced::Changed, time)
            }
            (Commit::Replace(replace), _) => replace.lost(time),
            (Commit::Touch(touch), _) => touch.lost(time),
            (Commit::Delete(delete), Mutant::LostDeleteIsDone) => {
                delete.then(Deleted::Deleted, time)
            }
            (Commit::Delete(delete), _) => delete.lost(time),
            (other, _) => Ok(other),
        }
    }
}
