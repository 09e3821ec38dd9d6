//! Lost replies (R62), crashes and failures at every action (R07).

mod support;

use cloakroom_core::{Commit, Created, Error, Fate, Session, UnixTime};
use support::{World, ada, count, destroy, insert, issued, keeps, name, rotate, sign_in};

// R62: a counter is counted once, whether the write landed or not.
#[test]
fn a_lost_reply_to_a_save_neither_loses_nor_doubles_the_change() {
    for landed in [false, true] {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 0));
        let commit = world.begin(Some(&token), count);
        let commit = world.until(commit, "replace");
        let commit = world.lose(commit, landed).expect("it finds out");
        let outcome = world.run(commit).expect("saved");
        keeps(&outcome, Fate::Saved);
        assert_eq!(outcome.conflicts, 1);
        assert_eq!(world.number(&token, "n"), Some(1), "landed: {landed}");
    }
}

// R62: others wrote before the machine could look: the record remembers its last writers.
#[test]
fn rule_nonce_a_landed_write_is_recognised_under_later_ones() {
    for others in 0..=7 {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 0));
        let commit = world.begin(Some(&token), count);
        let commit = world.until(commit, "replace");
        let commit = world.lose(commit, true).expect("it finds out");
        for _ in 0..others {
            keeps(&world.request(Some(&token), count), Fate::Saved);
        }
        keeps(&world.run(commit).expect("saved"), Fate::Saved);
        assert_eq!(world.number(&token, "n"), Some(others + 1));
    }
}

// R62: a write that did not land is made over the later ones, as long as all of them are known.
#[test]
fn rule_nonce_a_write_that_did_not_land_is_replayed_over_later_ones() {
    for others in 0..=7 {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 0));
        let commit = world.begin(Some(&token), count);
        let commit = world.until(commit, "replace");
        let commit = world.lose(commit, false).expect("it finds out");
        for _ in 0..others {
            keeps(&world.request(Some(&token), count), Fate::Saved);
        }
        keeps(&world.run(commit).expect("saved"), Fate::Saved);
        assert_eq!(world.number(&token, "n"), Some(others + 1));
    }
}

// R62: the write landed, and a rotation carried it on. The rotation's old record has expired since.
// The outcome is not reported as dropped.
#[test]
fn rule_late_a_save_of_unknown_outcome_does_not_count_as_dropped_after_the_grace() {
    for (seconds, landed) in [(29, true), (60, true), (60, false)] {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 0));
        let commit = world.begin(Some(&token), count);
        let commit = world.until(commit, "replace");
        let commit = world.lose(commit, landed).expect("it finds out");
        let newer = world.issue(Some(&token), rotate);
        world.later(seconds);
        match world.run(commit) {
            Ok(outcome) => assert_eq!((outcome.fate, seconds), (Fate::Saved, 29)),
            Err(error) => assert_eq!((error, seconds), (Error::UnknownOutcome, 60)),
        }
        assert_eq!(world.number(&newer, "n"), Some(u64::from(landed)));
    }
}

// R62: the write landed and was visible before its session was signed out or evicted. Or the
// retired record that leads to its successor was evicted. The outcome is not reported as dropped.
#[test]
fn rule_nonce_a_save_of_unknown_outcome_whose_record_is_gone_is_uncertain() {
    for landed in [false, true] {
        for rotated in [false, true] {
            let mut world = World::new();
            let token = world.issue(None, insert("n", 0));
            let commit = world.begin(Some(&token), count);
            let commit = world.until(commit, "replace");
            let commit = world.lose(commit, landed).expect("it finds out");
            let newer = rotated.then(|| world.issue(Some(&token), rotate));
            world.records.remove(&world.key(&token));
            assert_eq!(world.run(commit), Err(Error::UnknownOutcome));
            if let Some(newer) = newer {
                assert_eq!(world.number(&newer, "n"), Some(u64::from(landed)));
            }
        }
    }
}

// R62: once it cannot be seen any more, nothing is claimed and nothing is doubled.
#[test]
fn rule_nonce_when_too_many_wrote_since_it_is_uncertain() {
    for landed in [false, true] {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 0));
        let commit = world.begin(Some(&token), count);
        let commit = world.until(commit, "replace");
        let commit = world.lose(commit, landed).expect("it finds out");
        for _ in 0..8 {
            keeps(&world.request(Some(&token), count), Fate::Saved);
        }
        assert_eq!(world.run(commit), Err(Error::UnknownOutcome));
        assert_eq!(world.number(&token, "n"), Some(8 + u64::from(landed)));
    }
}

// R62: the write landed and was then rotated away.
#[test]
fn rule_nonce_a_landed_write_is_recognised_in_a_retired_record() {
    for landed in [false, true] {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 0));
        let commit = world.begin(Some(&token), count);
        let commit = world.until(commit, "replace");
        let commit = world.lose(commit, landed).expect("it finds out");
        let newer = world.issue(Some(&token), rotate);
        let fate = world.run(commit).expect("no error").fate;
        assert_eq!(fate, Fate::Saved);
        // R78: landed or not, it is counted once.
        assert_eq!(world.number(&newer, "n"), Some(1));
    }
}

// R62: the store carries out a write later than the machine looked for it.
#[test]
fn rule_nonce_a_late_write_is_not_doubled() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 0));
    let commit = world.begin(Some(&token), count);
    let Commit::Replace(late) = world.until(commit, "replace") else {
        panic!("nothing is replaced");
    };
    let (key, write) = (late.key().clone(), late.write().clone());
    let commit = late.lost(world.now()).expect("it finds out");
    let commit = world.until(commit, "replace");
    let version = world.records[&key].version + 1_000;
    let landed = cloakroom_core::Stored::new(write.bytes, write.expires_at, version);
    world.records.insert(key, landed);
    keeps(&world.run(commit).expect("saved"), Fate::Saved);
    assert_eq!(world.number(&token, "n"), Some(1));
}

// R62: with every handler, at every write, landed or not, also twice: the end is the same as
// without.
#[test]
fn a_lost_reply_at_any_action_leads_to_the_same_end() {
    for handler in [count as fn(&mut Session<'_>), rotate, ada, destroy] {
        for start in [None, Some("n")] {
            for lost in 0..6 {
                for landed in [false, true] {
                    for times in 1..=2 {
                        same_end(handler, start, lost, landed, times);
                    }
                }
            }
        }
    }
}

fn same_end(
    handler: fn(&mut Session<'_>),
    start: Option<&'static str>,
    lost: usize,
    landed: bool,
    times: usize,
) {
    let handler = |session: &mut Session<'_>| {
        count(session);
        handler(session);
    };
    let ends = [0, times].map(|times| {
        let mut world = World::new();
        let token = start.map(|name| world.issue(None, insert(name, 0)));
        let mut commit = world.begin(token.as_deref(), handler);
        let (mut at, mut left) = (0, times);
        let outcome = loop {
            assert!(world.calls.len() < 100, "it does not end");
            commit = match name(&commit) {
                "done" => break world.run(commit).expect("it is done"),
                "mint" | "reload" => world.step(commit).expect("no error"),
                _ if at >= lost && left > 0 => {
                    left -= 1;
                    world.lose(commit, landed).expect("it finds out")
                }
                _ => {
                    at += 1;
                    world.step(commit).expect("no error")
                }
            };
        };
        let newer = issued(&outcome);
        let count = newer
            .or(token)
            .filter(|token| world.lives(token))
            .and_then(|token| world.number(&token, "n"));
        // Whether it was this very delete that ended the session cannot be seen.
        let fate = match outcome.fate {
            Fate::Gone => Fate::Saved,
            fate => fate,
        };
        let directive = std::mem::discriminant(&outcome.directive);
        (fate, directive, count, world.records.len())
    });
    assert_eq!(
        ends[0], ends[1],
        "lost {lost}, landed {landed}, {times} times"
    );
}

#[test]
fn a_lost_touch_is_asked_again() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 0));
    world.later(200);
    let commit = world.begin(Some(&token), |_| {});
    assert_eq!(name(&commit), "touch");
    let commit = world.lose(commit, false).expect("again");
    assert_eq!(name(&commit), "touch");
    keeps(&world.run(commit).expect("touched"), Fate::Unchanged);
}

// R62: the reply to a withdrawal, a rewrite and a strip are lost.
#[test]
fn a_lost_reply_after_a_conflict_is_found_out_too() {
    for landed in [false, true] {
        for (handler, other, left) in [
            (
                rotate as fn(&mut Session<'_>),
                destroy as fn(&mut Session<'_>),
                0,
            ),
            (rotate, count, 2),
            (ada, destroy, 1),
            (ada, count, 2),
        ] {
            let mut world = World::new();
            let token = world.issue(None, insert("n", 0));
            let commit = world.begin(Some(&token), handler);
            let commit = world.until(commit, "replace");
            world.request(Some(&token), other);
            // Past the conflict, up to the write that mends it.
            let mut commit = world.step(commit).expect("a conflict");
            while name(&commit) == "reload" {
                commit = world.step(commit).expect("no error");
            }
            let commit = world.lose(commit, landed).expect("it finds out");
            let outcome = world.run(commit).expect("no error");
            assert_eq!(world.records.len(), left);
            if let Some(newer) = issued(&outcome) {
                let expected = (left == 2).then_some(1);
                assert_eq!(world.number(&newer, "n"), expected);
            }
        }
    }
}

// R05: a collision leaves the other record as it was and mints again, a bounded number of times.
#[test]
fn a_taken_key_is_left_alone_and_another_token_is_minted() {
    let mut world = World::new();
    let mut commit = world.begin(None, insert("n", 1));
    let mut keys = Vec::new();
    let error = loop {
        let created = match world.until(commit, "create") {
            Commit::Create(create) => {
                keys.push(create.key().clone());
                assert!(keys.len() < 100, "it does not end");
                create.then(Created::Taken, world.now())
            }
            other => panic!("{other:?}"),
        };
        commit = match created {
            Ok(commit) => commit,
            Err(error) => break error,
        };
        assert_eq!(name(&commit), "mint");
    };
    assert_eq!((error, keys.len()), (Error::Contended, 8));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8, "every token was another one");
}

// R05
#[test]
fn a_collision_does_not_touch_the_other_record() {
    let mut world = World::new();
    let other = world.issue(None, insert("n", 7));
    let before = world.records.clone();
    let mut entropy = World::new();
    let first = world.begin(None, insert("n", 1));
    let Commit::Mint(mint) = first else {
        panic!("nothing to mint")
    };
    // The same randomness as for the other token.
    let commit = mint.with(entropy.entropy()).expect("good");
    let outcome = world.run(commit).expect("created");
    let token = issued(&outcome).expect("a token");
    assert_ne!(token, other);
    assert_eq!(world.number(&other, "n"), Some(7));
    assert_eq!(world.records.len(), before.len() + 1);
}

// R05, R62: a create whose reply was lost is recognised; a stranger's record under the key is not
// taken for it.
#[test]
fn a_lost_create_is_distinguished_from_a_collision() {
    let mut world = World::new();
    let other = world.issue(None, insert("n", 7));
    let mut entropy = World::new();
    let Commit::Mint(mint) = world.begin(None, insert("n", 1)) else {
        panic!("nothing to mint")
    };
    let commit = mint.with(entropy.entropy()).expect("good");
    let commit = world.lose(commit, false).expect("it finds out");
    let token = issued(&world.run(commit).expect("created")).expect("a token");
    assert_ne!(token, other);
    assert_eq!(world.number(&other, "n"), Some(7));
    assert_eq!(world.number(&token, "n"), Some(1));
}

// R07, R65, invariant 7: the request ends at any action, before it or after it: no second
// privileged token, no data lost.
#[test]
fn a_failure_at_any_action_of_a_rotation_or_sign_in_loses_nothing_and_leaves_one_privileged_token()
{
    for handler in [rotate as fn(&mut Session<'_>), ada] {
        for meanwhile in [None, Some(count as fn(&mut Session<'_>)), Some(rotate)] {
            for steps in 0..12 {
                for landed in [false, true] {
                    fail_at(handler, meanwhile, steps, landed);
                }
            }
        }
    }
}

fn fail_at(
    handler: fn(&mut Session<'_>),
    meanwhile: Option<fn(&mut Session<'_>)>,
    steps: usize,
    landed: bool,
) {
    let mut world = World::new();
    let mut token = world.issue(None, insert("n", 0));
    let mut commit = world.begin(Some(&token), handler);
    let mut reached = None;
    for at in 0..steps {
        if let Commit::Done(outcome) = &commit {
            reached = issued(outcome);
            break;
        }
        if at == 2
            && let Some(other) = meanwhile
        {
            let outcome = world.request(Some(&token), other);
            token = issued(&outcome).unwrap_or(token);
        }
        commit = world.step(commit).expect("no error");
    }
    if landed {
        world.land(&commit);
    }
    // The client has the old token, or the new one if the answer arrived.
    drop(commit);
    let client = reached.unwrap_or_else(|| token.clone());
    let seen = world.see(&client, |session| {
        session.get::<u64>("n").expect("a number")
    });
    assert!(seen.is_some(), "after {steps} steps the data is lost");
    if client == token {
        let privileged = world.see(&client, |session| session.subject().is_some());
        assert!(!privileged, "the old token reached the new privilege");
    }
    // Signing in again always works.
    let again = world.issue(Some(&client), sign_in("ada"));
    assert!(world.number(&again, "n").is_some());
}

// R64, invariant 10: dropping an exchange or a commit before its first write changes nothing.
#[test]
fn a_dropped_exchange_changes_nothing() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 0));
    let before = world.records.clone();
    let mut exchange = world.open(Some(&token));
    count(&mut exchange.session().expect("loaded"));
    drop(exchange);
    drop(world.begin(Some(&token), rotate));
    assert_eq!(world.records, before);
}

// R65: the handler failed: its changes are discarded, and the old token still works.
#[test]
fn discarded_changes_leave_a_working_session() {
    for handler in [count as fn(&mut Session<'_>), rotate, ada, destroy] {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 3));
        let mut exchange = world.open(Some(&token));
        handler(&mut exchange.session().expect("loaded"));
        exchange.discard_changes();
        let commit = exchange.finish(world.now());
        let outcome = world.run(commit).expect("nothing to do");
        keeps(&outcome, Fate::Unchanged);
        assert!(outcome.accessed);
        assert_eq!(world.number(&token, "n"), Some(3));
    }
}

// Invariant 8, R54: an error of a load is no empty session.
#[test]
fn an_exchange_that_is_not_loaded_hands_out_no_session() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 3));
    let now = UnixTime::from_secs(world.now);
    let mut exchange = cloakroom_core::Exchange::open(&world.config, [token.as_bytes()], now);
    assert_eq!(exchange.session().err(), Some(Error::NotLoaded));
    let wrong = cloakroom_core::Key::new("session:other").expect("a good key");
    assert_eq!(
        exchange.handle_loaded(&wrong, None),
        Err(Error::ProtocolMisuse)
    );
    assert!(exchange.wants_load().is_some());
    keeps(
        &world.run(exchange.finish(now)).expect("nothing to do"),
        Fate::Unchanged,
    );
}

// R20, R62, invariant 4: a create that gets through after all, when the session has been signed
// out, brings nothing back.
#[test]
fn a_lost_create_that_lands_late_has_a_token_without_a_client() {
    let mut world = World::new();
    let commit = world.begin(None, ada);
    let commit = world.until(commit, "create");
    let Commit::Create(create) = &commit else {
        panic!("no create")
    };
    let (late, write) = (create.key().clone(), create.write().clone());
    let commit = world.lose(commit, false).expect("it finds out");
    let token = issued(&world.run(commit).expect("created")).expect("a token");
    assert_ne!(world.key(&token), late);

    world.request(Some(&token), destroy);
    let stored = cloakroom_core::Stored::new(write.bytes, write.expires_at, 0);
    world.records.insert(late, stored);
    assert!(!world.lives(&token));
}
