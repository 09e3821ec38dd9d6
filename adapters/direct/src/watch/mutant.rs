//! Faults that the tests put into the table of watched sessions. None exists outside of them.

#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An error of the store counts as the end.
    EndsOnError,
    /// A rotation counts as a sign-out.
    EndsOnRotation,
    /// A session that a sign-in replaced counts as alive.
    CrossesSignIn,
    /// A hint that arrives during a look is covered by that look.
    HintsCoveredByLook,
    /// Lost hints are not made up for.
    IgnoresLost,
    /// Nothing is looked at without a hint.
    TrustsHints,
    /// The lease begins with the answer of a look.
    LeaseFromReply,
    /// A look of unknown outcome counts as one that found the session living.
    ErrorsConfirm,
    /// A look that hangs is waited for.
    WaitsForLook,
    /// The answer of an earlier look counts for the present one.
    TakesOldAnswers,
    /// A missing record is an end, however long nothing was seen of it.
    TrustsLateMisses,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Mutant(#[cfg(test)] pub(crate) Option<Broken>);

/// Whether this table is broken in the given way.
macro_rules! is {
    ($mutant:expr, $broken:ident) => {{
        #[cfg(test)]
        {
            $mutant.0 == Some(crate::watch::mutant::Broken::$broken)
        }
        #[cfg(not(test))]
        {
            let _ = $mutant;
            false
        }
    }};
}

pub(crate) use is;
