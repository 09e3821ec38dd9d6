use std::fmt;
use std::ops::AddAssign;

use crate::case::{Case, Stop};

/// The result of one case on one implementation.
///
/// `Display` is the suite's output: a line and, if the case failed, its requirement and source.
///
/// ```
/// use cloakroom_conformance::{Outcome, Verdict};
///
/// fn failed(outcome: &Outcome) -> bool {
///     matches!(outcome.verdict, Verdict::Failed(_))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// The implementation and the way: `memory/direct`.
    pub on: String,
    /// The result.
    pub verdict: Verdict,
}

/// The result of a case.
///
/// ```
/// use cloakroom_conformance::Verdict;
///
/// assert_ne!(Verdict::Passed, Verdict::Skipped("no server".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The requirement is met.
    Passed,
    /// The requirement is not met, in this.
    Failed(String),
    /// The case did not run, for this reason, and no fixture denied it.
    Skipped(String),
    /// The implementation states that the case does not concern it, for this reason. Shown, and not
    /// counted.
    DoesNotApply(String),
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(what) => Self::Failed(what),
            Stop::Skipped(why) => Self::Skipped(why),
            Stop::DoesNotApply(why) => Self::DoesNotApply(why),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = name(&self.case, &self.on);
        match &self.verdict {
            Verdict::Passed => write!(f, "ok      {name}"),
            Verdict::Skipped(why) => write!(f, "skipped {name}: {why}"),
            Verdict::DoesNotApply(why) => write!(f, "n/a     {name}: {why}"),
            Verdict::Failed(what) => {
                let requirements = self.case.requirements.join(", ");
                writeln!(f, "FAILED  {name}")?;
                writeln!(f, "        {what}")?;
                writeln!(
                    f,
                    "        required ({requirements}): {}",
                    self.case.sentence
                )?;
                write!(f, "        source: {}", self.case.source)
            }
        }
    }
}

pub(super) fn name(case: &Case, on: &str) -> String {
    format!("{}[{on}]", case.id)
}

/// The results of a suite. `Display` repeats the failures in short.
///
/// ```
/// use cloakroom_conformance::store::{self, Fixture};
///
/// async fn failures(fixture: impl Fixture) -> Vec<&'static str> {
///     let report = store::suite(fixture).run(|_| {}).await;
///     report.failed().map(|outcome| outcome.case.id).collect()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(super) fn new(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes }
    }

    /// Returns every outcome, in order.
    ///
    /// ```
    /// use cloakroom_conformance::Report;
    ///
    /// fn cases(report: &Report) -> Vec<&str> {
    ///     report.outcomes().iter().map(|outcome| outcome.case.id).collect()
    /// }
    /// ```
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Returns the outcomes of the cases that failed.
    ///
    /// ```
    /// use cloakroom_conformance::Report;
    ///
    /// fn is_good(report: &Report) -> bool {
    ///     report.failed().next().is_none()
    /// }
    /// ```
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)))
    }

    /// Returns how many cases passed, failed and were skipped.
    ///
    /// ```
    /// use cloakroom_conformance::Report;
    ///
    /// fn last_line(report: &Report) -> String {
    ///     report.tally().to_string()
    /// }
    /// ```
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for outcome in &self.outcomes {
            match outcome.verdict {
                Verdict::Passed => tally.passed += 1,
                Verdict::Failed(_) => tally.failed += 1,
                Verdict::Skipped(_) => tally.skipped += 1,
                Verdict::DoesNotApply(_) => {}
            }
        }
        tally
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failed = self.failed().peekable();
        if failed.peek().is_some() {
            writeln!(f, "\nfailures:")?;
        }
        failed.try_for_each(|outcome| writeln!(f, "    {}", name(&outcome.case, &outcome.on)))
    }
}

/// How many passed, failed and were skipped. `Display` is a suite's last line.
///
/// ```
/// use cloakroom_conformance::Tally;
///
/// let mut tally = Tally { passed: 3, failed: 0, skipped: 1 };
/// tally += Tally { passed: 2, failed: 0, skipped: 0 };
/// assert_eq!(tally.to_string(), "5 passed, 0 failed, 1 skipped");
/// assert_eq!(tally.reason_to_fail(false), None);
/// assert!(tally.reason_to_fail(true).is_some());
/// assert!(Tally::default().reason_to_fail(false).is_some());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases whose requirement is met.
    pub passed: usize,
    /// Cases whose requirement is not met.
    pub failed: usize,
    /// Cases that did not run.
    pub skipped: usize,
}

impl Tally {
    /// Returns why a run with these numbers has failed, or `None` if it passed. Reasons: a failure,
    /// no case at all, or a skip with `CONFORMANCE_REQUIRE=all`.
    ///
    /// ```
    /// use cloakroom_conformance::Tally;
    ///
    /// let tally = Tally { passed: 3, failed: 1, skipped: 0 };
    /// assert_eq!(tally.reason_to_fail(false), Some("some failed"));
    /// ```
    #[must_use]
    pub fn reason_to_fail(self, all: bool) -> Option<&'static str> {
        if self.failed > 0 {
            Some("some failed")
        } else if all && self.skipped > 0 {
            Some("some were skipped, and CONFORMANCE_REQUIRE=all allows for none")
        } else if self.passed == 0 {
            Some("no test was executed")
        } else {
            None
        }
    }

    /// Returns whether the environment has `CONFORMANCE_REQUIRE=all`.
    ///
    /// ```
    /// # use cloakroom_conformance::Tally;
    /// let required =
    ///     std::env::var("CONFORMANCE_REQUIRE").is_ok_and(|what| what == "all");
    /// assert_eq!(Tally::all_required(), required);
    /// ```
    #[must_use]
    pub fn all_required() -> bool {
        std::env::var_os("CONFORMANCE_REQUIRE").is_some_and(|what| what == "all")
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
