//! Records: unreadable ones are an error and stay as they are, and hostile sizes cost bounded
//! memory.

mod support;

use std::collections::BTreeMap;

use ciborium::Value;
use cloakroom_core::{Error, Exchange, Fate, Key, Session, Stored, UnixTime};
use support::{START, World, count, destroy, insert, keeps, rotate};

/// An exchange on a record with these bytes.
fn load(bytes: &[u8]) -> Result<(), Error> {
    let config = cloakroom_core::Config::default();
    let (now, end) = (UnixTime::from_secs(START), UnixTime::from_secs(START + 60));
    let key =
        Key::new("__Host-session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").expect("a good key");
    let mut exchange = Exchange::open_key(&config, key.clone(), now);
    exchange.handle_loaded(&key, Some(Stored::new(bytes.to_vec(), end, 0)))
}

/// A record as a CBOR value: the format is stated in `record.rs`.
fn value(world: &World, token: &str) -> Value {
    let bytes = &world.records[&world.key(token)].bytes;
    ciborium::from_reader(&bytes[..]).expect("a record is CBOR")
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("it is a value");
    bytes
}

fn fields(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a record is an array")
}

/// A record with every kind of field.
fn full() -> Value {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.sign_in("ada").expect("good");
        session
            .set_expiry(cloakroom_core::Expiry::new().persistent())
            .expect("good");
        session.insert("a", 1).expect("good");
        session.insert("b", "text").expect("good");
        session.flash("c", [1, 2, 3]).expect("good");
    });
    value(&world, &token)
}

// R52
#[test]
fn a_record_is_read_as_it_was_written() {
    assert_eq!(load(&bytes(&full())), Ok(()));
}

// R52
#[test]
fn a_damaged_record_is_corrupt_and_a_newer_one_is_named() {
    let text = |text: &str| Value::Text(text.into());
    let entry = |name: &str, value: Value| (text(name), value);
    let good = || Value::Bytes(vec![1]);
    type Change = Box<dyn Fn(&mut Vec<Value>)>;
    let set =
        |at: usize, value: Value| -> Change { Box::new(move |fields| fields[at] = value.clone()) };
    let map = |entries: Vec<(Value, Value)>| set(8, Value::Map(entries));
    let retired = |successor: &str| Value::Array(vec![text(successor), 9.into(), true.into()]);
    let corrupt = || Err(Error::Corrupt);
    let cases: Vec<(&str, Change, Result<(), Error>)> = vec![
        (
            "newer",
            set(0, 5.into()),
            Err(Error::NewerRecord { version: 5 }),
        ),
        (
            "newest",
            set(0, u64::MAX.into()),
            Err(Error::NewerRecord { version: u64::MAX }),
        ),
        (
            "without the epoch that its version has",
            set(0, 2.into()),
            corrupt(),
        ),
        (
            "sealed, without what is sealed",
            set(0, 3.into()),
            corrupt(),
        ),
        ("sealed, with neither", set(0, 4.into()), corrupt()),
        ("older", set(0, 0.into()), corrupt()),
        ("negative", set(0, (-1).into()), corrupt()),
        ("no version", set(0, text("1")), corrupt()),
        ("no writer", set(1, Value::Bytes(vec![])), corrupt()),
        (
            "half a writer",
            set(1, Value::Bytes(vec![0; 12])),
            corrupt(),
        ),
        (
            "too many writers",
            set(1, Value::Bytes(vec![0; 72])),
            corrupt(),
        ),
        ("most writers", set(1, Value::Bytes(vec![0; 64])), Ok(())),
        ("no creation", set(2, Value::Null), corrupt()),
        (
            "creation at the end of time",
            set(2, u64::MAX.into()),
            Ok(()),
        ),
        ("sign-in of text", set(3, text("x")), corrupt()),
        ("no sign-in", set(3, Value::Null), Ok(())),
        ("subject of bytes", set(4, good()), corrupt()),
        ("no subject", set(4, Value::Null), Ok(())),
        (
            "retired by a good key",
            set(5, retired("__Host-session:x")),
            Ok(()),
        ),
        ("retired by a bad key", set(5, retired("a b")), corrupt()),
        (
            "retired by nothing",
            set(5, Value::Array(vec![])),
            corrupt(),
        ),
        (
            "retired in a way that is not told",
            set(5, Value::Array(vec![text("__Host-session:x"), 9.into()])),
            corrupt(),
        ),
        (
            "expiry of two",
            set(6, Value::Array(vec![Value::Null; 2])),
            corrupt(),
        ),
        (
            "expiry of texts",
            set(6, Value::Array(vec!["".into(), "".into(), "".into()])),
            corrupt(),
        ),
        ("short seed", set(7, Value::Bytes(vec![0; 15])), corrupt()),
        ("long seed", set(7, Value::Bytes(vec![0; 17])), corrupt()),
        ("no values", map(vec![]), Ok(())),
        (
            "values that are not bytes",
            map(vec![entry("a", 1.into())]),
            corrupt(),
        ),
        (
            "values that are no CBOR",
            map(vec![entry("a", good())]),
            Ok(()),
        ),
        (
            "a name that is no text",
            map(vec![(good(), good())]),
            corrupt(),
        ),
        ("no name", map(vec![entry("", good())]), corrupt()),
        (
            "a long name",
            map(vec![entry(&"n".repeat(256), good())]),
            corrupt(),
        ),
        (
            "names twice",
            map(vec![entry("a", good()), entry("a", good())]),
            corrupt(),
        ),
        (
            "names in disorder",
            map(vec![entry("b", good()), entry("a", good())]),
            corrupt(),
        ),
        (
            "a field less",
            Box::new(|fields| drop(fields.pop())),
            corrupt(),
        ),
        (
            "a field more",
            Box::new(|fields| fields.push(Value::Null)),
            corrupt(),
        ),
    ];
    for (what, change, expected) in cases {
        let mut record = full();
        change(fields(&mut record));
        assert_eq!(load(&bytes(&record)), expected, "{what}");
    }
}

// R52
#[test]
fn every_cut_and_every_suffix_of_a_record_is_corrupt() {
    let whole = bytes(&full());
    for len in 0..whole.len() {
        assert_eq!(load(&whole[..len]), Err(Error::Corrupt), "cut to {len}");
    }
    for more in [&[0][..], &[0xff], &whole] {
        assert_eq!(load(&[&whole[..], more].concat()), Err(Error::Corrupt));
    }
}

// R52, invariant 9: an unreadable record is never overwritten, even if the damage comes in the
// middle of a commit.
#[test]
fn an_unreadable_record_is_never_overwritten() {
    let handlers: [fn(&mut Session<'_>); 4] = [
        count,
        rotate,
        |session| session.sign_in("bob").expect("good"),
        destroy,
    ];
    let mut newer = full();
    fields(&mut newer)[0] = 5.into();
    for (record, error) in [
        (b"damaged".to_vec(), Error::Corrupt),
        (Vec::new(), Error::Corrupt),
        (bytes(&newer), Error::NewerRecord { version: 5 }),
    ] {
        for handler in handlers {
            let mut world = World::new();
            let token = world.issue(None, insert("n", 1));
            let key = world.key(&token);
            let commit = world.begin(Some(&token), handler);
            let end = UnixTime::from_secs(START + 60);
            let stored = Stored::new(record.clone(), end, 99);
            world.records.insert(key.clone(), stored.clone());
            assert_eq!(world.run(commit), Err(error.clone()));
            assert_eq!(world.records[&key], stored);

            let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
            let failed = exchange.handle_loaded(&key, Some(stored.clone()));
            assert_eq!(failed, Err(error.clone()));
            assert_eq!(exchange.session().err(), Some(error.clone()));
            assert!(exchange.wants_load().is_none());
            let outcome = world
                .run(exchange.finish(world.now()))
                .expect("nothing to do");
            keeps(&outcome, Fate::Unchanged);
            assert_eq!(world.records[&key], stored);
        }
    }
}

/// A header of a major type with an argument of eight bytes.
fn header(major: u8, argument: u64) -> Vec<u8> {
    [&[major << 5 | 27][..], &argument.to_be_bytes()].concat()
}

// R51: lengths that promise more than there is.
#[test]
fn huge_length_headers_cost_nothing() {
    let whole = bytes(&full());
    for major in 0..8 {
        for len in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 32, 1 << 31] {
            let mut bomb = header(major, len);
            assert!(load(&bomb).is_err());
            bomb.extend_from_slice(&whole);
            assert!(load(&bomb).is_err());
            for at in 1..whole.len() {
                let bomb = [&whole[..at], &header(major, len)[..], &whole[at..]].concat();
                assert!(load(&bomb).is_err());
            }
        }
    }
    // Indefinite lengths are not what this library writes.
    for head in [0x9f, 0xbf, 0x5f, 0x7f, 0xff] {
        assert_eq!(load(&[head, 1, 0xff]), Err(Error::Corrupt));
    }
}

/// A session whose value `x` holds these bytes.
fn with_value(content: Vec<u8>) -> (World, String) {
    let mut world = World::new();
    let token = world.issue(None, insert("x", 1));
    let mut record = value(&world, &token);
    fields(&mut record)[8] = Value::Map(vec![(Value::Text("x".into()), Value::Bytes(content))]);
    let key = world.key(&token);
    let stored = world.records.get_mut(&key).expect("there");
    stored.bytes = bytes(&record).into();
    (world, token)
}

// R51: a value that nests deeply, or promises much, is an error when it is read; until then it is
// carried along unread.
#[test]
fn deep_and_huge_values_are_typed_errors() {
    let deep = |head: &[u8]| [head.repeat(100_000), vec![0]].concat();
    for content in [
        deep(&[0x81]),
        deep(&[0xa1, 0]),
        deep(&[0xc1]),
        deep(&[0x9f]),
        header(2, 1 << 40),
        header(3, u64::MAX),
        header(4, 1 << 40),
        header(5, 1 << 40),
        vec![],
        vec![0, 0],
        vec![0xff],
        vec![0x61, 0xff],
    ] {
        let (mut world, token) = with_value(content.clone());
        world.see(&token, |session| {
            // Tags around a number are stepped over, one by one.
            let tagged = content.first() == Some(&0xc1);
            match session.get::<Value>("x") {
                Ok(value) => assert!(tagged && value == Some(0.into())),
                Err(error) => assert!(!tagged && matches!(error, Error::Decode { .. })),
            }
            assert!(session.get::<Vec<u8>>("x").is_err());
            assert!(session.get::<String>("x").is_err());
            assert!(session.get::<BTreeMap<String, u8>>("x").is_err());
            let typed = session.typed::<BTreeMap<String, Value>>();
            assert_eq!(typed.is_ok(), tagged);
            let updated = session.update("x", |x: Option<u64>| x.unwrap_or(0));
            assert_eq!((updated.is_ok(), session.is_modified()), (tagged, tagged));
            assert!(session.contains("x"));
        });
        keeps(
            &world.request(Some(&token), insert("other", 1)),
            Fate::Saved,
        );
        let kept = value(&world, &token);
        let text = format!("{:?}", kept.as_array().map(|fields| fields[8].clone()));
        assert!(text.contains("other") && text.contains("\"x\""));
        assert_eq!(
            world
                .request(Some(&token), |session| assert!(session.remove("x")))
                .fate,
            Fate::Saved
        );
    }
}

// R51: a value that could not be read back is refused when it is written, and the session stays as
// it was.
#[test]
fn a_value_nested_too_deeply_is_refused_at_insert() {
    let nested =
        |depth: usize| (1..depth).fold(Value::Array(vec![]), |inner, _| Value::Array(vec![inner]));
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.insert("x", nested(200)).expect("within the limit");
        for depth in [300, 1_000] {
            let refused = session.insert("x", nested(depth));
            assert!(matches!(refused, Err(Error::TooLarge { limit: 256, .. })));
        }
    });
    world.see(&token, |session| {
        assert_eq!(session.get::<Value>("x"), Ok(Some(nested(200))));
    });
}

// Invariant 3, item 4 of the core: unread values are not decoded, unchanged ones are copied.
#[test]
fn an_unread_value_is_copied_as_it_is() {
    let odd = vec![0x1b, 0, 0, 0, 0, 0, 0, 0, 5];
    let (mut world, token) = with_value(odd.clone());
    world.request(Some(&token), count);
    let newer = world.issue(Some(&token), rotate);
    let record = &world.records[&world.key(&newer)].bytes;
    assert!(record.windows(odd.len()).any(|part| part == odd));
    assert_eq!(world.number(&newer, "x"), Some(5));
}

// A record of another node is no reason to panic or to load for ever.
#[test]
fn records_that_follow_each_other_in_a_circle_end_in_an_error() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let key = world.key(&token);
    let mut record = value(&world, &token);
    let successor = Value::Text(key.as_str().into());
    let retired = vec![successor, (START + 30).into(), false.into()];
    fields(&mut record)[5] = Value::Array(retired);
    world.records.get_mut(&key).expect("there").bytes = bytes(&record).into();
    assert_eq!(
        world.open_all([token.as_bytes()]).err(),
        Some(Error::Contended)
    );
    assert_eq!(
        world.calls.iter().filter(|call| **call == "load").count(),
        17
    );
}

#[test]
fn the_longest_names_and_subjects_and_many_values_fit() {
    let mut world = World::new();
    let long = "ü".repeat(127);
    let token = world.issue(None, |session| {
        session.sign_in(&long).expect("good");
        for n in 0..1_000 {
            session.insert(&format!("{n:0>200}"), n).expect("good");
        }
        session.insert(&long, vec![0u8; 20_000]).expect("good");
    });
    world.see(&token, |session| {
        assert_eq!((session.len(), session.subject()), (1_001, Some(&*long)));
        assert!(session.keys().is_sorted());
        assert_eq!(session.get(&format!("{:0>200}", 999)), Ok(Some(999)));
    });
    world.request(Some(&token), |session| {
        for n in 0..23 {
            session.insert(&format!("more {n}"), n).expect("good");
        }
        let over = session.insert("more 23", 23);
        assert!(matches!(over, Err(Error::TooLarge { limit: 1_024, .. })));
    });
    let len = world.see(&token, |session| session.len());
    assert_eq!(len, 1_024);
}
