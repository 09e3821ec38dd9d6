//! Sharing records with Flask: sign-ins and sign-outs that the other side sees, lost answers, and a
//! writer that overwrites blindly.

mod both;
#[path = "../../tests/support/mod.rs"]
mod support;

use both::{Both, SID, alice, dict};
use cloakroom_core::{Directive, Error, Expiry, Fate};
use cloakroom_flask::{MARKS, Value};
use support::{count, insert, is_new, keeps, name, sign_in, sign_out};

#[test]
fn after_a_sign_in_flask_sees_the_subject_nowhere_but_keeps_it() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let sid = both.world.issue(Some(SID), sign_in("ada"));
    let session = both.flask_reads(&sid).unwrap();
    assert_eq!(session.get("user_id"), Some(&42.into()));
    assert!(session.get(MARKS).is_some());

    // Flask changes something, and carries the marks along.
    let Value::Dict(mut entries) = session else {
        panic!()
    };
    entries.push(("theme".into(), "dark".into()));
    both.flask_writes(&sid, &Value::Dict(entries));
    both.world.see(&sid, |session| {
        assert_eq!(session.subject(), Some("ada"));
        assert!(session.authenticated_at().is_some());
        assert_eq!(
            session.get::<String>("theme").unwrap().as_deref(),
            Some("dark")
        );
    });

    // Flask clears the session and goes on with it, without a user.
    both.flask_writes(&sid, &dict([("theme", "light".into())]));
    both.world.see(&sid, |session| {
        assert_eq!(
            (session.subject(), session.authenticated_at()),
            (None, None)
        );
        assert!(!session.contains("user_id"));
    });
}

#[test]
fn a_retired_session_is_empty_for_flask_and_readable_for_rust_in_the_grace() {
    // R06
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let sid = both.world.issue(Some(SID), sign_in("ada"));
    let Value::Dict(entries) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].0, MARKS.into());
    assert_eq!(both.world.number(SID, "user_id"), Some(42));
    let late = both.world.begin(Some(SID), insert("n", 1));
    assert_eq!(both.world.run(late), Err(Error::Superseded));
    both.world.later(31);
    assert!(both.world.see(SID, is_new));
    // Flask prolongs whatever it reads; that gives the old session no life in Rust.
    let again = both.flask_reads(&sid).unwrap();
    both.flask_writes(SID, &dict([(MARKS, again.get(MARKS).unwrap().clone())]));
    assert_eq!(both.world.number(&sid, "user_id"), Some(42));
}

#[test]
fn a_retired_session_that_flask_writes_is_a_session_again() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    both.world.issue(Some(SID), sign_in("ada"));
    // A browser that still has the old cookie signs in with Flask, which carries the marks along.
    let Value::Dict(mut session) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    session.push(("user_id".into(), 7.into()));
    both.flask_writes(SID, &Value::Dict(session));
    for seconds in [0, 60] {
        both.world.later(seconds);
        both.world.see(SID, |session| {
            assert_eq!(session.get::<u64>("user_id").unwrap(), Some(7));
            assert_eq!(session.subject(), None);
        });
    }
    keeps(&both.world.request(Some(SID), insert("n", 1)), Fate::Saved);
    assert!(both.flask_reads(SID).unwrap().get(MARKS).is_none());
}

#[test]
fn a_sign_out_is_seen_by_the_other_side() {
    // R61
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let outcome = both.world.request(Some(SID), sign_out);
    assert_eq!(outcome.directive, Directive::Clear);
    assert!(both.flask_reads(SID).is_none());

    both.flask_writes(SID, &alice());
    let key = both.world.key(SID);
    both.world.records.remove(&key);
    assert!(both.world.see(SID, is_new));
}

#[test]
fn a_lost_answer_neither_loses_nor_doubles() {
    // R62
    for landed in [true, false] {
        let mut both = Both::new();
        both.flask_writes(SID, &alice());
        for change in [insert("n", 1), insert("n", 1)] {
            let commit = both.world.begin(Some(SID), change);
            let commit = both.world.until(commit, "replace");
            let commit = both.world.lose(commit, landed).unwrap();
            keeps(&both.world.run(commit).unwrap(), Fate::Saved);
            both.flask_writes(SID, &alice());
        }
        // With an increment, the record remembers its writers.
        let commit = both.world.begin(Some(SID), count);
        let commit = both.world.until(commit, "replace");
        let commit = both.world.lose(commit, landed).unwrap();
        both.world.run(commit).unwrap();
        assert_eq!(both.world.number(SID, "n"), Some(1));

        let commit = both.world.begin(Some(SID), count);
        let commit = both.world.until(commit, "replace");
        let commit = both.world.lose(commit, landed).unwrap();
        both.world.request(Some(SID), count);
        both.world.run(commit).unwrap();
        assert_eq!(both.world.number(SID, "n"), Some(3));
    }
}

#[test]
fn a_lost_answer_is_settled_though_flask_overwrote_the_record() {
    // R62
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let commit = both.world.begin(Some(SID), count);
    let commit = both.world.until(commit, "replace");
    let commit = both.world.lose(commit, true).unwrap();
    // Flask had read before the increment, and takes it away. So it is made again.
    both.flask_writes(SID, &alice());
    keeps(&both.world.run(commit).unwrap(), Fate::Saved);
    assert_eq!(both.world.number(SID, "n"), Some(1));

    // Flask had read after it, and carries its mark along. So it is there.
    let commit = both.world.begin(Some(SID), count);
    let commit = both.world.until(commit, "replace");
    let commit = both.world.lose(commit, true).unwrap();
    let Value::Dict(mut session) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    session.push(("theme".into(), "dark".into()));
    both.flask_writes(SID, &Value::Dict(session));
    keeps(&both.world.run(commit).unwrap(), Fate::Saved);
    assert_eq!(both.world.number(SID, "n"), Some(2));
}

#[test]
fn an_outcome_that_cannot_be_known_is_not_claimed() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let commit = both.world.begin(Some(SID), count);
    let commit = both.world.until(commit, "replace");
    let commit = both.world.lose(commit, true).unwrap();
    // A record remembers its last eight writers.
    for _ in 0..8 {
        both.world.request(Some(SID), count);
    }
    assert_eq!(both.world.run(commit).map(drop), Err(Error::UnknownOutcome));
}

/// Increments of Rust add up while other Rust requests are in flight, and a write of Flask in
/// between loses none of them.
#[test]
fn beside_flask_rust_loses_nothing_that_flask_wrote() {
    // R53
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let first = both.world.begin(Some(SID), count);
    let first = both.world.until(first, "replace");
    let second = both.world.begin(Some(SID), count);
    let second = both.world.until(second, "replace");
    // A Flask request comes and goes.
    let Value::Dict(mut session) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    session.push(("cart".into(), "tea".into()));
    both.flask_writes(SID, &Value::Dict(session));
    for commit in [first, second] {
        assert_eq!(name(&commit), "replace");
        keeps(&both.world.run(commit).unwrap(), Fate::Saved);
    }
    both.world.see(SID, |session| {
        assert_eq!(session.get::<u64>("n").unwrap(), Some(2));
        assert_eq!(
            session.get::<String>("cart").unwrap().as_deref(),
            Some("tea")
        );
        assert_eq!(session.get::<u64>("user_id").unwrap(), Some(42));
    });
}

/// Beside Flask: a Flask request that was under way writes what it had read, over whatever Rust did
/// meanwhile. It loses Rust's changes, and it brings back a session that Rust has signed out. That
/// is Flask-Session's way of writing; nothing on this side can prevent it.
#[test]
fn beside_flask_a_flask_request_in_flight_overwrites() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let read_before = both.flask_reads(SID).unwrap();

    both.world.request(Some(SID), insert("n", 1));
    both.flask_writes(SID, &read_before);
    assert_eq!(both.world.number(SID, "n"), None);

    both.world.request(Some(SID), sign_out);
    both.flask_writes(SID, &read_before);
    assert_eq!(both.world.number(SID, "user_id"), Some(42));

    // The old token does not reach the privilege of a sign-in in Rust, which has another token.
    let sid = both.world.issue(Some(SID), sign_in("ada"));
    both.flask_writes(SID, &read_before);
    both.world
        .see(SID, |session| assert_eq!(session.subject(), None));
    both.world
        .see(&sid, |session| assert_eq!(session.subject(), Some("ada")));
    // And a sign-out of that one is not undone by a request with the old one.
    both.world.request(Some(&sid), sign_out);
    both.flask_writes(SID, &read_before);
    assert!(both.world.see(&sid, is_new));
}

#[test]
fn a_sessions_own_lifetime_survives_flask() {
    // R26
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    both.world.request(Some(SID), |session| {
        session
            .set_expiry(Expiry::new().idle(std::time::Duration::from_secs(600)))
            .expect("good");
    });
    // Flask writes it again, with its own lifetime in the store.
    let session = both.flask_reads(SID).unwrap();
    both.flask_writes(SID, &session);
    let key = both.world.key(SID);
    both.world.request(Some(SID), insert("n", 1));
    assert_eq!(
        both.world.records[&key].expires_at.as_secs(),
        both.world.now + 600
    );
}

#[test]
fn a_csrf_token_outlives_its_request() {
    // R68
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let mut token = String::new();
    both.world
        .request(Some(SID), |session| token = session.csrf_token([5; 32]));
    assert!(both.world.see(SID, |session| session.verify_csrf(&token)));
    assert!(both.flask_reads(SID).unwrap().get(MARKS).is_some());
    both.world.see(SID, |session| {
        let other = session.csrf_token([9; 32]);
        assert!(other != token && session.verify_csrf(&other));
    });
    // The next time it needs no write.
    both.world.take_calls();
    both.world
        .request(Some(SID), |session| token = session.csrf_token([6; 32]));
    assert_eq!(both.world.take_calls(), ["load"]);
}
