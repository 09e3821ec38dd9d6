//! The suite for stores: implement [`Fixture`], then [`run`] it.
//!
//! Every case runs on its own place, in up to four ways. The output names the way in brackets:
//!
//! | way | how the case reaches the store | when |
//! |---|---|---|
//! | `direct` | through one handle | always |
//! | `shared-store` | through a `SharedStore` | always |
//! | `handles` | through two handles in turns | [`Claims::handles_by_clone`], [`Claims::handles_by_open`] |
//! | `processes` | in turns through a handle here and one in another process | [`Claims::shared`] |
//!
//! Cases about an ability run only if the fixture [claims](Claims) it.

/// The example of a claim, for its documentation.
macro_rules! example {
    ($fixture:literal, $claim:literal) => {
        concat!(
            "```\n# use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, Outage};\n",
            "# use std::time::Duration;\nfn claims<F: ",
            $fixture,
            ">(claims: Claims<F>) -> Claims<F> {\n    claims.",
            $claim,
            "\n}\n```"
        )
    };
}

mod ability;
mod announcing;
mod cases;
mod context;
mod enumerating;
mod fixture;
mod handle;
mod operation;
mod place;
mod race;
mod stale;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;

pub use ability::Ability;
pub use fixture::{Attach, Claims, Fixture, Outage};
pub use place::{FixtureError, Place};
pub use worker::worker;

use crate::case::Case;
use crate::runner::{Suite, Trial};
use context::{AnyFixture, Context, Typed, Via};

/// Checks a store: for `main` in a test without a harness (`harness = false` in `Cargo.toml`).
///
/// Prints a line for each case, and the requirement and source of each failure. The last line has
/// the sums. The exit status is 1 if a case failed, if none ran, or, with `CONFORMANCE_REQUIRE=all`
/// in the environment, if one was skipped. Takes the arguments of a test program: parts of names to
/// select, `--exact`, `--skip`, `--list`. A name must contain one of the parts, and each of those
/// after `--only`.
///
/// ```no_run
/// use cloakroom_conformance::store::{self, Fixture};
/// use std::process::ExitCode;
///
/// fn check(fixture: impl Fixture) -> ExitCode {
///     store::run(fixture)
/// }
/// ```
#[must_use]
pub fn run(fixture: impl Fixture) -> ExitCode {
    suite(fixture).main()
}

/// Returns the cases that check this store, for your own runner.
///
/// ```
/// use cloakroom_conformance::store::{self, Fixture};
///
/// async fn passes(fixture: impl Fixture) -> bool {
///     store::suite(fixture)
///         .run(|outcome| println!("{outcome}"))
///         .await
///         .tally()
///         .failed
///         == 0
/// }
/// ```
#[must_use]
pub fn suite<F: Fixture>(fixture: F) -> Suite {
    assert!(
        !worker::is_child(),
        "`store::worker` for `{}` must be called first in `main`, before its suite is made",
        F::NAME,
    );
    let claims = Arc::new(F::claims(Claims::none()));
    let fixture: Arc<dyn AnyFixture> = Arc::new(Typed { fixture, claims });
    let ways = [
        ("direct", Via::Direct, None),
        ("shared-store", Via::Shared, None),
        ("handles", Via::Handles, Some(Ability::Handles)),
        ("processes", Via::Processes, Some(Ability::Shared)),
    ];
    let mut trials = Vec::new();
    for (way, via, ability) in ways {
        let on = format!("{}/{way}", F::NAME);
        if let Some(Err(stop)) = ability.map(|ability| fixture.require(ability)) {
            trials.push(Trial::stopped(WAY, on, stop));
            continue;
        }
        for check in cases::all() {
            let (fixture, run) = (Arc::clone(&fixture), check.run);
            let start = move || run(Context::new(fixture, via));
            trials.push(Trial::new(check.case, on.clone(), start));
        }
    }
    Suite::prepared(trials, move || {
        Box::pin(async move { fixture.prepare().await })
    })
}

/// Returns every case of the suite, in the order in which they run.
///
/// ```
/// use cloakroom_conformance::store;
///
/// assert!(store::cases().any(|case| case.id == "store/create-never-overwrites"));
/// ```
pub fn cases() -> impl Iterator<Item = Case> {
    cases::all().map(|check| check.case)
}

/// Stands for all cases in a way that the fixture does not offer.
const WAY: Case = Case {
    id: "store/*",
    requirements: &["R53", "R61"],
    sentence: "every case also holds through two handles on the same data, and through two processes",
    source: "cloakroom_store::Store, \"also against other processes\"",
};
