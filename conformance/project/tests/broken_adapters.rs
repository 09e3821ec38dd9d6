//! Each way to get an adapter wrong fails exactly the cases that are about it.

#[path = "support/broken.rs"]
mod broken;
#[path = "../../../adapters/axum/tests/suite/routes.rs"]
mod routes;

use std::collections::BTreeSet;

use broken::{Broken, Fault};
use cloakroom_conformance::adapter::{self, Fixture};
use cloakroom_conformance::{Report, Suite};

fn run(suite: Suite) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(suite.run(|_| {}))
}

/// One version of HTTP is enough to find a fault.
fn check(fault: Fault, expected: &[&str]) {
    let report = run(adapter::suite(Broken(fault)).only(|name| name.contains("http1")));
    let mut failed: BTreeSet<_> = report.failed().map(|outcome| outcome.case.id).collect();
    if fault == Fault::CommitAfterHead {
        // The end of the body may come before the client is seen to have gone.
        failed.remove("adapter/disconnect-in-the-body");
    }
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    let lines: Vec<_> = report.failed().map(ToString::to_string).collect();
    assert_eq!(failed, expected, "{fault:?} fails:\n{}", lines.join("\n"));
}

fn passes_every_case_and_skips_none(fixture: impl Fixture) {
    let report = run(adapter::suite(fixture));
    let lines: Vec<_> = report.failed().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert_eq!(report.tally().skipped, 0);
    // Two versions of HTTP; of the cases on raw sockets there is one. Transports without headers
    // have two of their own.
    let outcomes = report.outcomes().iter();
    let raw = outcomes.filter(|outcome| outcome.on.ends_with("http1"));
    let raw: BTreeSet<_> = raw.map(|outcome| outcome.case.id).collect();
    let other = [
        "adapter/newer-token-is-told",
        "adapter/newer-token-is-told-to-nobody-else",
    ];
    let all = adapter::cases().map(|case| case.id);
    let all: BTreeSet<_> = all.filter(|id| !other.contains(id)).collect();
    assert_eq!(raw, all);
}

#[test]
fn a_correct_adapter_passes_every_case_and_skips_none() {
    passes_every_case_and_skips_none(Broken(Fault::Nothing));
}

#[test]
fn a_commit_after_the_head_is_found() {
    check(
        Fault::CommitAfterHead,
        &[
            "adapter/commit-before-head",
            // A response without a body never gets there.
            "adapter/cookie-on-every-status",
            "adapter/error-page-of-the-application",
            "adapter/no-write-crosses-a-sign-in",
            "adapter/outage-at-commit",
            // Nor has a body that commits at its end a length, so that the next response on the
            // connection is not found.
            "adapter/pipelined-requests",
            "adapter/private-without-a-cookie",
        ],
    );
}

#[test]
fn a_cookie_on_untouched_requests_is_found() {
    check(
        Fault::CookieOnUntouched,
        &["adapter/untouched-is-untouched"],
    );
}

#[test]
fn a_swallowed_commit_error_is_found() {
    check(
        Fault::SwallowsCommitErrors,
        &[
            "adapter/collisions-are-bounded",
            "adapter/error-page-of-the-application",
            "adapter/no-write-crosses-a-sign-in",
            "adapter/outage-at-commit",
            "adapter/outage-at-create",
            "adapter/outage-at-sign-out",
            "adapter/rotation-cut-at-each-call",
            "adapter/rotation-refused-at-each-call",
        ],
    );
}

#[test]
fn a_missing_vary_is_found() {
    check(
        Fault::NoVary,
        &[
            "adapter/vary-is-merged",
            "adapter/vary-on-access",
            "adapter/vary-on-failure",
            "adapter/vary-on-the-header",
        ],
    );
}

#[test]
fn a_commit_of_a_server_error_is_found() {
    check(
        Fault::CommitsOnServerError,
        &[
            "adapter/handler-error-changes-nothing",
            "adapter/server-error-saves-nothing",
        ],
    );
}

#[test]
fn a_cookie_on_a_superseded_write_is_found() {
    check(
        Fault::CookieOnSuperseded,
        &[
            "adapter/no-needless-cookie",
            "adapter/rotation-keeps-what-is-in-flight",
            "adapter/superseded-write-is-dropped",
            "adapter/two-rotations-one-wins",
        ],
    );
}

#[test]
fn an_eager_load_is_found() {
    check(
        Fault::LoadsEagerly,
        &["adapter/two-cookies", "adapter/untouched-is-untouched"],
    );
}

#[test]
fn a_handler_that_outlives_its_client_is_found() {
    check(
        Fault::OutlivesClient,
        &[
            "adapter/disconnect-changes-nothing",
            "adapter/disconnect-closes-the-session",
            "adapter/disconnects-cost-others-nothing",
        ],
    );
}

#[test]
fn a_place_that_is_lost_with_a_client_that_left_is_found() {
    check(
        Fault::KeepsPlaces,
        &["adapter/disconnects-cost-others-nothing"],
    );
}

#[test]
fn a_session_that_stays_open_when_its_request_is_over_is_found() {
    check(
        Fault::LeavesOpen,
        &[
            "adapter/disconnect-closes-the-session",
            "adapter/late-task-is-closed",
        ],
    );
}

#[test]
fn a_commit_after_a_panic_is_found() {
    check(
        Fault::CommitsAfterPanic,
        &[
            // It answers where it must not.
            "adapter/late-task-is-closed",
            "adapter/panic-changes-nothing",
        ],
    );
}

#[test]
fn an_adapter_that_reads_one_cookie_line_is_found() {
    check(
        Fault::OneCookieLine,
        &["adapter/duplicate-cookies", "adapter/several-cookie-lines"],
    );
}

#[test]
fn a_token_taken_from_the_url_is_found() {
    check(
        Fault::TokenInUrl,
        &[
            "adapter/no-cookie-with-a-header",
            "adapter/token-only-in-the-cookie",
        ],
    );
}

#[test]
fn a_cookie_that_displaces_the_applications_is_found() {
    check(
        Fault::OnlyOwnCookie,
        &[
            "adapter/former-scope-at-sign-in",
            "adapter/former-scope-at-sign-out",
            "adapter/former-scopes-each-have-a-line",
            "adapter/one-line-per-name",
        ],
    );
}

#[test]
fn a_no_store_that_displaces_the_applications_directives_is_found() {
    check(
        Fault::ReplacesCacheControl,
        &["adapter/no-store-with-a-cookie"],
    );
}

#[test]
fn a_cookie_that_is_cleared_without_a_sign_out_is_found() {
    check(
        Fault::ClearsUnknown,
        &[
            "adapter/any-bytes",
            "adapter/bearer-scheme",
            "adapter/cookie-taken-as-it-is",
            "adapter/end-all-ends-all",
            "adapter/expired-record-is-refused",
            "adapter/form-for-strangers-creates-no-record",
            "adapter/handler-error-changes-nothing",
            "adapter/malformed-token-is-free",
            "adapter/server-error-saves-nothing",
            "adapter/sign-in-rotates",
            "adapter/two-living-tokens",
            "adapter/unknown-token-is-not-adopted",
        ],
    );
}
