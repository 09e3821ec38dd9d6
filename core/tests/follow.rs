//! R78: a plain rotation drops nothing, and nothing crosses a sign-in.

mod support;

use cloakroom_core::{Error, Fate, Session};
use support::{World, count, insert, is_new, issued, keeps, rotate, sign_in};

/// A session with a subject.
fn signed_in(world: &mut World) -> String {
    world.issue(None, |session: &mut Session<'_>| {
        session.insert("base", 1).expect("good");
        session.sign_in("ada").expect("good");
    })
}

// R78
#[test]
fn rule_follow_of_two_rotations_one_is_withdrawn_and_the_changes_of_both_are_kept() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let slower = world.begin(Some(&token), |session| {
        rotate(session);
        count(session);
    });
    let slower = world.until(slower, "replace");
    let newer = world.issue(Some(&token), |session| {
        rotate(session);
        count(session);
    });
    let outcome = world.run(slower).expect("no error");
    assert!(outcome.superseded);
    keeps(&outcome, Fate::Saved);
    assert_eq!(world.records.len(), 2);
    assert_eq!(world.number(&newer, "n"), Some(2));
}

// R78
#[test]
fn rule_follow_a_plain_rotation_drops_nothing_that_was_in_flight() {
    let mut world = World::new();
    let first = world.issue(None, insert("n", 0));
    let late: Vec<_> = (0..3).map(|_| world.begin(Some(&first), count)).collect();
    let mut newest = first.clone();
    for _ in 0..3 {
        newest = world.issue(Some(&newest), rotate);
    }
    for commit in late {
        let outcome = world.run(commit).expect("no error");
        assert!(outcome.superseded);
        keeps(&outcome, Fate::Saved);
    }
    assert_eq!(world.number(&newest, "n"), Some(3));
}

// R78, R08
#[test]
fn rule_follow_within_the_grace_the_old_token_writes_to_the_session_and_gets_no_token() {
    let mut world = World::new();
    let old = signed_in(&mut world);
    let new = world.issue(Some(&old), rotate);
    world.request(Some(&new), insert("base", 2));
    assert_eq!(world.number(&old, "base"), Some(2), "the session as it is");
    let ids = [&old, &new].map(|token| world.see(token, |session| session.id()));
    assert_eq!(ids[0], ids[1]);
    for _ in 0..2 {
        let outcome = world.request(Some(&old), |session| {
            rotate(session);
            count(session);
        });
        assert!(outcome.superseded);
        keeps(&outcome, Fate::Saved);
    }
    let outcome = world.request(Some(&old), rotate);
    assert!(outcome.superseded);
    keeps(&outcome, Fate::Unchanged);
    assert_eq!(world.number(&new, "n"), Some(2));
    world.later(30);
    assert!(world.see(&old, is_new));
    assert_eq!(world.number(&new, "n"), Some(2));
}

// R78
#[test]
fn rule_follow_a_sign_in_replaces_a_rotations_session() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 0));
    let entering = world.begin(Some(&token), sign_in("ada"));
    let entering = world.until(entering, "replace");
    let between = world.issue(Some(&token), |session| {
        rotate(session);
        count(session);
    });
    let newer = issued(&world.run(entering).expect("no error")).expect("signed in");
    assert_eq!(world.number(&newer, "n"), Some(1), "what was saved between");
    let late = world.begin(Some(&between), count);
    assert_eq!(world.run(late), Err(Error::Superseded));
    assert_eq!(world.number(&newer, "n"), Some(1));
}

// R78
#[test]
fn rule_follow_nothing_crosses_a_sign_in_however_many_rotations_lie_around_it() {
    let mut world = World::new();
    let first = world.issue(None, insert("n", 0));
    let late = world.begin(Some(&first), count);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), sign_in("ada"));
    let fourth = world.issue(Some(&third), rotate);
    assert_eq!(world.run(late), Err(Error::Superseded));
    for old in [&first, &second] {
        let late = world.begin(Some(old), count);
        assert_eq!(world.run(late), Err(Error::Superseded));
        assert!(world.see(old, |session| session.subject().is_none()));
    }
    keeps(&world.request(Some(&third), count), Fate::Saved);
    assert_eq!(world.number(&fourth, "n"), Some(1));
}

// R78
#[test]
fn rule_follow_a_write_that_outlasts_the_grace_does_not_claim_that_its_session_ended() {
    let mut world = World::new();
    let token = signed_in(&mut world);
    let late = world.begin(Some(&token), count);
    let newer = world.issue(Some(&token), rotate);
    world.later(60);
    assert_eq!(world.run(late), Err(Error::GraceExpired));
    assert_eq!(world.number(&newer, "n"), None);
}
