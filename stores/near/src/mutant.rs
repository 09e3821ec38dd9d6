//! Places in which a test makes the protocol wrong.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    CachesMisses,
    NoMarkers,
    LeaseFromReply,
    KeepsWhatChanged,
    KeepsOwnDeletes,
    KeepsAfterErrors,
    KeepsLaterLoads,
    LeaseNeverEnds,
    FreshFromMemory,
    KeepsAnnounced,
    KeepsAnnouncedLoads,
    KeepsAfterLoss,
    KeepsWhatWasLoadedUnheard,
    KeepsWhenAllChanged,
    RenewsFromTheAnswer,
    RenewsOwnWrites,
    ExpectsTwoEchoes,
}

/// None outside of tests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mutant(#[cfg(test)] pub(crate) Option<Broken>);

impl Mutant {
    pub(crate) fn is(self, broken: Broken) -> bool {
        #[cfg(test)]
        return self.0 == Some(broken);
        #[cfg(not(test))]
        {
            let _ = broken;
            false
        }
    }
}
