//! Properties over random input: hostile bytes, damaged records, and sessions against a plain map.

mod support;

use std::collections::BTreeMap;

use cloakroom_core::{
    Config, Error, Exchange, Fate, Key, Session, SigningKey, Stored, TokenFormat, UnixTime,
};
use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;
use support::{START, World, issued};

/// One change of a session.
#[derive(Clone, Debug)]
enum Change {
    Insert(u8, u64),
    Remove(u8),
    Take(u8),
    Add(u8, u64),
    Clear,
    Typed(u64),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let names = 0..4u8;
    let change = prop_oneof![
        3 => (names.clone(), 0..4u64).prop_map(|(name, value)| Change::Insert(name, value)),
        2 => names.clone().prop_map(Change::Remove),
        1 => names.clone().prop_map(Change::Take),
        3 => (names, 0..4u64).prop_map(|(name, more)| Change::Add(name, more)),
        1 => Just(Change::Clear),
        1 => (0..4u64).prop_map(Change::Typed),
    ];
    proptest::collection::vec(change, 0..8)
}

fn name(name: u8) -> &'static str {
    ["a", "b", "c", "visits"][usize::from(name)]
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Visits {
    #[serde(default)]
    visits: u64,
}

fn change(session: &mut Session<'_>, change: &Change) {
    match *change {
        Change::Insert(at, value) => session.insert(name(at), value).expect("good"),
        Change::Remove(at) => {
            let there = session.contains(name(at));
            assert_eq!(session.remove(name(at)), there);
        }
        Change::Take(at) => {
            let before = session.get::<u64>(name(at));
            assert_eq!(session.take::<u64>(name(at)), before);
        }
        Change::Add(at, more) => {
            let sum = session.update(name(at), move |n: Option<u64>| n.unwrap_or(0) + more);
            assert_eq!(
                sum,
                Ok(session.get(name(at)).expect("good").expect("there"))
            );
        }
        Change::Clear => session.clear(),
        Change::Typed(value) => {
            let done = session.update_typed(|visits: &mut Visits| visits.visits = value);
            done.expect("good");
        }
    }
}

type Model = BTreeMap<&'static str, u64>;

/// Applies the changes to plain values.
fn apply(model: &mut Model, changes: &[Change]) {
    for change in changes {
        match *change {
            Change::Insert(at, value) => drop(model.insert(name(at), value)),
            Change::Remove(at) | Change::Take(at) => drop(model.remove(name(at))),
            Change::Add(at, more) => *model.entry(name(at)).or_insert(0) += more,
            Change::Clear => model.clear(),
            // A field that had no value is written with its default.
            Change::Typed(value) => drop(model.insert("visits", value)),
        }
    }
}

/// One request's changes as it sees them: other names keep their values.
#[derive(Clone, Debug, PartialEq)]
enum Intent {
    Set(Option<u64>),
    /// The value at the time of the request does not count.
    Add(u64),
    /// 0, if there is nothing.
    Default,
}

/// The intents of a request that saw `seen`.
fn intents(seen: &Model, changes: &[Change]) -> (bool, BTreeMap<&'static str, Intent>) {
    let (mut cleared, mut intents) = (false, BTreeMap::new());
    let mut now = seen.clone();
    for change in changes {
        let before = now.clone();
        apply(&mut now, std::slice::from_ref(change));
        match *change {
            Change::Insert(at, value) => {
                set(&mut intents, &before, cleared, seen, name(at), Some(value));
            }
            Change::Remove(at) | Change::Take(at) => {
                set(&mut intents, &before, cleared, seen, name(at), None);
            }
            Change::Typed(0) if !before.contains_key("visits") => {
                let replayed = !cleared && !intents.contains_key("visits");
                let intent = if replayed {
                    Intent::Default
                } else {
                    Intent::Set(Some(0))
                };
                intents.insert("visits", intent);
            }
            Change::Typed(_) => {
                if now.get("visits") != before.get("visits") {
                    set(
                        &mut intents,
                        &before,
                        cleared,
                        seen,
                        "visits",
                        now.get("visits").copied(),
                    );
                }
            }
            Change::Add(at, more) => {
                let next = match intents.get(name(at)) {
                    Some(Intent::Add(sum)) => Intent::Add(sum + more),
                    Some(Intent::Default) => Intent::Add(more),
                    None if !cleared => Intent::Add(more),
                    _ => Intent::Set(now.get(name(at)).copied()),
                };
                intents.insert(name(at), next);
            }
            Change::Clear => {
                cleared |= !seen.is_empty();
                intents.clear();
            }
        }
    }
    (cleared, intents)
}

fn set(
    intents: &mut BTreeMap<&'static str, Intent>,
    before: &Model,
    cleared: bool,
    seen: &Model,
    name: &'static str,
    value: Option<u64>,
) {
    let known = intents.remove(name).is_some();
    if !known && before.get(name).copied() == value {
        return;
    }
    if value.is_some() || !cleared && seen.contains_key(name) {
        intents.insert(name, Intent::Set(value));
    }
}

fn read(world: &mut World, token: &str) -> Model {
    world.see(token, |session| {
        let names: Vec<_> = session.keys().map(str::to_owned).collect();
        assert_eq!(names.len(), session.len());
        assert_eq!(names.is_empty(), session.is_empty());
        let all = (0..4).map(name);
        all.filter_map(|name| Some((name, session.get(name).expect("a number")?)))
            .collect()
    })
}

fn start(world: &mut World, base: &[Change]) -> (String, Model) {
    let token = world.issue(None, |session| {
        session.set_subject(Some("ada")).expect("good");
        base.iter().for_each(|each| change(session, each));
    });
    let model = read(world, &token);
    (token, model)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_behaves_like_a_map(base in changes(), later in changes()) {
        let mut world = World::new();
        let (token, mut model) = start(&mut world, &base);
        let mut expected = Model::new();
        apply(&mut expected, &base);
        prop_assert_eq!(&model, &expected);
        let commit = world.begin(Some(&token), |session| {
            for each in &later {
                change(session, each);
                apply(&mut model, std::slice::from_ref(each));
                let names: Vec<_> = session.keys().collect();
                assert_eq!(names, model.keys().copied().collect::<Vec<_>>());
            }
        });
        let outcome = world.run(commit).expect("no error");
        prop_assert_eq!(issued(&outcome), None);
        prop_assert_eq!(read(&mut world, &token), model);
    }

    // Invariant 3: the result of two concurrent requests is that of replaying the second over the
    // first.
    #[test]
    fn the_second_of_two_concurrent_requests_is_replayed_over_the_first(
        base in changes(),
        first in changes(),
        second in changes(),
        lost in any::<bool>(),
        landed in any::<bool>(),
    ) {
        let mut world = World::new();
        let (token, seen) = start(&mut world, &base);
        let slower = world.begin(Some(&token), |session| {
            second.iter().for_each(|each| change(session, each));
        });
        let changed = world.request(Some(&token), |session| {
            first.iter().for_each(|each| change(session, each));
        });
        let mut expected = seen.clone();
        apply(&mut expected, &first);
        prop_assert_eq!(&read(&mut world, &token), &expected);
        let (cleared, mut intents) = intents(&seen, &second);
        // R73: a request in which nothing comes out different writes nothing.
        let idle = |(name, intent): (&&'static str, &Intent)| {
            *intent == Intent::Add(0) && seen.contains_key(name)
        };
        if !cleared && intents.iter().all(idle) {
            intents.clear();
        }
        if cleared {
            expected.clear();
        }
        for (name, intent) in &intents {
            match intent {
                Intent::Set(Some(value)) => drop(expected.insert(name, *value)),
                Intent::Set(None) => drop(expected.remove(name)),
                Intent::Add(more) => *expected.entry(name).or_insert(0) += more,
                Intent::Default => _ = expected.entry(name).or_insert(0),
            }
        }
        let writes = cleared || !intents.is_empty();
        let outcome = match support::name(&slower) {
            "mint" => {
                let mut slower = world.until(slower, "replace");
                if lost {
                    slower = world.lose(slower, landed).expect("it finds out");
                }
                world.run(slower).expect("no error")
            }
            _ => world.run(slower).expect("no error"),
        };
        prop_assert_eq!(outcome.fate == Fate::Saved, writes);
        let conflicts = u32::from(writes && lost) + u32::from(writes && changed.fate == Fate::Saved);
        prop_assert!(outcome.conflicts <= conflicts);
        prop_assert_eq!(read(&mut world, &token), expected);
    }

    // R39, invariant 12
    #[test]
    fn any_cookie_header_is_read_without_a_panic(lines in proptest::collection::vec(hostile(), 0..4)) {
        let config = Config::default();
        let mut headers = HeaderMap::new();
        for line in &lines {
            if let Ok(line) = HeaderValue::from_bytes(line) {
                headers.append(header::COOKIE, line);
            }
        }
        let tokens = || cloakroom_core::http::tokens(&config, &headers);
        let exchange = Exchange::open(&config, tokens(), UnixTime::from_secs(START));
        let recognised = tokens().any(|token| {
            Exchange::open(&config, [token], UnixTime::from_secs(START)).wants_load().is_some()
        });
        if exchange.wants_load().is_some() {
            prop_assert!(recognised);
        }
    }

    // R03, R39: a token in another spelling is ignored, and one in the canonical spelling has a key
    // that stores accept.
    #[test]
    fn any_token_is_passed_over_or_has_a_good_key(token in hostile(), uuid in any::<bool>(), signed in any::<bool>()) {
        let mut builder = Config::builder();
        if uuid {
            builder = builder.token_format(TokenFormat::UuidV4);
        }
        if signed {
            builder = builder.signing_keys(SigningKey::new([1; 32]));
        }
        let config = builder.build().expect("good");
        let mut exchange = Exchange::open(&config, [&token[..]], UnixTime::from_secs(START));
        if let Some(key) = exchange.wants_load().cloned() {
            prop_assert!(!uuid && !signed && token.len() == 43);
            prop_assert!(key.as_str().starts_with("__Host-session:") && key.as_str().len() == 58);
            exchange.handle_loaded(&key, None).expect("nothing there");
        }
        prop_assert!(exchange.session().expect("loaded").is_new());
    }

    // R39, R51: no panic, whatever a store returns, and whatever the handler does with it.
    #[test]
    fn any_record_is_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), n in 0..5u8) {
        let mut head = vec![0x89, 1, 0x48, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend_from_slice(&bytes);
        for bytes in [bytes, head] {
            use_record(bytes, n)?;
        }
    }

    // R52: a damaged record is an error, or a record; never a panic, and never written over if it
    // is an error.
    #[test]
    fn a_damaged_record_is_read_or_refused_without_a_panic(
        base in changes(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        n in 0..5u8,
    ) {
        let mut world = World::new();
        let (token, _) = start(&mut world, &base);
        let mut bytes = world.records[&world.key(&token)].bytes.to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        use_record(bytes, n)?;
    }

    // A written record is read back unchanged, byte by byte the same if nothing changed.
    #[test]
    fn written_records_are_read_back(values in proptest::collection::btree_map("[a-zü ]{1,20}", any::<(i64, String, bool)>(), 0..20), subject in "[^\\p{C}]{1,60}") {
        let mut world = World::new();
        let token = world.issue(None, |session| {
            session.sign_in(&subject).expect("good");
            for (name, value) in &values {
                session.insert(name, value).expect("good");
            }
        });
        let (found, who) = world.see(&token, |session| {
            let names: Vec<_> = session.keys().map(str::to_owned).collect();
            let found: BTreeMap<_, _> = names
                .into_iter()
                .map(|name| (name.clone(), session.get::<(i64, String, bool)>(&name).expect("good").expect("there")))
                .collect();
            assert_eq!(session.typed::<BTreeMap<String, (i64, String, bool)>>(), Ok(found.clone()));
            (found, session.subject().map(str::to_owned))
        });
        prop_assert_eq!(found, values);
        prop_assert_eq!(who, Some(subject));
    }
}

/// Bytes that come near to what is expected.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..100),
        "[-_A-Za-z0-9]{43}".prop_map(String::into_bytes),
        "[-_A-Za-z0-9]{43}\\.[-_A-Za-z0-9]{43}".prop_map(String::into_bytes),
        "[-0-9a-f]{36}".prop_map(String::into_bytes),
        "((__Host-session|a|)[ =;\"]{0,3}([-_A-Za-z0-9]{43})?[ =;,\"]{0,3}){0,5}"
            .prop_map(String::into_bytes),
    ]
}

/// Does everything that a request can do with a record.
fn use_record(bytes: Vec<u8>, n: u8) -> Result<(), TestCaseError> {
    let mut world = World::new();
    let key = Key::new("__Host-session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").expect("good");
    let stored = Stored::new(bytes, UnixTime::from_secs(START + 60), 1);
    world.records.insert(key.clone(), stored.clone());
    let mut exchange = Exchange::open_key(&world.config, key.clone(), world.now());
    let mut failed = None;
    while let Some(wanted) = exchange.wants_load().cloned() {
        let found = world.load(&wanted);
        prop_assert!(world.calls.len() <= 17);
        if let Err(error) = exchange.handle_loaded(&wanted, found) {
            failed = Some(error);
        }
    }
    match (exchange.session(), failed) {
        (Ok(mut session), None) => {
            let names: Vec<_> = session.keys().map(str::to_owned).collect();
            for name in names {
                let _ = session.get::<ciborium::Value>(&name);
                let _ = session.update(&name, |n: Option<u64>| n.unwrap_or(0).wrapping_add(1));
            }
            let _ = session.flashed::<u64>("a");
            let _ = session.typed::<BTreeMap<String, u64>>();
            let _ = (
                session.subject().is_some(),
                session.expires_at(),
                session.id(),
            );
            match n {
                0 => session.rotate(),
                1 => session.sign_in("bob").expect("good"),
                2 => session.sign_out(),
                3 => session.clear(),
                _ => session.insert("x", 1).expect("good"),
            }
        }
        (Err(error), Some(failed)) => {
            prop_assert_eq!(&error, &failed);
            let known = matches!(
                error,
                Error::Corrupt | Error::NewerRecord { .. } | Error::Contended
            );
            prop_assert!(known);
        }
        (session, failed) => prop_assert!(false, "{:?}, {:?}", session.is_ok(), failed),
    }
    let refused = exchange.session().is_err();
    let commit = exchange.finish(world.now());
    let _ = world.run(commit);
    if refused {
        prop_assert_eq!(&world.records[&key], &stored);
    }
    Ok(())
}
