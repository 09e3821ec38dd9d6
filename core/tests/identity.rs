//! A session's owner: sign-in, sign-out, subjects, CSRF tokens, several cookies.

mod support;

use std::cell::Cell;
use std::time::Duration;

use cloakroom_core::{Authentication, Directive, Exchange, Fate, Session, UnixTime};
use support::{
    START, World, authenticated_at, count, id, insert, is_new, issued, keeps, rotate, sign_in,
    sign_out,
};

type Handler = fn(&mut Session<'_>);

// R66, invariant 4
#[test]
fn destroy_and_then_insert_is_a_new_session_under_a_new_token() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.sign_in("ada").expect("good");
        session.insert("old", 1).expect("good");
    });
    let id = world.see(&token, id);
    world.later(10);
    let newer = world.issue(Some(&token), |session| {
        session.sign_out();
        assert!(session.is_new() && session.is_empty() && session.id().is_none());
        assert_eq!(
            (session.subject(), session.authenticated_at()),
            (None, None)
        );
        session.insert("new", 1).expect("good");
    });
    assert_ne!(newer, token);
    assert!(!world.lives(&token));
    world.see(&newer, |session| {
        assert_eq!(session.keys().collect::<Vec<_>>(), ["new"]);
        assert_eq!(
            (session.subject(), session.created_at().as_secs()),
            (None, START + 10)
        );
        assert_ne!(session.id(), id);
    });
}

// R19, invariant 6: the cookie is cleared only if the request itself signed out.
#[test]
fn the_cookie_is_cleared_by_an_own_sign_out_only() {
    let mut world = World::new();
    let token = world.issue(None, sign_in("ada"));
    let late = world.begin(Some(&token), |_| {});
    let outcome = world.request(Some(&token), sign_out);
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Saved)
    );
    keeps(&world.run(late).expect("no error"), Fate::Unchanged);
    // The next request still carries the dead token: a read does not clear it, a sign-out does.
    keeps(&world.request(Some(&token), |_| {}), Fate::Unchanged);
    let outcome = world.request(Some(&token), sign_out);
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Unchanged)
    );
    keeps(&world.request(None, sign_out), Fate::Unchanged);
}

// R06, R22
#[test]
fn a_sign_in_keeps_the_data_and_records_subject_and_time() {
    let mut world = World::new();
    let token = world.issue(None, insert("cart", 3));
    world.later(100);
    let newer = world.issue(Some(&token), |session| {
        session.sign_in("ada").expect("good");
        assert_eq!(session.subject(), Some("ada"));
        assert_eq!(
            session.authenticated_at().map(UnixTime::as_secs),
            Some(START + 100)
        );
        assert_eq!(session.created_at().as_secs(), START + 100);
        assert_eq!(session.get::<u64>("cart"), Ok(Some(3)));
    });
    world.later(100);
    world.request(Some(&newer), count);
    let rotated = world.issue(Some(&newer), rotate);
    for token in [&newer, &rotated] {
        world.see(token, |session| {
            assert_eq!(session.subject(), Some("ada"));
            assert_eq!(
                session.authenticated_at().map(UnixTime::as_secs),
                Some(START + 100)
            );
        });
    }
    // The old token stays what it was.
    world.see(&token, |session| {
        assert_eq!(
            (session.subject(), session.authenticated_at()),
            (None, None)
        );
    });
    // A second sign-in of the same subject is a newer one.
    world.later(100);
    let again = world.issue(Some(&rotated), sign_in("ada"));
    let at = world.see(&again, authenticated_at);
    assert_eq!(at.map(UnixTime::as_secs), Some(START + 300));
    assert_eq!(world.number(&again, "cart"), Some(3));
}

#[test]
fn a_sign_in_of_another_subject_carries_nothing_over() {
    let mut world = World::new();
    let adas = world.issue(None, |session| {
        session.sign_in("ada").expect("good");
        session.insert("n", 41).expect("good");
        session.flash("note", 7).expect("good");
        let long = std::time::Duration::from_secs(9_000);
        session
            .set_expiry(cloakroom_core::Expiry::new().idle(long).persistent())
            .expect("good");
    });
    let bobs = world.issue(Some(&adas), |session| {
        count(session);
        session.sign_in("bob").expect("good");
        assert_eq!(
            session.get::<u64>("n"),
            Ok(Some(1)),
            "counted over nothing of hers"
        );
        assert_eq!(session.flashed::<u64>("note"), Ok(None));
        session.insert("bobs", 1).expect("good");
        assert_eq!(session.expires_at().as_secs(), START + 1_800);
    });
    world.see(&bobs, |session| {
        assert_eq!(session.expires_at().as_secs(), START + 1_800);
        assert_eq!(session.subject(), Some("bob"));
        assert_eq!(session.keys().collect::<Vec<_>>(), ["bobs", "n"]);
        assert_eq!(session.get::<u64>("n"), Ok(Some(1)));
        assert_eq!(session.flashed::<u64>("note"), Ok(None));
    });
    // The old token is ada's, read-only, for the grace.
    assert_eq!(
        world
            .see(&adas, |session| session.subject().map(str::to_owned))
            .as_deref(),
        Some("ada")
    );
}

#[test]
fn of_set_subject_and_sign_in_the_last_call_counts() {
    let subject = |world: &mut World, handler: Handler| {
        let token = world.issue(None, handler);
        let said = world.subjects[&world.key(&token)].clone();
        let seen = world.see(&token, |session| session.subject().map(Box::from));
        assert_eq!(said, seen);
        seen
    };
    let mut world = World::new();
    for (handler, expected) in [
        (
            (|session| session.sign_in("ada").expect("good")) as Handler,
            Some("ada"),
        ),
        (
            |session| {
                session.set_subject(Some("bob")).expect("good");
                session.sign_in("ada").expect("good");
            },
            Some("ada"),
        ),
        (
            |session| {
                session.sign_in("ada").expect("good");
                session.set_subject(Some("bob")).expect("good");
                assert_eq!(session.subject(), Some("bob"));
            },
            Some("bob"),
        ),
        (
            |session| {
                session.sign_in("ada").expect("good");
                session.set_subject(None).expect("good");
            },
            None,
        ),
        (
            |session| session.set_subject(Some("bob")).expect("good"),
            Some("bob"),
        ),
    ] {
        assert_eq!(subject(&mut world, handler).as_deref(), expected);
    }
}

#[test]
fn set_subject_keeps_the_token_and_is_no_sign_in() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let outcome = world.request(Some(&token), |session| {
        session.set_subject(Some("guest")).expect("good");
    });
    keeps(&outcome, Fate::Saved);
    world.see(&token, |session| {
        assert_eq!(
            (session.subject(), session.authenticated_at()),
            (Some("guest"), None)
        );
    });
    keeps(
        &world.request(Some(&token), |session| {
            session.set_subject(None).expect("good");
        }),
        Fate::Saved,
    );
    assert_eq!(
        world.see(&token, |session| session.subject().map(str::to_owned)),
        None
    );
}

// R22, R84: no step-up of the earlier subject counts for the next one.
#[test]
fn another_subject_has_not_been_authenticated() {
    let unknown = |session: &Session<'_>| {
        assert_eq!(session.authenticated_at(), None);
        assert_eq!(session.authentication(), None);
        assert!(!session.authenticated_within(Duration::from_secs(3_600)));
    };
    let stepped_up = |session: &mut Session<'_>| {
        let how = Authentication::new(2).method("otp");
        session.sign_in_with("ada", &how).expect("good");
    };
    let changes: [Handler; 5] = [
        |session| session.set_subject(Some("bob")).expect("good"),
        |session| session.set_subject(None).expect("good"),
        |session| {
            session.rotate();
            session.set_subject(Some("bob")).expect("good");
        },
        |session| {
            session.set_subject(None).expect("good");
            session.insert("n", 2).expect("good");
        },
        |session| {
            session.set_subject(Some("bob")).expect("good");
            session.rotate();
        },
    ];
    for change in changes {
        for at_once in [false, true] {
            let mut world = World::new();
            let mut token = world.issue(None, |session| {
                stepped_up(session);
                assert!(session.authenticated_within(Duration::from_secs(1)));
                if at_once {
                    change(session);
                    unknown(session);
                }
            });
            if !at_once {
                let outcome = world.request(Some(&token), |session| {
                    assert_eq!(session.authentication().map(|how| how.level()), Some(2));
                    change(session);
                    unknown(session);
                });
                token = issued(&outcome).unwrap_or(token);
            }
            world.see(&token, |session| unknown(session));
            // Nor does the earlier subject get it back.
            world.request(Some(&token), |session| {
                session.set_subject(Some("ada")).expect("good");
                unknown(session);
            });
            world.see(&token, |session| unknown(session));
        }
    }
}

#[test]
fn the_same_subject_set_again_stays_authenticated() {
    let mut world = World::new();
    let token = world.issue(None, sign_in("ada"));
    world.request(Some(&token), |session| {
        session.set_subject(Some("bob")).expect("good");
        session.set_subject(Some("ada")).expect("good");
        session.insert("n", 1).expect("good");
    });
    let at = world.see(&token, authenticated_at);
    assert_eq!(at, Some(UnixTime::from_secs(START)));
}

// R68
#[test]
fn a_csrf_token_works_before_the_session_exists_and_changes_at_sign_in() {
    let mut world = World::new();
    let form = Cell::new(String::new());
    let show = |session: &mut Session<'_>| {
        form.set(session.csrf_token([9; 32]));
        count(session);
    };
    let token = world.issue(None, show);
    let first = form.take();
    let good = |world: &mut World, token: &str, form: &str| {
        world.see(token, |session| session.verify_csrf(form))
    };
    assert!(good(&mut world, &token, &first));
    // Each text is another one, all are valid; also after other changes and a rotation.
    let second = world.see(&token, |session| session.csrf_token([3; 32]));
    assert_ne!(first, second);
    assert!(good(&mut world, &token, &second));
    world.request(Some(&token), count);
    let rotated = world.issue(Some(&token), rotate);
    assert!(good(&mut world, &rotated, &first));

    let before = Cell::new(String::new());
    let newer = world.issue(Some(&rotated), |session| {
        before.set(session.csrf_token([4; 32]));
        session.sign_in("ada").expect("good");
        assert!(!session.verify_csrf(&before.take()));
        form.set(session.csrf_token([5; 32]));
        assert!(session.verify_csrf(&session_form(&form)));
    });
    assert!(!good(&mut world, &newer, &first) && good(&mut world, &newer, &form.take()));
    // Even if the request that signs in sets none.
    let again = world.issue(Some(&newer), sign_in("ada"));
    let older = world.see(&newer, |session| session.csrf_token([7; 32]));
    assert!(good(&mut world, &newer, &older) && !good(&mut world, &again, &older));
    // Another session's is none of ours, and neither is garbage.
    let other = world.issue(None, |session| form.set(session.csrf_token([6; 32])));
    assert!(good(&mut world, &other, &session_form(&form)));
    assert!(!good(&mut world, &newer, &form.take()));
    let long = "A".repeat(10_000);
    for garbage in ["", "A", &"A".repeat(43), &"A".repeat(44), &long, "ü", "=="] {
        let zeros = garbage.len() == 43;
        assert!(!good(&mut world, &newer, garbage), "{zeros}");
    }
    assert!(!world.open(None).session().expect("new").verify_csrf(&first));
}

fn session_form(form: &Cell<String>) -> String {
    let text = form.take();
    form.set(text.clone());
    text
}

#[test]
fn a_sessions_times_and_subject_agree() {
    let mut world = World::new();
    world.request(None, |session| {
        assert!(session.is_new() && !session.is_modified() && session.id().is_none());
        assert_eq!(session.created_at().as_secs(), START);
        assert_eq!(session.expires_at().as_secs(), START + 1_800);
    });
    let token = world.issue(None, insert("n", 1));
    world.later(100);
    let shown = world.see(&token, |session| {
        assert!(!session.is_new() && !session.is_modified());
        assert_eq!(session.created_at().as_secs(), START);
        assert_eq!(session.expires_at().as_secs(), START + 1_800);
        session.insert("m", 1).expect("good");
        assert!(session.is_modified());
        assert_eq!(session.expires_at().as_secs(), START + 1_900);
        session.id().expect("there")
    });
    let newer = world.issue(Some(&token), rotate);
    assert_ne!(world.see(&newer, id), Some(shown.clone()));
    // The old token leads to what the newer one is, also in a listing.
    assert_eq!(world.see(&token, id), world.see(&newer, id));
    let key = world.key(&token);
    assert!(!key.as_str().contains(&shown) && !token.contains(&shown));
}

// R67
#[test]
fn two_cookies_of_one_application_do_not_see_each_other() {
    let config = |name: &str| support::builder().cookie_name(name).build().expect("good");
    let mut world = World::with(config("__Host-shop"));
    let token = world.issue(None, insert("n", 1));
    world.config = config("__Host-admin");
    assert!(world.see(&token, is_new));
    let other = world.issue(Some(&token), insert("n", 2));
    assert_eq!(world.number(&other, "n"), Some(2));
    world.config = config("__Host-shop");
    assert_eq!(world.number(&token, "n"), Some(1));
    assert!(world.see(&other, is_new));
}

#[test]
fn an_exchange_can_be_asked_twice() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
    let key = exchange.wants_load().cloned();
    assert_eq!(exchange.wants_load(), key.as_ref());
    let found = world.load(&key.clone().expect("wanted"));
    exchange
        .handle_loaded(&key.expect("wanted"), found)
        .expect("good");
    for n in 1..=2 {
        exchange
            .session()
            .expect("loaded")
            .insert("n", n)
            .expect("good");
    }
    let outcome = world.run(exchange.finish(world.now())).expect("saved");
    assert_eq!((issued(&outcome), outcome.fate), (None, Fate::Saved));
    assert_eq!(world.number(&token, "n"), Some(2));
}
