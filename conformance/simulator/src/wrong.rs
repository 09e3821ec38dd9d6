//! Deliberate faults, to show that the simulator finds them.

/// The ways to get a store wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Habit {
    /// None: it keeps the contract.
    #[default]
    Contract,
    /// A replace does not compare.
    ReplacesWhateverIsThere,
    /// A replace compares, and writes later.
    ComparesThenSwaps,
    /// A replace writes where nothing is.
    ReplacesWhatIsGone,
    /// A replace removes the record, and writes the new one later.
    RemovesThenWrites,
    /// A replace writes the value, and the expiry later.
    WritesExpiryLater,
    /// A replace keeps the old expiry.
    KeepsExpiry,
    /// A create writes over what is there.
    CreatesOverWhatIsThere,
    /// A create looks whether there is something, and writes later.
    LooksThenCreates,
    /// A delete does not compare.
    DeletesWhateverIsThere,
    /// A delete is answered, and does nothing.
    ForgetsToDelete,
    /// A delete of nothing is answered as if there had been something.
    DeletesNothing,
    /// A touch loads the record, and writes it back later over any concurrent change.
    TouchWritesBack,
    /// A touch is answered, and does nothing.
    ForgetsToTouch,
    /// Retired records are not worth keeping.
    ForgetsRetired,
    /// A load that fails finds nothing.
    FailsAsEmpty,
    /// Each node has a cache of its own.
    CachesPerNode,
    /// Of the keys, only the beginning counts.
    CutsKeysShort,
    /// Some writes are answered, and never happen.
    LosesWrites,
    /// An abandoned write is done later without a comparison.
    LandsBlindly,
}

impl Habit {
    /// Every wrong one.
    pub const WRONG: [Self; 19] = [
        Self::ReplacesWhateverIsThere,
        Self::ComparesThenSwaps,
        Self::ReplacesWhatIsGone,
        Self::RemovesThenWrites,
        Self::WritesExpiryLater,
        Self::KeepsExpiry,
        Self::CreatesOverWhatIsThere,
        Self::LooksThenCreates,
        Self::DeletesWhateverIsThere,
        Self::ForgetsToDelete,
        Self::DeletesNothing,
        Self::TouchWritesBack,
        Self::ForgetsToTouch,
        Self::ForgetsRetired,
        Self::FailsAsEmpty,
        Self::CachesPerNode,
        Self::CutsKeysShort,
        Self::LosesWrites,
        Self::LandsBlindly,
    ];
}

/// Faults of a driver: it breaks one rule, by answering for the store or by departing from the
/// machine's question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutant {
    /// None: the driver of the crate `cloakroom`.
    #[default]
    None,
    /// A replace whose answer was lost counts as one that found another record.
    LostReplaceIsConflict,
    /// A replace whose answer was lost counts as done.
    LostReplaceIsDone,
    /// A create whose answer was lost is tried again under the same token.
    LostCreateIsRepeated,
    /// A create whose answer was lost counts as done.
    LostCreateIsDone,
    /// A delete whose answer was lost counts as done.
    LostDeleteIsDone,
    /// A record that is gone is created again, so that the change is not lost.
    GoneIsRecreated,
    /// A change with a rotated token is saved in a new session.
    SupersededStartsAnew,
    /// Every save sends the cookie again.
    SendsCookieAgain,
    /// A session that has ended clears the cookie.
    GoneClearsCookie,
    /// Of two tokens the first counts.
    TrustsFirstToken,
    /// An unknown token is adopted.
    AdoptsTokens,
    /// A load that fails is an empty session.
    FailsOpen,
    /// A save that fails is answered as if it had not.
    HidesFailures,
    /// The machine always gets the time of the request's beginning.
    NeverLate,
    /// A retired record counts whether or not its successor exists.
    FollowsNothing,
    /// A sign-in writes the subject, and keeps the token.
    SignsInWithoutRotation,
    /// A sign-out clears the cookie, and keeps the record.
    SignsOutOfTheCookieOnly,
    /// A handler that failed is saved all the same.
    SavesFailedHandlers,
    /// A counter is read, and written.
    CountsWithoutUpdate,
    /// The changes are replayed over the first load.
    ReplaysOverTheOld,
    /// Reading notes when it was.
    WritesOnRead,
    /// A rotation keeps the old record as it is.
    RetiresNothing,
    /// A rotation deletes the old record at once.
    RotationDeletes,
    /// A lease begins when the answer with the epoch arrives.
    LeasesFromTheAnswer,
    /// A node reads the epoch once.
    ReadsTheEpochOnce,
    /// A node that cannot read the epoch goes on as if nothing had ended.
    EndsNothingOnFailure,
    /// A sign-in takes the data along though the old session has been signed out.
    KeepsDataOfSignedOut,
}

impl Mutant {
    /// Every wrong one.
    pub const WRONG: [Self; 27] = [
        Self::LostReplaceIsConflict,
        Self::LostReplaceIsDone,
        Self::LostCreateIsRepeated,
        Self::LostCreateIsDone,
        Self::LostDeleteIsDone,
        Self::GoneIsRecreated,
        Self::SupersededStartsAnew,
        Self::SendsCookieAgain,
        Self::GoneClearsCookie,
        Self::TrustsFirstToken,
        Self::AdoptsTokens,
        Self::FailsOpen,
        Self::HidesFailures,
        Self::NeverLate,
        Self::FollowsNothing,
        Self::SignsInWithoutRotation,
        Self::SignsOutOfTheCookieOnly,
        Self::SavesFailedHandlers,
        Self::CountsWithoutUpdate,
        Self::ReplaysOverTheOld,
        Self::WritesOnRead,
        Self::RetiresNothing,
        Self::RotationDeletes,
        Self::LeasesFromTheAnswer,
        Self::ReadsTheEpochOnce,
        Self::EndsNothingOnFailure,
        Self::KeepsDataOfSignedOut,
    ];
}
