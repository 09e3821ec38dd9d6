//! Faults that the schedules put into the protocol. None exists outside of this crate's tests.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    CookieNeverEnds,
    ChallengeNeverEnds,
    /// The challenges of all sessions count.
    TakesOthersChallenges,
    /// A challenge counts as a bound cookie, too.
    OneLabel,
    /// Any key's cookie counts.
    CookieWithoutKey,
    /// All keys of a binding share one identifier.
    IdentifierWithoutKey,
    UnsignedRefresh,
    /// An old challenge ends the browser's session, instead of getting a new one.
    EndsOnOldChallenge,
    RefreshWrites,
    ReplacesConfirmed,
    /// A registration whose answer may be lost is final.
    ConfirmsAtRegistration,
    /// No other key takes the place of one whose answer was lost.
    KeepsFirstKey,
    /// A doubled registration brings back a key whose browser got the key's end.
    ForgetsReplaced,
    NeverConfirms,
    /// The cookie of one key confirms the key that took its place meanwhile.
    ConfirmsAnyKey,
    /// A refused browser keeps the cookie that was refused.
    KeepsRefusedCookie,
    /// The policy that ends the session only refuses.
    EndOnlyRefuses,
    /// The site carries the binding over to the session of the next sign-in.
    #[cfg(test)]
    CrossesSignIn,
    /// The site makes another binding at a rotation.
    #[cfg(test)]
    RotationDropsBinding,
}

#[cfg(test)]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Broken>> = const { std::cell::Cell::new(None) };
}

/// Breaks this thread's protocol from now on.
#[cfg(test)]
pub(crate) fn set(broken: Option<Broken>) {
    BROKEN.set(broken);
}

/// Returns false outside of tests.
#[inline]
pub(crate) fn is(broken: Broken) -> bool {
    #[cfg(test)]
    return BROKEN.get() == Some(broken);
    #[cfg(not(test))]
    {
        let _ = broken;
        false
    }
}
