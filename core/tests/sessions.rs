//! What a handler can do with a session.

mod support;

use std::cell::Cell;

use cloakroom_core::{Config, Directive, Error, Exchange, Fate, Limits, Session, UnixTime};
use serde::{Deserialize, Serialize};
use support::{START, World, count, insert, issued, keeps, sign_in};

type Handler = fn(&mut Session<'_>);

// R24, CVE-2015-5963; R25, CVE-2015-5143
#[test]
fn what_changes_nothing_creates_nothing() {
    let handlers: [Handler; 13] = [
        |session| session.sign_out(),
        |session| session.destroy(),
        |session| session.rotate(),
        |session| session.clear(),
        |session| session.set_expiry(None),
        |session| session.set_subject(None).expect("good"),
        |session| assert!(!session.remove("n")),
        |session| assert_eq!(session.take::<u64>("n"), Ok(None)),
        |session| assert_eq!(session.get::<u64>("n"), Ok(None)),
        |session| assert_eq!(session.flashed::<u64>("n"), Ok(None)),
        |session| assert!(!session.contains("n") && session.is_empty() && session.len() == 0),
        |session| {
            session.insert("n", 1).expect("good");
            session.remove("n");
        },
        |session| {
            session.insert("n", 1).expect("good");
            session.destroy();
            session.set_subject(None).expect("good");
        },
    ];
    for (at, handler) in handlers.into_iter().enumerate() {
        let mut world = World::new();
        let outcome = world.request(None, handler);
        keeps(&outcome, Fate::Unchanged);
        assert!(outcome.accessed);
        assert!(world.calls.is_empty(), "handler {at}");
    }
}

// R56: an unmodified session is not written.
#[test]
fn what_changes_nothing_writes_nothing() {
    let handlers: [Handler; 9] = [
        |session| session.insert("n", 1).expect("good"),
        |session| {
            session.insert("n", 1).expect("good");
            session.insert("n", 1).expect("good");
        },
        |session| assert!(!session.remove("other")),
        |session| assert_eq!(session.get::<u64>("n"), Ok(Some(1))),
        |session| assert!(session.contains("n") && !session.is_empty() && session.len() == 1),
        |session| session.set_subject(Some("ada")).expect("good"),
        |session| assert_eq!(session.keys().collect::<Vec<_>>(), ["n"]),
        |session| assert!(!session.csrf_token([1; 32]).is_empty()),
        |session| assert!(session.insert("", 1).is_err() && session.sign_in("").is_err()),
    ];
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.insert("n", 1).expect("good");
        session.set_subject(Some("ada")).expect("good");
    });
    for handler in handlers {
        world.take_calls();
        keeps(&world.request(Some(&token), handler), Fate::Unchanged);
        assert_eq!(world.take_calls(), ["load"]);
    }
}

// The number of store calls that the design promises.
#[test]
fn store_calls_are_as_few_as_promised() {
    let handlers: [(Handler, &[&str]); 5] = [
        (|_| {}, &["load"]),
        (count, &["load", "replace"]),
        (|session| session.rotate(), &["load", "create", "replace"]),
        (
            |session| session.sign_in("ada").expect("good"),
            &["load", "create", "replace"],
        ),
        (|session| session.destroy(), &["load", "delete"]),
    ];
    for (handler, calls) in handlers {
        let mut world = World::new();
        let token = world.issue(None, insert("n", 1));
        assert_eq!(world.take_calls(), ["create"]);
        world.request(Some(&token), handler);
        assert_eq!(world.take_calls(), calls);
    }
}

#[test]
fn values_of_all_kinds_come_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Plain,
        With {
            many: Vec<Option<i64>>,
            text: String,
        },
    }
    let mut world = World::new();
    let kind = || Kind::With {
        many: vec![None, Some(i64::MIN), Some(i64::MAX)],
        text: "ünï\0\u{1F9E5}".repeat(100),
    };
    let token = world.issue(None, |session| {
        session.insert("kind", kind()).expect("good");
        session.insert("plain", Kind::Plain).expect("good");
        session.insert("unit", ()).expect("good");
        session.insert("float", 0.1).expect("good");
        session.insert("char", 'x').expect("good");
        session.insert("naïve ☂", u64::MAX).expect("good");
    });
    world.see(&token, |session| {
        assert_eq!(session.get("kind"), Ok(Some(kind())));
        assert_eq!(session.get("plain"), Ok(Some(Kind::Plain)));
        assert_eq!(session.get("unit"), Ok(Some(())));
        assert_eq!(session.get("float"), Ok(Some(0.1)));
        assert_eq!(session.get("char"), Ok(Some('x')));
        assert_eq!(session.get("naïve ☂"), Ok(Some(u64::MAX)));
        assert_eq!(session.len(), 6);
        let wrong = session.get::<u64>("kind");
        assert!(matches!(wrong, Err(Error::Decode { name, .. }) if &*name == "kind"));
    });
}

#[test]
fn take_keeps_what_it_cannot_read() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    world.request(Some(&token), |session| {
        assert!(session.take::<String>("n").is_err());
        assert!(session.contains("n"));
        assert_eq!(session.take::<u64>("n"), Ok(Some(1)));
        assert_eq!(session.take::<u64>("n"), Ok(None));
    });
    assert_eq!(world.number(&token, "n"), None);
}

#[test]
fn names_and_subjects_are_checked() {
    let long = "n".repeat(256);
    let mut world = World::new();
    let mut exchange = world.open(None);
    let mut session = exchange.session().expect("new");
    for (name, good) in [
        ("", false),
        ("a", true),
        ("a b", true),
        ("ü", true),
        ("a\0", false),
        ("\u{1}a", false),
        ("a\n", false),
        ("\u{7f}", false),
        ("\u{85}", false),
        (&long[..255], true),
        (&long, false),
    ] {
        let (name_error, subject_error) = (Error::InvalidName, Error::InvalidSubject);
        let expected = |error: &Error| if good { Ok(()) } else { Err(error.clone()) };
        assert_eq!(session.insert(name, 1), expected(&name_error), "{name:?}");
        assert_eq!(session.flash(name, 1), expected(&name_error), "{name:?}");
        let updated = session.update(name, |_: Option<u64>| 1).map(|_| ());
        assert_eq!(updated, expected(&name_error), "{name:?}");
        assert_eq!(session.sign_in(name), expected(&subject_error), "{name:?}");
        assert_eq!(
            session.set_subject(Some(name)),
            expected(&subject_error),
            "{name:?}"
        );
    }
}

// Design: an update runs again over what is there then; on the same name the last writer wins.
#[test]
fn changes_are_replayed_in_the_order_of_the_request() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        for name in ["n", "set", "gone", "taken"] {
            session.insert(name, 10).expect("good");
        }
    });
    let commit = world.begin(Some(&token), |session| {
        count(session);
        count(session);
        session.insert("set", 1).expect("good");
        let set = session.update("set", |n: Option<u64>| n.unwrap_or(0) + 5);
        assert_eq!(set, Ok(6));
        session.remove("gone");
        let gone = session.update("gone", |n: Option<u64>| n.unwrap_or(0) + 1);
        assert_eq!(gone, Ok(1));
        session.take::<u64>("taken").expect("good");
    });
    world.request(Some(&token), |session| {
        for name in ["n", "set", "gone", "taken", "other"] {
            session.insert(name, 100).expect("good");
        }
    });
    keeps(&world.run(commit).expect("saved"), Fate::Saved);
    let values = ["n", "set", "gone", "taken", "other"].map(|name| world.number(&token, name));
    assert_eq!(values, [Some(102), Some(6), Some(1), None, Some(100)]);
}

#[test]
fn an_update_that_cannot_run_again_is_an_error_and_writes_nothing() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let commit = world.begin(Some(&token), count);
    world.request(Some(&token), |session| {
        session.insert("n", "text").expect("good")
    });
    assert!(matches!(world.run(commit), Err(Error::Decode { .. })));
    let text = world.see(&token, |session| session.get::<String>("n"));
    assert_eq!(text, Ok(Some("text".to_owned())));
}

#[test]
fn clear_removes_all_values_also_those_that_came_meanwhile_and_keeps_the_session() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.sign_in("ada").expect("good");
        session.insert("n", 1).expect("good");
        session.flash("note", 1).expect("good");
    });
    let commit = world.begin(Some(&token), |session| {
        session.clear();
        assert!(session.is_empty() && !session.is_new());
        assert_eq!(
            session.flashed::<u64>("note"),
            Ok(None),
            "flash values are values"
        );
        session.insert("after", 1).expect("good");
        assert_eq!(
            session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1),
            Ok(1)
        );
    });
    world.request(Some(&token), insert("meanwhile", 1));
    keeps(&world.run(commit).expect("saved"), Fate::Saved);
    world.see(&token, |session| {
        assert_eq!(session.keys().collect::<Vec<_>>(), ["after", "n"]);
        assert_eq!(session.subject(), Some("ada"));
        assert_eq!(session.flashed::<u64>("note"), Ok(None));
    });
}

// R66, invariant 4
#[test]
fn destroy_and_then_insert_is_a_new_session_under_a_new_token() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.sign_in("ada").expect("good");
        session.insert("old", 1).expect("good");
    });
    let id = world.see(&token, |session| session.id());
    world.later(10);
    let newer = world.issue(Some(&token), |session| {
        session.destroy();
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
    let outcome = world.request(Some(&token), |session| session.sign_out());
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Saved)
    );
    keeps(&world.run(late).expect("no error"), Fate::Unchanged);
    // The next request still carries the dead token: a read does not clear it, a sign-out does.
    keeps(&world.request(Some(&token), |_| {}), Fate::Unchanged);
    let outcome = world.request(Some(&token), |session| session.sign_out());
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Unchanged)
    );
    keeps(
        &world.request(None, |session| session.sign_out()),
        Fate::Unchanged,
    );
}

// R06, R22
#[test]
fn a_sign_in_keeps_the_data_and_notes_who_and_when() {
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
    let rotated = world.issue(Some(&newer), |session| session.rotate());
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
    let at = world.see(&again, |session| session.authenticated_at());
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
        session.set_expiry(cloakroom_core::Expiry::new().persistent());
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
    });
    world.see(&bobs, |session| {
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
            session.set_subject(None).expect("good")
        }),
        Fate::Saved,
    );
    assert_eq!(
        world.see(&token, |session| session.subject().map(str::to_owned)),
        None
    );
}

#[test]
fn a_flash_value_lives_for_the_next_request_that_asks() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.flash("note", "saved").expect("good");
        session.flash("other", 1).expect("good");
        assert_eq!(
            session.flashed::<String>("note"),
            Ok(None),
            "not for this one"
        );
        assert!(session.is_empty() && session.len() == 0 && !session.contains("note"));
    });
    // A request that does not ask leaves it.
    world.request(Some(&token), count);
    let commit = world.begin(Some(&token), |session| {
        for _ in 0..2 {
            assert_eq!(session.flashed("note"), Ok(Some("saved".to_owned())));
        }
        session.flash("again", 2).expect("good");
    });
    // Meanwhile another request leaves one under the same name, and one replaces a value by the same.
    world.request(Some(&token), |session| {
        session.flash("note", "newer").expect("good")
    });
    keeps(&world.run(commit).expect("saved"), Fate::Saved);
    world.request(Some(&token), |session| {
        assert_eq!(session.flashed("note"), Ok(Some("newer".to_owned())));
        assert_eq!(
            session.flashed::<u64>("other"),
            Ok(None),
            "asking for one ends all"
        );
        assert_eq!(session.flashed::<u64>("again"), Ok(Some(2)));
    });
    world.take_calls();
    keeps(
        &world.request(Some(&token), |session| {
            assert_eq!(session.flashed::<u64>("again"), Ok(None));
        }),
        Fate::Unchanged,
    );
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Shop {
    visits: u64,
    cart: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coupon: Option<String>,
}

#[test]
fn a_typed_session_writes_only_the_fields_that_changed() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        let done = session.update_typed(|shop: &mut Shop| {
            shop.visits = 1;
            shop.coupon = Some("ten".into());
        });
        done.expect("good");
    });
    let commit = world.begin(Some(&token), |session| {
        let done = session.update_typed(|shop: &mut Shop| {
            shop.cart.push("tea".into());
            shop.coupon = None;
        });
        done.expect("good");
    });
    world.request(Some(&token), |session| {
        session
            .update_typed(|shop: &mut Shop| shop.visits = 9)
            .expect("good");
        session.insert("foreign", 1).expect("good");
        session.flash("note", 1).expect("good");
    });
    keeps(&world.run(commit).expect("saved"), Fate::Saved);
    let shop = world.see(&token, |session| session.typed::<Shop>());
    let expected = Shop {
        visits: 9,
        cart: vec!["tea".into()],
        coupon: None,
    };
    assert_eq!(shop, Ok(expected));
    assert_eq!(world.number(&token, "foreign"), Some(1));
    keeps(
        &world.request(Some(&token), |session| {
            session.update_typed(|_: &mut Shop| {}).expect("good");
        }),
        Fate::Unchanged,
    );
}

#[test]
fn a_typed_session_is_a_struct_or_a_map_with_good_names() {
    let mut world = World::new();
    let mut exchange = world.open(None);
    let mut session = exchange.session().expect("new");
    session.insert("visits", "many").expect("good");
    assert!(matches!(session.typed::<Shop>(), Err(Error::Decode { .. })));
    session.remove("visits");
    type Map = std::collections::BTreeMap<String, u64>;
    let bad = session.update_typed(|map: &mut Map| {
        map.insert("good".into(), 1);
        map.insert("\u{1}hidden".into(), 1);
    });
    assert_eq!(bad, Err(Error::InvalidName));
    assert!(session.is_empty(), "all or nothing");
    #[derive(Default, Serialize, Deserialize)]
    #[serde(default, transparent)]
    struct NoMap(Option<u8>);
    assert!(session.update_typed(|_: &mut NoMap| {}).is_err());
}

// R68
#[test]
fn a_csrf_token_works_before_the_session_exists_and_changes_at_sign_in() {
    let mut world = World::new();
    let form = Cell::new(String::new());
    let show = |session: &mut Session<'_>| form.set(session.csrf_token([9; 32]));
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
    let rotated = world.issue(Some(&token), |session| session.rotate());
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

// R51: what is over a limit is an error, and nothing is written.
#[test]
fn what_is_over_a_limit_is_an_error_and_writes_nothing() {
    let mut limits = Limits::default();
    (limits.record_bytes, limits.values) = (512, 3);
    let config = Config::builder().limits(limits).build();
    let mut world = World::with(config.expect("good"));
    let token = world.issue(None, insert("n", 1));
    let before = world.records.clone();
    let handlers: [Handler; 3] = [
        |session| {
            assert!(matches!(
                session.insert("x", vec![0; 600]),
                Err(Error::TooLarge { limit: 512, .. })
            ));
            let updated = session.update("x", |_: Option<Vec<u8>>| vec![0; 600]);
            assert!(matches!(updated, Err(Error::TooLarge { .. })));
            session
                .insert("x", vec![0; 300])
                .expect("each alone is good");
            session
                .insert("y", vec![0; 300])
                .expect("each alone is good");
        },
        |session| {
            for name in ["x", "y", "z"] {
                session.insert(name, 1).expect("each alone is good");
            }
        },
        |session| {
            session.rotate();
            session.insert("x", vec![0; 500]).expect("alone it is good");
        },
    ];
    for handler in handlers {
        for token in [Some(&*token), None] {
            let commit = world.begin(token, |session| {
                handler(session);
                session.flash("one more", 1).expect("good");
                count(session);
            });
            assert!(matches!(world.run(commit), Err(Error::TooLarge { .. })));
            assert_eq!(world.records, before);
        }
    }
}

#[test]
fn what_a_session_says_of_itself_fits() {
    let mut world = World::new();
    world.request(None, |session| {
        assert!(session.is_new() && !session.is_modified() && session.id().is_none());
        assert_eq!(session.created_at().as_secs(), START);
        assert_eq!(session.expires_at().as_secs(), START + 1_800);
    });
    let token = world.issue(None, insert("n", 1));
    world.later(100);
    let (id, key) = world.see(&token, |session| {
        assert!(!session.is_new() && !session.is_modified());
        assert_eq!(session.created_at().as_secs(), START);
        assert_eq!(session.expires_at().as_secs(), START + 1_800);
        session.insert("m", 1).expect("good");
        assert!(session.is_modified());
        assert_eq!(session.expires_at().as_secs(), START + 1_900);
        (session.id().expect("there"), ())
    });
    let () = key;
    let newer = world.issue(Some(&token), |session| session.rotate());
    assert_ne!(world.see(&newer, |session| session.id()), Some(id.clone()));
    let key = world.key(&token);
    assert!(!key.as_str().contains(&id) && !token.contains(&id));
}

// R67
#[test]
fn two_cookies_of_one_application_do_not_see_each_other() {
    let config = |name: &str| Config::builder().cookie_name(name).build().expect("good");
    let mut world = World::with(config("__Host-shop"));
    let token = world.issue(None, insert("n", 1));
    world.config = config("__Host-admin");
    assert!(world.see(&token, |session| session.is_new()));
    let other = world.issue(Some(&token), insert("n", 2));
    assert_eq!(world.number(&other, "n"), Some(2));
    world.config = config("__Host-shop");
    assert_eq!(world.number(&token, "n"), Some(1));
    assert!(world.see(&other, |session| session.is_new()));
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
