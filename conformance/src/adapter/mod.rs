//! The suite for adapters: implement [`Fixture`], then [`run`] it. Needs the feature `adapter`.
//!
//! Every case has its own server, on a real socket, and an
//! [`instrumented`](crate::instrumented) store. That store logs, fails, loses replies and waits on
//! command, so races are reproduced, not hoped for. Each request carries a script for the handler
//! ([`App`]), so a new case needs no change in any adapter. The cases run in these ways, which the
//! output names in brackets:
//!
//! | way | what it shows | when |
//! |---|---|---|
//! | `http1` | all cases of HTTP | [`Ability::Http`] |
//! | `http2` | all but those that need raw sockets | [`Ability::Http2`] |
//! | `messages` | the neutral cases, and those of message clients only | `Http` denied |
//!
//! # Neutral cases
//!
//! Most cases do not depend on HTTP. A client presents a token (or none), and a handler uses the
//! session. The response makes the client keep a token, drop it, or do neither.
//!
//! They cover store calls, values, tokens, lifetimes, sign-in, sign-out, races, lost replies and
//! outages: invariants 1 to 8, 11 and 12, except for headers. They run on every transport, through
//! [`Client`]. Cases that need more than tokens in and a directive out run on HTTP only: cookies,
//! caching, response heads, bodies, statuses and lost connections (most of invariant 10).
//!
//! # Invariants
//!
//! The cases cite these as I1 to I12:
//!
//! 1. A request that does not use its session costs no store call and adds no header.
//! 2. A request that only reads never writes a record, and never sends a cookie that it need not
//!    send.
//! 3. Two requests that change different values both survive; n increments at the same time add n.
//! 4. A session that was signed out stays signed out: nothing in flight brings it back, under any
//!    token.
//! 5. An unknown, malformed or expired token is never adopted, creates nothing, and is never an
//!    error.
//! 6. A response removes the cookie only if its own request signed out. It issues one only for a
//!    sign-in, a rotation, or a creation for a client without a living token.
//! 7. After a rotation the old token never reaches the new privilege, and nothing at all after the
//!    grace or a sign-out. A crash at any point leaves no second reachable privileged token, and
//!    loses no data.
//! 8. A store that fails makes the request fail visibly; it never yields an empty session that is
//!    then saved.
//! 9. A create never overwrites. An unreadable record is an error, and is not overwritten either.
//! 10. Nothing is written before the handler is done, and all before the response's head leaves. A
//!     handler that panics, fails or is cancelled changes nothing; the changes of a response with a
//!     5xx status are dropped, unless configured otherwise.
//! 11. Of two distinct living tokens under one cookie name neither is trusted.
//! 12. Any bytes, from a client or a store: no panic, and a bounded number of store calls.

mod app;
mod cases;
mod claims;
mod fixture;
pub(crate) mod got;
pub(crate) mod http;
mod raw;
pub(crate) mod script;
mod secret_scan;
mod stage;
mod variant;
pub(crate) mod world;

use std::process::ExitCode;
use std::sync::Arc;

pub use app::{App, AppStore, Body, Reply, Second};
pub use claims::{Ability, Claims};
pub use fixture::{Client, Fixture, MessageReply, Server, TokenNotice};
pub use variant::Variant;

pub use crate::store::FixtureError;

use crate::case::{Case, Check, Stop};
use crate::runner::{Suite, Trial};
use fixture::{AnyFixture, Typed};
use world::{Context, Via};

/// Checks an adapter. Call it from `main` in a test without a harness (`harness = false` in
/// `Cargo.toml`).
///
/// Output, exit status and arguments are those of [`store::run`](crate::store::run).
///
/// ```no_run
/// use cloakroom_conformance::adapter::{self, Fixture};
/// use std::process::ExitCode;
///
/// fn check(fixture: impl Fixture) -> ExitCode {
///     adapter::run(fixture)
/// }
/// ```
#[must_use]
pub fn run(fixture: impl Fixture) -> ExitCode {
    suite(fixture).main()
}

/// Returns the cases that check this adapter, for your own runner.
///
/// ```
/// use cloakroom_conformance::adapter::{self, Fixture};
///
/// async fn passes(fixture: impl Fixture) -> bool {
///     adapter::suite(fixture)
///         .run(|outcome| println!("{outcome}"))
///         .await
///         .tally()
///         .failed
///         == 0
/// }
/// ```
#[must_use]
pub fn suite<F: Fixture>(fixture: F) -> Suite {
    suite_under(fixture, Vec::new())
}

/// Returns the same cases, followed by the cases under other configurations: over HTTP/1.1, or by
/// messages where [`Ability::Http`] is denied.
///
/// ```
/// use cloakroom::{Config, TokenFormat};
/// use cloakroom_conformance::Suite;
/// use cloakroom_conformance::adapter::{self, Fixture, Variant};
///
/// fn with_uuids(fixture: impl Fixture) -> Suite {
///     let uuids = || Config::builder().token_format(TokenFormat::UuidV4);
///     let without = |id: &str| {
///         (id == "adapter/token-shape").then_some("a UUID has another shape")
///     };
///     adapter::suite_under(fixture, vec![Variant::new("uuids", uuids, without)])
/// }
/// ```
#[must_use]
pub fn suite_under<F: Fixture>(fixture: F, variants: Vec<Variant>) -> Suite {
    let claims = F::claims(Claims::default());
    let (http, http2) = (
        claims.require(Ability::Http),
        claims.require(Ability::Http2),
    );
    let fixture: Arc<dyn AnyFixture> = Arc::new(Typed { fixture, claims });
    let mut trials = Vec::new();
    let mut add = |checks: Checks<'_>, way: &str, via, variant: &Variant| {
        for check in checks {
            let (fixture, run, base) = (Arc::clone(&fixture), check.run, variant.base.clone());
            let way = format!("{}/{way}", F::NAME);
            trials.push(match (variant.without)(check.case.id) {
                Some(why) => Trial::stopped(check.case, way, Stop::DoesNotApply(why.to_owned())),
                None => Trial::new(check.case, way, move || run(Context { fixture, via, base })),
            });
        }
    };
    let default = Variant::default();
    if let Err(stop) = http {
        add(&mut cases::messages(), "messages", Via::Messages, &default);
        for variant in &variants {
            let way = format!("messages/{}", variant.name);
            add(&mut cases::messages(), &way, Via::Messages, variant);
        }
        trials.push(Trial::stopped(HTTP, format!("{}/http1", F::NAME), stop));
        return prepared(trials);
    }
    add(&mut cases::http1(), "http1", Via::Http1, &default);
    if http2.is_ok() {
        let mut checks = cases::neutral().chain(cases::http());
        add(&mut checks, "http2", Via::Http2, &default);
    }
    for variant in &variants {
        let way = format!("http1/{}", variant.name);
        add(&mut cases::http1(), &way, Via::Http1, variant);
    }
    if let Err(stop) = http2 {
        trials.push(Trial::stopped(HTTP, format!("{}/http2", F::NAME), stop));
    }
    prepared(trials)
}

/// The cases, and before them the ear for secrets in what the adapter logs.
fn prepared(trials: Vec<Trial>) -> Suite {
    Suite::prepared(trials, || {
        secret_scan::listen();
        Box::pin(async { Ok(()) })
    })
}

type Checks<'a> = &'a mut dyn Iterator<Item = &'static Check<Context>>;

/// Returns every case of the suite, in the order in which they run.
///
/// ```
/// use cloakroom_conformance::adapter;
///
/// assert!(adapter::cases().any(|case| case.id == "adapter/commit-before-head"));
/// ```
pub fn cases() -> impl Iterator<Item = Case> {
    cases::all().map(|check| check.case)
}

/// Stands for all cases in a way that the fixture does not offer.
const HTTP: Case = Case {
    id: "adapter/*",
    requirements: &["R35"],
    sentence: "the cases of HTTP hold over every version that the adapter answers",
    source: "RFC 9110, section 2.5",
};
