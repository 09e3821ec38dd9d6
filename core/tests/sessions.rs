//! The handler's operations on a session.

mod support;

use std::collections::BTreeMap;

use cloakroom_core::{Error, Fate, Limits, Session};
use serde::{Deserialize, Serialize};
use support::{World, clear, count, destroy, insert, keeps, rotate, sign_out};

type Handler = fn(&mut Session<'_>);

// R24, CVE-2015-5963; R25, CVE-2015-5143
#[test]
fn an_unchanged_session_is_not_created() {
    let handlers: [Handler; 13] = [
        sign_out,
        destroy,
        rotate,
        clear,
        |session| session.set_expiry(None).expect("good"),
        |session| session.set_subject(None).expect("good"),
        |session| assert!(!session.remove("n")),
        |session| assert_eq!(session.take::<u64>("n"), Ok(None)),
        |session| assert_eq!(session.get::<u64>("n"), Ok(None)),
        |session| assert_eq!(session.flashed::<u64>("n"), Ok(None)),
        |session| assert!(!session.contains("n") && session.is_empty()),
        |session| {
            session.insert("n", 1).expect("good");
            session.remove("n");
        },
        |session| {
            session.insert("n", 1).expect("good");
            session.sign_out();
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
fn an_unchanged_session_is_not_written() {
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
        (rotate, &["load", "create", "replace"]),
        (
            |session| session.sign_in("ada").expect("good"),
            &["load", "create", "replace"],
        ),
        (destroy, &["load", "delete"]),
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
fn take_keeps_an_unreadable_value() {
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
    assert_eq!(session.insert(&long, 1), Err(Error::InvalidName));
}

// A SAML name id has up to 256 characters, in any script.
#[test]
fn a_subject_has_up_to_1024_bytes() {
    let texts = ["s".repeat(1_024), "ß".repeat(512), "🧥".repeat(256)];
    for subject in texts {
        let mut world = World::new();
        let token = world.issue(None, |session| {
            assert_eq!(session.sign_in(&subject), Ok(()));
        });
        // Written again, by a save, a bookkeeping change and a rotation.
        world.request(Some(&token), insert("n", 1));
        world.request(Some(&token), |session| {
            assert_eq!(session.set_subject(Some("ada")), Ok(()));
            assert_eq!(session.set_subject(Some(&subject)), Ok(()));
        });
        let token = world.issue(Some(&token), |session| {
            session.rotate();
        });
        world.see(&token, |session| {
            assert_eq!(session.subject(), Some(&*subject));
            let longer = format!("{subject}s");
            assert_eq!(session.sign_in(&longer), Err(Error::InvalidSubject));
            assert_eq!(
                session.set_subject(Some(&longer)),
                Err(Error::InvalidSubject)
            );
        });
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
        session.insert("n", "text").expect("good");
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
        assert!(session.is_empty() && !session.contains("note"));
    });
    // A request that does not ask leaves it.
    world.request(Some(&token), count);
    let commit = world.begin(Some(&token), |session| {
        for _ in 0..2 {
            assert_eq!(session.flashed("note"), Ok(Some("saved".to_owned())));
        }
        session.flash("again", 2).expect("good");
    });
    // Meanwhile another request leaves one under the same name, and one replaces a value by the
    // same.
    world.request(Some(&token), |session| {
        session.flash("note", "newer").expect("good");
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

// R51: a value over a limit is an error, and nothing is written.
#[test]
fn the_call_that_crosses_a_limit_is_the_one_that_fails_r94() {
    let limits = Limits {
        record_bytes: 512,
        values: 3,
    };
    let config = support::builder().limits(limits).build();
    let mut world = World::with(config.expect("good"));
    let token = world.issue(None, insert("n", 1));
    let large = |result: Result<(), Error>, wanted: usize| {
        let refused = matches!(result, Err(Error::TooLarge { limit, .. }) if limit == wanted);
        assert!(refused, "{result:?}");
    };
    for token in [Some(&*token), None] {
        world.request(token, |session| {
            let before = session.len();
            large(session.insert("x", vec![0; 600]), 512);
            let updated = session.update("x", |_: Option<Vec<u8>>| vec![0; 600]);
            large(updated.map(|_| ()), 512);
            session.insert("x", vec![0; 300]).expect("there is room");
            large(session.insert("y", vec![0; 300]), 512);
            large(session.flash("y", vec![0; 300]), 512);
            session.insert("x", vec![0; 30]).expect("smaller");
            session.insert("y", vec![0; 300]).expect("there is room");
            assert!(session.remove("y"));
            for n in before + 1..3 {
                session.insert(&n.to_string(), n).expect("there is room");
            }
            large(session.insert("z", 1), 3);
            large(session.flash("z", 1), 3);
            large(session.update("z", |_: Option<u64>| 1).map(|_| ()), 3);
            let all = |all: &mut BTreeMap<String, Option<Vec<u8>>>| {
                all.insert("z".into(), None);
            };
            assert!(session.update_typed(all).is_err());
            session.insert("x", 1).expect("another in its place");
            assert_eq!(session.len(), 3);
            session.clear();
            for name in ["a", "b", "c"] {
                session.insert(name, 1).expect("there is room again");
            }
            large(session.insert("d", 1), 3);
        });
    }
}

// R94: a replay over another request's values meets the limit when it is saved.
#[test]
fn a_session_that_grows_over_a_limit_meanwhile_is_an_error_and_writes_nothing() {
    let limits = Limits {
        record_bytes: 512,
        values: 3,
    };
    let config = support::builder().limits(limits).build();
    let mut world = World::with(config.expect("good"));
    let token = world.issue(None, insert("n", 1));
    let commit = world.begin(Some(&token), |session| {
        session.insert("x", 1).expect("there is room");
        session.insert("y", 1).expect("there is room");
    });
    world.request(Some(&token), insert("z", 1));
    let before = world.records.clone();
    assert!(matches!(
        world.run(commit),
        Err(Error::TooLarge { limit: 3, .. })
    ));
    assert_eq!(world.records, before);
}

// R67
