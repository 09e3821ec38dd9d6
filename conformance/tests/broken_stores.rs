//! Each way to get a store wrong fails exactly the cases that are about it, in every run.

#[path = "support/model/mod.rs"]
mod model;

use std::collections::BTreeSet;

use cloakroom_conformance::{Report, store};
use model::{Fault, Models};

/// The case whose result depends on how fast the store is.
const THROUGHPUT: &str = "store/cancelled-load";

/// Runs the suite on a broken store: in all three ways, or directly.
fn run(fault: Fault, ways: fn(&str) -> bool) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(store::suite(Models::with(fault)).only(ways).run(|_| {}))
}

fn check(fault: Fault, expected: &[&str]) {
    // A fault is in the store itself. The one in its handles has a test of its own. The case about
    // throughput takes seconds and both processors: it runs where the fault is about it.
    let report = match expected.contains(&THROUGHPUT) {
        true => run(fault, |name| name.ends_with("/direct]")),
        false => run(fault, |name| {
            name.ends_with("/direct]") && !name.starts_with(THROUGHPUT)
        }),
    };
    let failed: BTreeSet<_> = report.failed().map(|outcome| outcome.case.id).collect();
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    let lines: Vec<_> = report.failed().map(ToString::to_string).collect();
    assert_eq!(failed, expected, "{fault:?} fails:\n{}", lines.join("\n"));
}

#[test]
fn a_correct_store_passes_every_case_and_skips_none() {
    let report = run(Fault::Nothing, |_| true);
    let failed: Vec<_> = report.failed().map(ToString::to_string).collect();
    assert_eq!(failed, [""; 0], "{}", failed.join("\n"));
    assert_eq!(report.tally().skipped, 0);
    // Three ways: directly, through a `SharedStore`, and through two handles. Abilities that need
    // another process are denied.
    let denied = 3;
    assert_eq!(report.tally().passed, 3 * store::cases().count() - denied);
}

#[test]
fn a_cache_in_each_handle_is_found_with_two_handles_only() {
    let report = run(Fault::CachePerHandle, |_| true);
    let id = "store/commits-are-seen-at-once";
    let seen = report.failed().filter(|outcome| outcome.case.id == id);
    assert!(seen.map(|outcome| &outcome.on).eq(["model/handles"]));
}

#[test]
fn a_replace_that_writes_where_nothing_is_is_found() {
    check(
        Fault::ReplaceUpserts,
        &[
            "store/race-delete-overtakes-replace",
            "store/race-replace-or-delete",
            "store/race-replace-overtakes-delete",
            "store/replace-gone-writes-nothing",
            "store/replace-of-expired-is-gone",
        ],
    );
}

#[test]
fn a_replace_that_does_not_compare_is_found() {
    check(
        Fault::ReplaceIgnoresOld,
        &[
            "store/directory-follows-writes",
            "store/epoch-has-one-order",
            "store/race-increments-all-count",
            "store/race-replace-or-delete",
            "store/race-replaces-have-one-winner",
            "store/replace-knows-a-recreated-record",
            "store/replace-knows-a-stale-record",
        ],
    );
}

#[test]
fn a_replace_that_removes_before_it_writes_is_found() {
    check(
        Fault::ReplaceRemovesFirst,
        &[
            "store/cancel-replace",
            "store/epoch-has-one-order",
            "store/race-delete-overtakes-replace",
            "store/race-increments-all-count",
            "store/race-replaces-have-one-winner",
            "store/replace-hides-nothing",
            "store/replace-in-one-step",
        ],
    );
}

#[test]
fn a_replace_that_writes_the_value_and_then_the_expiry_is_found() {
    check(
        Fault::ReplaceWritesExpiryLater,
        &["store/replace-in-one-step"],
    );
}

#[test]
fn a_replace_that_keeps_the_old_expiry_is_found() {
    check(
        Fault::ReplaceKeepsExpiry,
        &[
            "store/cancel-touch",
            "store/expiry-as-last-written",
            "store/expiry-in-the-past",
            "store/replace-in-one-step",
            "store/replace-writes-over-what-was-loaded",
            "store/round-trip-expiry",
            "store/touch-disturbs-no-replace",
        ],
    );
}

#[test]
fn a_store_that_ignores_the_expiry_is_found() {
    check(
        Fault::ExpiryIgnored,
        &[
            "store/create-over-expired",
            "store/delete-of-expired-is-gone",
            "store/directory-hides-expired",
            "store/enumerate-hides-expired",
            "store/expiry-as-last-written",
            "store/expiry-in-the-past",
            "store/expiry-to-the-second",
            "store/replace-of-expired-is-gone",
            "store/sweep-keeps-its-limit",
            "store/sweep-removes-only-expired",
            "store/sweep-spares-new-records",
            "store/touch-of-expired-is-gone",
        ],
    );
}

#[test]
fn a_store_whose_records_live_a_second_too_long_is_found() {
    check(
        Fault::ExpiryASecondLate,
        &[
            "store/create-over-expired",
            "store/delete-of-expired-is-gone",
            "store/directory-hides-expired",
            "store/enumerate-hides-expired",
            "store/expiry-as-last-written",
            "store/expiry-to-the-second",
            "store/replace-of-expired-is-gone",
            "store/sweep-keeps-its-limit",
            "store/sweep-removes-only-expired",
            "store/touch-of-expired-is-gone",
        ],
    );
}

#[test]
fn a_store_that_takes_more_than_30_days_for_the_past_is_found() {
    check(
        Fault::LongLifetimesEnd,
        &[
            "store/epoch-has-one-order",
            "store/epoch-stays",
            "store/expiry-after-400-days",
            "store/expiry-at-the-end-of-time",
            "store/sweep-removes-only-expired",
        ],
    );
}

#[test]
fn a_compare_and_swap_that_is_not_atomic_is_found() {
    check(
        Fault::CompareThenSwap,
        &[
            "store/epoch-has-one-order",
            "store/race-delete-overtakes-replace",
            "store/race-deletes-have-one-winner",
            "store/race-increments-all-count",
            "store/race-replace-or-delete",
            "store/race-replace-overtakes-delete",
            "store/race-replaces-have-one-winner",
        ],
    );
}

#[test]
fn a_create_that_overwrites_is_found() {
    check(
        Fault::CreateOverwrites,
        &[
            "store/create-never-overwrites",
            "store/create-race-has-one-winner",
            "store/directory-follows-writes",
            "store/epoch-has-one-order",
        ],
    );
}

#[test]
fn a_create_that_looks_and_then_writes_is_found() {
    check(
        Fault::CreateChecksFirst,
        &[
            "store/create-race-has-one-winner",
            "store/epoch-has-one-order",
        ],
    );
}

#[test]
fn a_create_that_an_expired_record_keeps_away_is_found() {
    check(
        Fault::CreateMindsExpired,
        &[
            "store/create-over-expired",
            "store/directory-hides-expired",
            "store/expiry-in-the-past",
            "store/sweep-spares-new-records",
        ],
    );
}

#[test]
fn a_delete_that_does_not_compare_is_found() {
    check(
        Fault::DeleteIgnoresOld,
        &[
            "store/create-over-expired",
            "store/delete-only-what-was-loaded",
            "store/directory-revokes-as-listed",
            "store/durable-over-reopening",
            "store/race-delete-overtakes-replace",
            "store/race-replace-or-delete",
            "store/race-replace-overtakes-delete",
        ],
    );
}

#[test]
fn a_delete_that_answers_and_keeps_the_record_is_found() {
    check(
        Fault::DeleteForgets,
        &[
            "store/commits-are-seen-at-once",
            "store/create-after-delete",
            "store/delete-gone",
            "store/delete-removes-the-record",
            "store/directory-follows-writes",
            "store/directory-lists-at-once",
            "store/directory-revokes-as-listed",
            "store/durable-over-reopening",
            "store/feed-announces-removals",
            "store/feed-ends-with-its-connection",
            "store/keys-are-opaque",
            "store/keys-are-whole",
            "store/keys-differ-in-case",
            "store/race-delete-overtakes-replace",
            "store/race-deletes-have-one-winner",
            "store/race-replace-or-delete",
            "store/race-replace-overtakes-delete",
            "store/replace-gone-writes-nothing",
            "store/replace-knows-a-recreated-record",
            "store/replace-of-equal-bytes-is-consistent",
            "store/touch-gone-writes-nothing",
            "store/touch-in-flight-revives-nothing",
        ],
    );
}

#[test]
fn a_delete_that_reports_deleted_for_a_missing_record_is_found() {
    check(
        Fault::DeleteAnswersDeletedForGone,
        &[
            "store/delete-gone",
            "store/delete-of-expired-is-gone",
            "store/race-deletes-have-one-winner",
            "store/race-replace-or-delete",
        ],
    );
}

#[test]
fn a_touch_that_changes_the_compared_version_is_found() {
    check(
        Fault::TouchChangesVersion,
        &[
            "store/touch-disturbs-no-replace",
            "store/touch-in-flight-revives-nothing",
            "store/touch-in-flight-undoes-no-replace",
        ],
    );
}

#[test]
fn a_touch_that_reads_and_writes_back_is_found() {
    check(
        Fault::TouchRevives,
        &[
            "store/touch-in-flight-revives-nothing",
            "store/touch-in-flight-undoes-no-replace",
        ],
    );
}

#[test]
fn a_touch_that_never_shortens_is_found() {
    check(
        Fault::TouchOnlyExtends,
        &[
            "store/commits-are-seen-at-once",
            "store/expiry-as-last-written",
            "store/expiry-in-the-past",
            "store/touch-sets-only-the-expiry",
        ],
    );
}

#[test]
fn versions_that_start_again_after_a_delete_are_found() {
    check(
        Fault::VersionsRestart,
        &["store/replace-knows-a-recreated-record"],
    );
}

#[test]
fn keys_compared_without_case_are_found() {
    check(
        Fault::KeysWithoutCase,
        &["store/keys-are-opaque", "store/keys-differ-in-case"],
    );
}

#[test]
fn keys_that_are_cut_short_are_found() {
    check(Fault::KeysCutShort, &["store/keys-are-whole"]);
}

#[test]
fn values_kept_as_text_are_found() {
    check(
        Fault::ValuesAreText,
        &["store/round-trip-any-bytes", "store/round-trip-large"],
    );
}

#[test]
fn an_outage_answered_as_no_record_is_found() {
    check(Fault::ErrorsAreNone, &["store/outage-is-an-error"]);
}

#[test]
fn an_error_that_contains_the_key_is_found() {
    check(
        Fault::ErrorsTellKeys,
        &["store/outage-error-tells-no-secret"],
    );
}

#[test]
fn a_connection_that_a_cancelled_operation_closes_is_found() {
    check(Fault::CancelledCloses, &[THROUGHPUT]);
}

#[test]
fn a_directory_that_keeps_moved_records_is_found() {
    check(
        Fault::ListKeepsMoved,
        &[
            "store/directory-follows-writes",
            "store/directory-hides-expired",
            "store/directory-lists-at-once",
            "store/directory-lists-some",
            "store/directory-moves-in-one-step",
        ],
    );
}

#[test]
fn a_directory_that_shows_expired_records_is_found() {
    check(Fault::ListShowsExpired, &["store/directory-hides-expired"]);
}

#[test]
fn a_bounded_list_that_is_not_bounded_is_found() {
    check(Fault::ListSomeIgnoresLimit, &["store/directory-lists-some"]);
}

#[test]
fn a_bounded_list_that_ends_early_is_found() {
    check(Fault::ListSomeStopsEarly, &["store/directory-lists-some"]);
}

#[test]
fn a_place_that_each_handle_calls_otherwise_is_found() {
    check(Fault::PlaceDiffers, &["store/place-is-one"]);
}

#[test]
fn a_directory_that_matches_patterns_is_found() {
    check(
        Fault::ListMatchesPattern,
        &["store/directory-subjects-are-opaque"],
    );
}

#[test]
fn a_directory_that_follows_after_the_write_is_found() {
    check(
        Fault::ListMovesLater,
        &["store/directory-moves-in-one-step"],
    );
}

#[test]
fn a_sweep_that_removes_living_records_is_found() {
    check(
        Fault::SweepTakesAll,
        &[
            "store/epoch-stays",
            "store/sweep-keeps-its-limit",
            "store/sweep-removes-only-expired",
            "store/sweep-spares-new-records",
        ],
    );
}

#[test]
fn a_sweep_that_ignores_its_limit_is_found() {
    check(Fault::SweepIgnoresLimit, &["store/sweep-keeps-its-limit"]);
}

#[test]
fn a_sweep_that_looks_and_then_removes_is_found() {
    check(Fault::SweepChecksFirst, &["store/sweep-spares-new-records"]);
}

#[test]
fn an_enumeration_that_counts_positions_is_found() {
    check(
        Fault::EnumerateByPosition,
        &["store/enumerate-meets-writes"],
    );
}

#[test]
fn an_enumeration_that_shows_expired_records_is_found() {
    check(
        Fault::EnumerateShowsExpired,
        &["store/enumerate-hides-expired"],
    );
}

#[test]
fn an_enumeration_without_subjects_is_found() {
    check(
        Fault::EnumerateForgetsSubjects,
        &["store/enumerate-has-every-record"],
    );
}

#[test]
fn a_store_that_announces_nothing_is_found() {
    check(
        Fault::AnnouncesNothing,
        &[
            "store/feed-announces-removals",
            "store/feed-ends-with-its-connection",
        ],
    );
}

#[test]
fn a_store_that_announces_what_is_only_written_is_found() {
    check(Fault::AnnouncesWrites, &["store/feed-announces-removals"]);
}

#[test]
fn a_store_that_announces_other_keys_is_found() {
    check(
        Fault::AnnouncesOtherKeys,
        &[
            "store/feed-announces-removals",
            "store/feed-ends-with-its-connection",
        ],
    );
}

#[test]
fn a_listener_that_does_not_notice_the_end_of_its_connection_is_found() {
    check(Fault::ListensOn, &["store/feed-ends-with-its-connection"]);
}
