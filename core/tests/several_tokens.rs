//! Several tokens under one cookie name: one session, none that is trusted, or an error, and never
//! a false claim.

mod support;

use cloakroom_core::{Commit, Directive, Error, Exchange, Fate, Outcome, Session};
use support::{World, ada, insert, is_new, issued, rotate, sign_out};

/// A whole request that presents these tokens.
fn request(
    world: &mut World,
    tokens: &[&String],
    handler: impl FnOnce(&mut Session<'_>),
) -> Result<Outcome, Error> {
    let presented = tokens.iter().map(|token| token.as_bytes());
    let mut exchange = world.open_all(presented).expect("the records can be read");
    handler(&mut exchange.session().expect("loaded"));
    let commit = exchange.finish(world.now());
    world.run(commit)
}

fn seen(world: &mut World, tokens: &[&String], name: &str) -> Option<u64> {
    let mut found = None;
    let outcome = request(world, tokens, |session| {
        found = session.get(name).expect("a number");
    });
    assert_eq!(outcome.map(|outcome| outcome.fate), Ok(Fate::Unchanged));
    found
}

fn sessions(world: &mut World, count: u64) -> Vec<String> {
    (0..count)
        .map(|n| world.issue(None, insert("n", n)))
        .collect()
}

// R20, R36, R93: up to the bound all sessions end. Above it the sign-out is an error, and nothing
// has changed.
#[test]
fn a_sign_out_ends_every_presented_session_or_fails() {
    for count in 1..=18 {
        let mut world = World::new();
        let tokens = sessions(&mut world, count);
        let all: Vec<_> = tokens.iter().collect();
        let outcome = request(&mut world, &all, sign_out);
        let living = tokens.iter().filter(|token| world.lives(token)).count();
        if count <= 16 {
            let outcome = outcome.expect("signed out");
            assert_eq!(outcome.directive, Directive::Clear, "{count}");
            assert_eq!(outcome.fate, Fate::Saved, "{count}");
            assert_eq!(living, 0, "{count}");
        } else {
            assert_eq!(outcome, Err(Error::TooManyTokens { limit: 16 }));
            assert_eq!(living as u64, count, "{count}");
            assert_eq!(
                request(&mut world, &all, ada),
                Err(Error::TooManyTokens { limit: 15 })
            );
        }
    }
}

// R93: forged tokens in front and behind do not make a sign-out void.
#[test]
fn unknown_tokens_do_not_hide_a_session_from_its_sign_out() {
    let forged: Vec<String> = {
        let mut other = World::new();
        sessions(&mut other, 15)
    };
    let mut world = World::new();
    world.entropy();
    let own = world.issue(None, insert("n", 1));
    for front in 0..=15 {
        let mut all: Vec<_> = forged.iter().collect();
        all.insert(front, &own);
        assert_eq!(seen(&mut world, &all, "n"), Some(1));
    }
    let mut all: Vec<_> = forged.iter().collect();
    all.push(&own);
    let outcome = request(&mut world, &all, sign_out).expect("signed out");
    assert_eq!(
        (outcome.fate, outcome.directive),
        (Fate::Saved, Directive::Clear)
    );
    assert!(!world.lives(&own));
}

// R36, invariant 12: rotations behind the tokens count too.
#[test]
fn the_loads_of_one_request_are_bounded_whatever_is_presented() {
    let mut world = World::new();
    let mut tokens = Vec::new();
    for mut newest in sessions(&mut world, 8) {
        let oldest = newest.clone();
        for _ in 0..8 {
            newest = world.issue(Some(&newest), rotate);
        }
        tokens.push(oldest);
    }
    let all: Vec<_> = tokens.iter().collect();
    world.take_calls();
    assert_eq!(seen(&mut world, &all, "n"), None);
    assert_eq!(world.take_calls().len(), 32);
    assert_eq!(
        request(&mut world, &all, sign_out),
        Err(Error::TooManyTokens { limit: 16 })
    );
    let few: Vec<_> = tokens.iter().take(2).collect();
    let outcome = request(&mut world, &few, sign_out).expect("signed out");
    assert_eq!(outcome.fate, Fate::Saved);
}

// R74: in any order, over one rotation or several, over a sign-in or none.
#[test]
fn a_retired_token_with_its_successor_is_one_session() {
    for signs_in in [false, true] {
        for rotations in 1..4 {
            let mut world = World::new();
            let mut tokens = vec![world.issue(None, insert("n", 7))];
            for n in 0..rotations {
                let last = tokens.last().cloned();
                let change = if signs_in && n == 0 { ada } else { rotate };
                tokens.push(world.issue(last.as_deref(), change));
            }
            let newest = tokens.last().expect("some").clone();
            world.request(Some(&newest), insert("later", 1));
            for at in 0..tokens.len() {
                let mut order: Vec<_> = tokens.iter().collect();
                order.rotate_left(at);
                assert_eq!(seen(&mut world, &order, "later"), Some(1));
                order.reverse();
                assert_eq!(seen(&mut world, &order, "later"), Some(1));
            }
            // The ends alone, without what lies between.
            let ends = [&tokens[0], &newest];
            assert_eq!(seen(&mut world, &ends, "later"), Some(1));

            let saved = request(&mut world, &ends, insert("n", 8)).expect("saved");
            assert_eq!(
                (saved.fate, saved.directive),
                (Fate::Saved, Directive::Keep)
            );
            let ended = request(&mut world, &ends, sign_out).expect("signed out");
            assert_eq!(ended.directive, Directive::Clear);
            for token in &tokens {
                assert!(world.see(token, is_new), "{signs_in} {rotations}");
            }
        }
    }
}

// R75: whatever tokens were presented, the visitor is signed in on the next request, and one
// session is left.
#[test]
fn a_sign_in_with_several_sessions_leaves_one_session() {
    // With one more the token that is issued would be one too many on the next request.
    for count in 2..=15 {
        let mut world = World::new();
        let mut tokens = sessions(&mut world, count);
        // One of them belongs to another user, and one has been rotated.
        tokens[0] = world.issue(Some(&tokens[0].clone()), support::sign_in("bob"));
        world.later(61);
        let rotated = tokens[1].clone();
        world.issue(Some(&rotated), rotate);

        let all: Vec<_> = tokens.iter().collect();
        let outcome = request(&mut world, &all, ada).expect("signed in");
        assert_eq!(outcome.fate, Fate::Saved);
        let new = issued(&outcome).expect("a token");
        let mut next = all.clone();
        next.push(&new);
        let mut subject = None;
        request(&mut world, &next, |session| {
            subject = session.subject().map(str::to_owned);
            assert!(session.is_empty(), "the data of no untrusted session");
        })
        .expect("no error");
        assert_eq!(subject.as_deref(), Some("ada"), "{count}");
        for token in &tokens {
            assert!(world.see(token, is_new), "{count}");
        }
    }
}

// R75: a session that changes, rotates or ends while it is being ended.
#[test]
fn a_sign_in_ends_another_session_that_moves_meanwhile() {
    for step in 0..8 {
        for change in [rotate as fn(&mut Session<'_>), support::count, sign_out] {
            let mut world = World::new();
            let tokens = sessions(&mut world, 2);
            let presented = tokens.iter().map(String::as_bytes);
            let mut exchange = world.open_all(presented).expect("no error");
            ada(&mut exchange.session().expect("loaded"));
            let mut commit = exchange.finish(world.now());
            for _ in 0..step {
                if !matches!(commit, Commit::Done(_)) {
                    commit = world.step(commit).expect("no error");
                }
            }
            let ended = !world.lives(&tokens[0]);
            let moved = world.request(Some(&tokens[0]), change);
            let moved = issued(&moved);
            let outcome = world.run(commit).expect("signed in");
            let new = issued(&outcome).expect("a token");
            assert!(!world.see(&new, is_new));
            let late = tokens.iter().chain(&moved).chain([&new]);
            let late: Vec<_> = late.collect();
            if ended && moved.is_some() {
                // A write that came first to the end created another one.
                continue;
            }
            let mut subject = None;
            request(&mut world, &late, |session| {
                subject = session.subject().map(str::to_owned);
            })
            .expect("no error");
            assert_eq!(subject.as_deref(), Some("ada"), "after step {step}");
        }
    }
}

// R06, R93, invariant 7: a token from before the sign-in neither ends nor names the session after
// it.
#[test]
fn a_token_from_before_a_sign_in_has_no_power_over_the_session_after_it() {
    for owner in [None, Some("ada"), Some("bob")] {
        let mut world = World::new();
        let old = world.issue(None, |session| {
            session.insert("n", 1).expect("a good value");
            if let Some(owner) = owner {
                session.sign_in(owner).expect("a good subject");
            }
        });
        let own_id = world.see(&old, support::id);
        let new = world.issue(Some(&old), ada);
        let newer = world.issue(Some(&new), rotate);
        let new_id = world.see(&newer, support::id);

        assert_eq!(world.number(&old, "n"), Some(1), "it reads the old data");
        assert_eq!(world.see(&old, support::id), own_id);
        assert_ne!(own_id, new_id);
        assert_eq!(
            request(&mut world, &[&old], sign_out),
            Err(Error::Superseded)
        );
        assert!(world.lives(&newer), "{owner:?}");
        assert_eq!(world.see(&newer, support::id), new_id);
        // The one that a plain rotation left behind may.
        let ended = request(&mut world, &[&new], sign_out).expect("signed out");
        assert_eq!(ended.directive, Directive::Clear);
        assert!(world.see(&newer, is_new));
        assert!(world.see(&old, is_new));
    }
}

// R06, R20: nor does a sign-out that was under way when the sign-in came.
#[test]
fn a_sign_out_in_flight_does_not_cross_a_sign_in() {
    let mut world = World::new();
    let old = world.issue(None, insert("n", 1));
    let commit = world.begin(Some(&old), sign_out);
    let new = world.issue(Some(&old), ada);
    assert_eq!(world.run(commit), Err(Error::Superseded));
    assert!(!world.see(&new, is_new));
}

// R21: the server itself, which lists a subject's sessions, ends what it means to end.
#[test]
fn a_revocation_in_flight_crosses_a_sign_in() {
    let mut world = World::new();
    let old = world.issue(None, ada);
    let key = world.key(&old);
    let mut exchange = Exchange::open_key(&world.config, key.clone(), world.now());
    let found = world.load(&key);
    exchange.handle_loaded(&key, found).expect("a good record");
    sign_out(&mut exchange.session().expect("loaded"));
    let commit = exchange.finish(world.now());
    let new = world.issue(Some(&old), ada);
    let outcome = world.run(commit).expect("revoked");
    assert_eq!(outcome.fate, Fate::Saved);
    assert!(world.see(&new, is_new));
}
