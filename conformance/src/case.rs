use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use cloakroom_store::StoreError;

/// A case: one requirement, checked in one way.
///
/// ```
/// for case in cloakroom_conformance::store::cases() {
///     println!("{} {} ({})", case.id, case.sentence, case.source);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// `suite/what-it-shows`, in kebab-case. Ids are stable: a case that changes its meaning gets
    /// another one.
    pub id: &'static str,
    /// The requirements (`R53`) and invariants (`I3`) that it shows.
    pub requirements: &'static [&'static str],
    /// The requirement in one sentence.
    pub sentence: &'static str,
    /// Where the requirement comes from: a section of a standard, a CVE, the documentation of a
    /// trait.
    pub source: &'static str,
}

impl fmt::Display for Case {
    /// `id  requirements  sentence  [source]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            requirements,
            sentence,
            source,
        } = self;
        let requirements = requirements.join(" ");
        write!(f, "{id:<52} {requirements:<12} {sentence} [{source}]")
    }
}

/// A case and how it is checked, in a suite whose checks need a `C` to work on.
pub(crate) struct Check<C> {
    pub(crate) case: Case,
    pub(crate) run: fn(C) -> Running,
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send>>;

/// Why a check ended before its end.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The requirement is not met. The text gives the difference.
    Failed(String),
    /// The check could not run, and no fixture denied it.
    Skipped(String),
    /// The implementation states that the requirement does not concern it, and why.
    DoesNotApply(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(format!("the store answered with an error: {error}"))
    }
}

/// The abilities that a fixture claims, or denies with a reason.
#[derive(Debug)]
pub(crate) struct Stated<A>(BTreeMap<A, Option<&'static str>>);

impl<A> Default for Stated<A> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A: Ord + fmt::Display> Stated<A> {
    pub(crate) fn claim(&mut self, ability: A) {
        self.0.insert(ability, None);
    }

    pub(crate) fn deny(&mut self, ability: A, reason: &'static str) {
        self.0.insert(ability, Some(reason));
    }

    pub(crate) fn require(&self, ability: A) -> Result<(), Stop> {
        match self.0.get(&ability) {
            Some(None) => Ok(()),
            Some(Some(reason)) => Err(Stop::DoesNotApply((*reason).to_owned())),
            None => Err(Stop::Skipped(format!(
                "the fixture neither claims nor denies `{ability}`"
            ))),
        }
    }
}

/// Ends the check as failed.
pub(crate) fn fail<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(what.into()))
}

/// Fails unless `holds`.
pub(crate) fn ensure(holds: bool, what: impl Into<String>) -> Result<(), Stop> {
    if holds { Ok(()) } else { fail(what) }
}

/// Fails unless `got` is `want`. For what may be shown: never for keys and values.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, want: T) -> Result<(), Stop> {
    if got == want {
        Ok(())
    } else {
        fail(format!("{what}: expected {want:?}, got {got:?}"))
    }
}

/// Writes a table of checks without the boilerplate of each entry.
///
/// `"id" => function, ["R01", ..], "source", "sentence";`, with `invariant 3` for the adapter
/// suite's own.
macro_rules! checks {
    ($context:ty: $($id:literal => $run:path, [$($requirement:literal),+],
        $($source:literal)? $(invariant $number:literal)?, $sentence:literal;)+) => {
        pub(super) const CHECKS: &[$crate::case::Check<$context>] = &[$($crate::case::Check {
            case: $crate::case::Case {
                id: $id,
                requirements: &[$($requirement),+],
                sentence: $sentence,
                source: concat!(
                    $($source)?
                    $("cloakroom_conformance::adapter, invariant ", $number)?
                ),
            },
            run: |context| Box::pin($run(context)),
        }),+];
    };
}
pub(crate) use checks;
