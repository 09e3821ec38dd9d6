//! The rules of the commit protocol, each by name: without the rule its test fails.

mod support;

use std::time::Duration;

use cloakroom_core::{Commit, Config, Directive, Error, Fate, Session, UnixTime};
use support::{
    World, ada, count, destroy, insert, is_new, issued, keeps, name, rotate, sign_in, sign_out,
};

fn signed_in(world: &mut World) -> String {
    world.issue(None, |session| {
        session.sign_in("ada").expect("a good subject");
        session.insert("base", 1).expect("a good value");
    })
}

fn short_grace() -> World {
    let config = support::builder().rotation_grace(Duration::ZERO).build();
    World::with(config.expect("a good configuration"))
}

// Invariant 3
#[test]
fn rule_nocas_a_write_is_replayed_over_the_write_that_came_first() {
    let mut world = World::new();
    let token = world.issue(None, insert("base", 1));
    let (mine, others) = (
        world.begin(Some(&token), insert("a", 2)),
        world.begin(Some(&token), insert("b", 3)),
    );
    keeps(&world.run(others).expect("saved"), Fate::Saved);
    let outcome = world.run(mine).expect("saved");
    keeps(&outcome, Fate::Saved);
    assert_eq!(outcome.conflicts, 1);
    let values = ["base", "a", "b"].map(|name| world.number(&token, name));
    assert_eq!(values, [Some(1), Some(2), Some(3)]);
}

#[test]
fn rule_nocas_only_the_loaded_record_is_replaced() {
    let mut world = World::new();
    let token = world.issue(None, insert("base", 1));
    let loaded = world.records[&world.key(&token)].clone();
    let commit = world.begin(Some(&token), count);
    let Commit::Replace(replace) = world.until(commit, "replace") else {
        panic!("nothing is replaced")
    };
    assert_eq!(replace.old(), &loaded);
}

#[test]
fn rule_nocas_n_concurrent_increments_add_n() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 0));
    let commits: Vec<_> = (0..20).map(|_| world.begin(Some(&token), count)).collect();
    for commit in commits {
        keeps(&world.run(commit).expect("saved"), Fate::Saved);
    }
    assert_eq!(world.number(&token, "n"), Some(20));
}

// R20
#[test]
fn rule_blinddelete_a_sign_out_follows_a_rotation_that_came_first() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let leaving = world.begin(Some(&token), sign_out);
    let newer = world.issue(Some(&token), rotate);
    let outcome = world.run(leaving).expect("signed out");
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Saved)
    );
    assert!(!world.lives(&token) && !world.lives(&newer));
}

// R20
#[test]
fn rule_blinddelete_a_sign_out_deletes_a_record_that_changed_meanwhile() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let leaving = world.begin(Some(&token), sign_out);
    world.request(Some(&token), count);
    let outcome = world.run(leaving).expect("signed out");
    assert_eq!((outcome.fate, outcome.conflicts), (Fate::Saved, 1));
    assert!(!world.lives(&token));
}

// R20
#[test]
fn rule_blinddelete_a_sign_out_follows_a_whole_chain_newest_first() {
    let mut world = World::new();
    let mut tokens = vec![signed_in(&mut world)];
    let leaving = world.begin(Some(&tokens[0]), sign_out);
    for _ in 0..3 {
        let newest = tokens.last().cloned();
        tokens.push(world.issue(newest.as_deref(), rotate));
    }
    let mut commit = leaving;
    for _ in 0..32 {
        if name(&commit) == "done" {
            break;
        }
        commit = world.step(commit).expect("no error");
        let left: Vec<_> = tokens.iter().map(|token| world.lives(token)).collect();
        assert!(
            left.is_sorted_by(|earlier, later| earlier >= later),
            "newest first: {left:?}"
        );
    }
    let outcome = world.run(commit).expect("it is done");
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Saved)
    );
    assert!(tokens.iter().all(|token| !world.lives(token)));
}

// R08, R20
#[test]
fn rule_nofollow_the_old_token_reads_nothing_after_the_sign_out_of_the_new_one() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let newer = world.issue(Some(&token), rotate);
    assert_eq!(
        world.number(&token, "base"),
        Some(1),
        "within the grace it reads"
    );
    world.request(Some(&newer), sign_out);
    assert!(world.lives(&token), "the retired record is still there");
    assert!(world.see(&token, is_new));
}

// R08
#[test]
fn rule_nofollow_holds_along_a_chain() {
    let mut world = World::new();
    let first = signed_in(&mut world);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), sign_in("ada"));
    assert_eq!(world.number(&first, "base"), Some(1));
    world.request(Some(&third), destroy);
    assert!(world.see(&first, is_new));
    assert!(world.see(&second, is_new));
}

// R06, invariant 6
#[test]
fn rule_retiredmint_a_plain_write_with_the_old_token_is_dropped_and_creates_nothing() {
    let mut world = World::new();
    let token = world.issue(None, insert("base", 1));
    let newer = world.issue(Some(&token), sign_in("ada"));
    let records = world.records.clone();
    let late = world.begin(Some(&token), insert("late", 1));
    assert_eq!(world.run(late), Err(Error::Superseded));
    assert_eq!(world.records, records);
    assert_eq!(world.number(&newer, "late"), None);
}

// Invariant 7
#[test]
fn a_reader_gets_the_report_of_a_newer_token() {
    let mut world = World::new();
    let token = world.issue(None, insert("base", 1));
    let read = |_: &mut Session<'_>| {};
    assert!(!world.request(Some(&token), read).superseded);
    let newer = world.issue(Some(&token), rotate);
    for _ in 0..2 {
        let outcome = world.request(Some(&token), read);
        assert!(outcome.superseded);
        keeps(&outcome, Fate::Unchanged);
    }
    assert!(world.request(Some(&token), insert("late", 1)).superseded);
    assert!(!world.request(Some(&newer), read).superseded);
    // After the grace the token leads nowhere, and its history is unknown.
    world.later(30);
    assert!(!world.request(Some(&token), read).superseded);
}

// Invariant 7
#[test]
fn an_issued_or_cleared_token_excludes_the_report_of_a_newer_one() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    world.issue(Some(&token), rotate);
    let again = world.request(Some(&token), sign_in("ada"));
    assert!(matches!(again.directive, Directive::Issue(_)));
    assert!(!again.superseded);
    let token = support::issued(&again).expect("a token");
    world.issue(Some(&token), rotate);
    let gone = world.request(Some(&token), sign_out);
    assert_eq!(gone.directive, Directive::Clear);
    assert!(!gone.superseded);
}

// Invariant 6
#[test]
fn rule_retiredmint_also_for_a_write_that_was_in_flight() {
    let mut world = World::new();
    let token = world.issue(None, insert("base", 1));
    let late = world.begin(Some(&token), insert("late", 1));
    world.issue(Some(&token), sign_in("ada"));
    let records = world.records.clone();
    assert_eq!(world.run(late), Err(Error::Superseded));
    assert_eq!(world.records, records);
}

// R78: the application's own choice.
#[test]
fn rule_retiredmint_changes_that_a_sign_in_overtook_are_dropped_if_configured_so() {
    let config = support::builder().drop_superseded(true).build();
    let mut world = World::with(config.expect("good"));
    let token = world.issue(None, insert("base", 1));
    let late = world.begin(Some(&token), insert("late", 1));
    let rotating = world.begin(Some(&token), |session| {
        rotate(session);
        count(session);
    });
    let rotating = world.until(rotating, "replace");
    let newer = world.issue(Some(&token), sign_in("ada"));
    let again = world.begin(Some(&token), insert("late", 1));
    for commit in [late, again, rotating] {
        let outcome = world.run(commit).expect("no error");
        assert!(outcome.superseded);
        keeps(&outcome, Fate::Superseded);
    }
    assert_eq!(world.records.len(), 2);
    for name in ["late", "n"] {
        assert_eq!(world.number(&newer, name), None);
    }
}

#[test]
fn rule_retiredmint_also_for_a_write_whose_session_was_signed_out() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let late = world.begin(Some(&token), insert("late", 1));
    world.request(Some(&token), sign_out);
    keeps(&world.run(late).expect("no error"), Fate::Gone);
    assert!(world.records.is_empty());
}

#[test]
fn rule_shortgrace_a_retired_record_outlasts_requests_even_with_a_grace_of_zero() {
    for grace in [0, 30, 600] {
        let config = support::builder().rotation_grace(Duration::from_secs(grace));
        let mut world = World::with(config.build().expect("good"));
        let token = signed_in(&mut world);
        world.issue(Some(&token), rotate);
        let kept = world.records[&world.key(&token)].expires_at;
        assert_eq!(kept, UnixTime::from_secs(world.now + grace.max(30) + 30));
    }
}

// R20: a rotation whose write takes its time to reach the store, or was made by a node whose clock
// is behind.
#[test]
fn rule_shortgrace_a_sign_out_finds_the_successor_of_a_slow_rotation() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let rotating = world.begin(Some(&token), rotate);
    let retiring = world.until(rotating, "replace");
    world.later(29);
    let leaving = world.begin(Some(&token), sign_out);
    let outcome = world.run(retiring).expect("rotated");
    let newer = issued(&outcome).expect("a token");
    world.later(29);
    let outcome = world.run(leaving).expect("signed out");
    assert_eq!(outcome.fate, Fate::Saved);
    assert!(!world.lives(&newer));
}

// R20
#[test]
fn rule_shortgrace_a_slow_sign_out_still_finds_the_successor() {
    let mut world = short_grace();
    let token = signed_in(&mut world);
    let leaving = world.begin(Some(&token), sign_out);
    let newer = world.issue(Some(&token), rotate);
    world.later(29);
    let outcome = world.run(leaving).expect("signed out");
    assert_eq!(outcome.fate, Fate::Saved);
    assert!(!world.lives(&newer));
}

// A sign-out that took longer than the grace claims nothing about what it can no longer see.
#[test]
fn rule_late_a_sign_out_after_the_grace_does_not_claim_success() {
    for (seconds, late) in [(29, false), (30, true), (31, true)] {
        let mut world = World::new();
        let token = signed_in(&mut world);
        let leaving = world.begin(Some(&token), sign_out);
        world.records.remove(&world.key(&token));
        world.later(seconds);
        match world.run(leaving) {
            Ok(outcome) => assert_eq!((outcome.fate, late), (Fate::Gone, false)),
            Err(error) => assert_eq!((error, late), (Error::GraceExpired, true)),
        }
    }
}

#[test]
fn rule_late_a_sign_out_with_a_retired_token_does_not_claim_success() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let second = world.issue(Some(&token), rotate);
    let leaving = world.begin(Some(&token), sign_out);
    let third = world.issue(Some(&second), rotate);
    world.later(60);
    assert_eq!(world.run(leaving), Err(Error::GraceExpired));
    assert!(world.lives(&third));
}

#[test]
fn rule_withdraw_a_rotation_whose_session_was_signed_out_leaves_nothing() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let rotation = world.begin(Some(&token), rotate);
    let rotation = world.until(rotation, "replace");
    world.request(Some(&token), sign_out);
    keeps(&world.run(rotation).expect("no error"), Fate::Gone);
    assert!(world.records.is_empty());
}

#[test]
fn rule_withdraw_of_two_rotations_one_is_withdrawn() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let slower = world.begin(Some(&token), rotate);
    let slower = world.until(slower, "replace");
    let newer = world.issue(Some(&token), rotate);
    let outcome = world.run(slower).expect("no error");
    assert!(outcome.superseded);
    keeps(&outcome, Fate::Unchanged);
    assert_eq!(world.records.len(), 2);
    assert!(world.lives(&newer));
}

#[test]
fn rule_strip_a_sign_in_goes_on_without_the_data_of_a_session_signed_out_meanwhile() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let entering = world.begin(Some(&token), |session| {
        session.sign_in("ada").expect("good");
        session.insert("own", 1).expect("good");
    });
    let entering = world.until(entering, "replace");
    world.request(Some(&token), sign_out);
    let outcome = world.run(entering).expect("no error");
    let newer = issued(&outcome).expect("signed in");
    assert_eq!(world.number(&newer, "base"), None);
    assert_eq!(world.number(&newer, "own"), Some(1));
    let subject = world.see(&newer, |session| session.subject().map(str::to_owned));
    assert_eq!(subject.as_deref(), Some("ada"));
}

#[test]
fn rule_doubleclick_two_sign_ins_are_two_sessions() {
    let mut world = World::new();
    let token = world.issue(None, insert("base", 1));
    let slower = world.begin(Some(&token), sign_in("ada"));
    let slower = world.until(slower, "replace");
    let one = world.issue(Some(&token), sign_in("ada"));
    let other = issued(&world.run(slower).expect("no error")).expect("signed in");
    // And one more with the retired token.
    let third = world.issue(Some(&token), sign_in("ada"));
    for token in [one, other, third] {
        assert_eq!(world.number(&token, "base"), Some(1));
        assert!(world.see(&token, |session| session.subject().is_some()));
    }
}

#[test]
fn rule_rewrite_a_rotation_takes_over_concurrent_writes() {
    for handler in [rotate as fn(&mut Session<'_>), ada] {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 5));
        let rotation = world.begin(Some(&token), |session| {
            handler(session);
            count(session);
        });
        let mut rotation = world.until(rotation, "replace");
        for other in 1..=3 {
            keeps(&world.request(Some(&token), count), Fate::Saved);
            keeps(
                &world.request(Some(&token), insert("other", other)),
                Fate::Saved,
            );
            // The conflict is noticed, the new record written again, and the next retirement is
            // due.
            for action in ["reload", "reload", "replace", "replace"] {
                rotation = world.step(rotation).expect("no error");
                assert_eq!(name(&rotation), action);
            }
        }
        let newer = issued(&world.run(rotation).expect("no error")).expect("rotated");
        assert_eq!(world.number(&newer, "n"), Some(9));
        assert_eq!(world.number(&newer, "other"), Some(3));
        let signed_in = world.see(&newer, |session| session.subject().is_some());
        let seen = if signed_in { 8 } else { 9 };
        assert_eq!(
            world.number(&token, "n"),
            Some(seen),
            "within the grace: the data from before a sign-in, or the session as it is"
        );
    }
}

#[test]
fn rule_rewrite_a_sign_in_drops_the_data_if_the_session_became_anothers_meanwhile() {
    let mut world = World::new();
    let token = world.issue(None, insert("secret", 1));
    let entering = world.begin(Some(&token), sign_in("ada"));
    let entering = world.until(entering, "replace");
    world.request(Some(&token), |session| {
        session.set_subject(Some("bob")).expect("good");
        session.insert("secret", 2).expect("good");
    });
    let newer = issued(&world.run(entering).expect("no error")).expect("signed in");
    assert_eq!(world.number(&newer, "secret"), None);
}

// R05, invariant 12: all attempts are bounded.
#[test]
fn rule_bounded_a_session_that_changes_all_the_time_is_contended() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 0));
    for handler in [count as fn(&mut Session<'_>), rotate, |session| {
        session.sign_out();
    }] {
        let mut commit = world.begin(Some(&token), handler);
        let mut steps = 0;
        let error = loop {
            if matches!(name(&commit), "replace" | "delete") {
                world.request(Some(&token), insert("other", steps));
            }
            commit = match world.step(commit) {
                Ok(commit) => commit,
                Err(error) => break error,
            };
            steps += 1;
            assert!(steps < 2_000, "it does not end");
        };
        assert_eq!(error, Error::Contended);
        assert!(world.lives(&token));
    }
}

#[test]
fn rule_bounded_a_store_that_never_answers_is_given_up() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 0));
    for handler in [count as fn(&mut Session<'_>), rotate, |session| {
        session.sign_out();
    }] {
        let mut commit = world.begin(Some(&token), handler);
        let error = (0..2_000).find_map(|_| {
            let now = std::mem::replace(&mut commit, cloakroom_done());
            let next = match name(&now) {
                "mint" | "reload" => world.step(now),
                _ => world.lose(now, false),
            };
            match next {
                Ok(next) => {
                    commit = next;
                    None
                }
                Err(error) => Some(error),
            }
        });
        assert_eq!(error, Some(Error::Contended));
    }
}

/// A commit with nothing to do.
fn cloakroom_done() -> Commit {
    let exchange = cloakroom_core::Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
    exchange.finish(UnixTime::from_secs(0))
}

#[test]
fn rule_bounded_a_chain_of_retired_records_is_followed_so_far_and_no_further() {
    let mut world = World::new();
    let first = signed_in(&mut world);
    let mut newest = first.clone();
    for _ in 0..16 {
        newest = world.issue(Some(&newest), rotate);
    }
    assert_eq!(world.number(&first, "base"), Some(1));
    world.issue(Some(&newest), rotate);
    world.take_calls();
    let failed = world.open_all([first.as_bytes()]);
    assert_eq!(failed.err(), Some(Error::Contended));
    assert_eq!(world.take_calls().len(), 17);
}
