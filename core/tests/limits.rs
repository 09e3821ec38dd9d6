//! R94: each limit is met in the call that crosses it, and what was spent until then is bounded by
//! the limit: a value without an end is refused after as many elements as the limit has bytes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use cloakroom_core::{Config, Error, Exchange, Limits, Session, UnixTime, http};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Serialize, Serializer};

const BYTES: usize = 4_096;
const VALUES: usize = 16;

/// Far above any limit, so that a call without one fails the test, and ends.
const ENDLESS: usize = 1_000_000;

thread_local! {
    /// How much of an endless value was asked for.
    static DRAWN: Cell<usize> = const { Cell::new(0) };
}

fn draw() -> bool {
    DRAWN.set(DRAWN.get() + 1);
    DRAWN.get() < ENDLESS
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Numbers,
    Texts,
    Units,
    Maps,
    Text,
    Nested,
    Names,
}

const KINDS: [Kind; 7] = [
    Kind::Numbers,
    Kind::Texts,
    Kind::Units,
    Kind::Maps,
    Kind::Text,
    Kind::Nested,
    Kind::Names,
];

#[derive(Clone, Copy)]
struct Endless(Kind);

impl Serialize for Endless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Kind::Text => serializer.collect_str(self),
            Kind::Nested => match draw() {
                true => serializer.collect_seq([self]),
                false => serializer.serialize_unit(),
            },
            Kind::Names => {
                let mut map = serializer.serialize_map(None)?;
                while draw() {
                    map.serialize_entry(&format!("n{}", DRAWN.get()), &())?;
                }
                map.end()
            }
            kind => {
                let mut seq = serializer.serialize_seq(None)?;
                while draw() {
                    match kind {
                        Kind::Texts => seq.serialize_element("text")?,
                        Kind::Units => seq.serialize_element(&())?,
                        Kind::Maps => seq.serialize_element(&BTreeMap::from([(1, 1)]))?,
                        _ => seq.serialize_element(&DRAWN.get())?,
                    }
                }
                seq.end()
            }
        }
    }
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        while draw() {
            f.write_str("text")?;
        }
        Ok(())
    }
}

/// Values of this type are not read back in these tests.
impl<'de> Deserialize<'de> for Endless {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        Ok(Self(Kind::Units))
    }
}

type Call = fn(&mut Session<'_>, Kind) -> Result<(), Error>;

const CALLS: [(&str, Call); 6] = [
    ("insert", |session, kind| session.insert("x", Endless(kind))),
    ("flash", |session, kind| session.flash("x", Endless(kind))),
    ("update", |session, kind| {
        let update = move |_: Option<Endless>| Endless(kind);
        session.update("x", update).map(drop)
    }),
    ("insert in a map", |session, kind| {
        session.insert("x", BTreeMap::from([("deep", [Endless(kind)])]))
    }),
    ("update_typed", |session, kind| {
        session.update_typed(|all: &mut BTreeMap<String, Option<Endless>>| {
            all.insert("x".to_owned(), Some(Endless(kind)));
        })
    }),
    ("update_typed, names", |session, kind| {
        #[derive(Default)]
        struct All(Option<Kind>);
        impl<'de> Deserialize<'de> for All {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                serde::de::IgnoredAny::deserialize(from)?;
                Ok(Self(None))
            }
        }
        impl Serialize for All {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Endless(self.0.unwrap_or(Kind::Names)).serialize(serializer)
            }
        }
        session.update_typed(move |all: &mut All| all.0 = Some(kind))
    }),
];

fn config() -> Config {
    let limits = Limits {
        record_bytes: BYTES,
        values: VALUES,
    };
    Config::builder().limits(limits).build().expect("good")
}

fn open(config: &Config) -> Exchange {
    Exchange::open(config, [], UnixTime::from_secs(1_700_000_000))
}

#[test]
fn a_value_without_an_end_is_refused_within_the_limit() {
    let config = config();
    for (name, call) in CALLS {
        for kind in KINDS {
            let mut exchange = open(&config);
            let mut session = exchange.session().expect("new");
            session.insert("kept", 1).expect("there is room");
            DRAWN.set(0);
            assert!(call(&mut session, kind).is_err(), "{name} of {kind:?}");
            let drawn = DRAWN.get();
            assert!(drawn <= BYTES + 1, "{name} of {kind:?}: {drawn} were drawn");
            // The call that failed has changed nothing.
            assert_eq!(session.keys().collect::<Vec<_>>(), ["kept"], "{name}");
        }
    }
}

/// Reads of what a value is, by a caller's type, are bounded too: the record is.
#[test]
fn names_subjects_and_functions_have_limits_that_count_in_the_call() {
    let config = config();
    let mut exchange = open(&config);
    let mut session = exchange.session().expect("new");
    let long = "x".repeat(1 << 20);
    DRAWN.set(0);
    // Before the value is looked at.
    let named = session.insert(&long, Endless(Kind::Numbers));
    assert_eq!(named, Err(Error::InvalidName));
    assert_eq!(DRAWN.get(), 0);
    assert!(session.flash(&long, 1).is_err());
    assert!(session.update(&long, |_: Option<u8>| 1).is_err());
    assert!(session.sign_in(&long).is_err());
    assert!(session.set_subject(Some(&long)).is_err());
    assert!(!session.verify_csrf(&long));
    assert!(!session.remove(&long) && !session.contains(&long));
    assert_eq!(session.get::<u8>(&long), Ok(None));
    assert!(session.is_empty() && session.subject().is_none());
    for n in 0..VALUES {
        session.insert(&n.to_string(), n).expect("there is room");
    }
    for n in VALUES..50_000 {
        let refused = session.insert(&n.to_string(), n);
        assert!(matches!(
            refused,
            Err(Error::TooLarge { limit: VALUES, .. })
        ));
    }
    let updates = (0..50_000).map(|_| session.update("0", |n: Option<u64>| n.unwrap_or(0)));
    assert!(updates.filter(Result::is_ok).count() <= 50_000);
    assert_eq!(session.len(), VALUES);
}

/// An update over a value that stood keeps its function: at most 10,000 of them.
#[test]
fn functions_that_a_conflict_would_run_again_are_counted_in_the_call() {
    let config = config();
    let mut exchange = open(&config);
    let mut session = exchange.session().expect("new");
    let mut kept = 0;
    for n in 0..50_000 {
        let name = (n % VALUES).to_string();
        kept += usize::from(
            session
                .update(&name, |n: Option<u64>| n.unwrap_or(0))
                .is_ok(),
        );
    }
    assert_eq!(kept, 10_000);
}

/// A value that wraps itself, in each way that serde has.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Deep {
    End,
    Newtype(Box<Self>),
    Tuple(Box<Self>, u8),
    Struct { inner: Box<Self> },
    Seq(Vec<Self>),
    Map(BTreeMap<u8, Self>),
    Option(Option<Box<Self>>),
    Transparent(Wrapped),
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Wrapped(Box<Deep>);

// R70: at every depth around the limit, what is accepted reads back, alone and in a struct of all.
#[test]
fn what_is_accepted_at_the_limit_of_nesting_reads_back() {
    let wraps: [fn(Deep) -> Deep; 7] = [
        |inner| Deep::Newtype(inner.into()),
        |inner| Deep::Tuple(inner.into(), 1),
        |inner| Deep::Struct {
            inner: inner.into(),
        },
        |inner| Deep::Seq(vec![inner]),
        |inner| Deep::Map(BTreeMap::from([(1, inner)])),
        |inner| Deep::Option(Some(inner.into())),
        |inner| Deep::Transparent(Wrapped(inner.into())),
    ];
    let config = Config::default();
    for wrap in wraps {
        let (mut accepted, mut refused) = (0, 0);
        for depth in (1..4).chain(80..270) {
            let value = (0..depth).fold(Deep::End, |inner, _| wrap(inner));
            let mut exchange = open(&config);
            let mut session = exchange.session().expect("new");
            session.insert("x", 1).expect("there is room");
            if session.insert("x", &value).is_err() {
                refused += 1;
                assert_eq!(session.get::<u8>("x"), Ok(Some(1)));
                continue;
            }
            accepted += 1;
            assert_eq!(session.get::<Deep>("x"), Ok(Some(value.clone())));
            let all = session.typed::<BTreeMap<String, Deep>>().expect("readable");
            assert_eq!(all["x"], value);
            #[derive(Default, Deserialize, Serialize)]
            struct All {
                x: Option<Deep>,
            }
            assert!(
                session
                    .typed::<All>()
                    .is_ok_and(|all| all.x == Some(value.clone()))
            );
            let update = session.update("x", |value: Option<Deep>| value.expect("there"));
            assert_eq!(update, Ok(value));
            session.update_typed(|_: &mut All| {}).expect("unchanged");
        }
        assert!(accepted > 40 && refused > 0, "{accepted} {refused}");
    }
}

#[test]
fn a_client_that_sends_tokens_without_end_is_not_read_to_it() {
    let config = config();
    let drawn = Cell::new(0);
    let texts: Vec<_> = (0..100_000).map(|n| format!("{n:0>42}A")).collect();
    let tokens = texts.iter().map(|token| {
        drawn.set(drawn.get() + 1);
        token.as_bytes()
    });
    let mut exchange = Exchange::open(&config, tokens, UnixTime::from_secs(1_700_000_000));
    assert!(drawn.get() <= 17, "{} tokens were read", drawn.get());
    let mut loads = 0;
    while let Some(key) = exchange.wants_load().cloned() {
        loads += 1;
        exchange
            .handle_loaded(&key, None)
            .expect("nothing is there");
    }
    assert!(loads <= 32, "{loads} loads");
    // The same in a header of 64 KiB, of which no byte is looked at again and again.
    for part in [
        ";",
        "=",
        "__Host-session=;",
        "\"",
        " ",
        "__Host-session",
        ",",
        "=;",
    ] {
        let line = part.repeat(65_536 / part.len());
        let tokens = http::tokens_of_line(
            &config,
            &::http::HeaderValue::from_str(&line).expect("a header"),
        )
        .count();
        assert!(tokens <= 65_536 / part.len(), "{part:?}: {tokens}");
    }
}
