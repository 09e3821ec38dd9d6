//! Tokens and keys: their form, their recognition, and that no token reaches a store.

mod support;

use std::collections::BTreeSet;

use cloakroom_core::{
    Config, Directive, Exchange, Fate, Key, KeyFormat, SigningKey, TokenFormat, UnixTime,
};
use support::{START, World, destroy, insert, issued, keeps, rotate};

fn key_of(config: &Config, token: &[u8]) -> Option<Key> {
    let exchange = Exchange::open(config, [token], UnixTime::from_secs(0));
    exchange.wants_load().cloned()
}

fn world(builder: cloakroom_core::ConfigBuilder) -> World {
    World::with(builder.build().expect("a good configuration"))
}

// R01
#[test]
fn a_hundred_thousand_tokens_are_unique_and_use_the_whole_alphabet() {
    let mut world = World::new();
    let mut tokens = BTreeSet::new();
    let mut alphabet = [BTreeSet::<u8>::new(), BTreeSet::new()];
    for _ in 0..100_000 {
        let mut exchange = Exchange::open(&world.config, [], world.now());
        exchange
            .session()
            .expect("new")
            .insert("n", 1)
            .expect("good");
        let cloakroom_core::Commit::Mint(mint) = exchange.finish(world.now()) else {
            panic!("nothing to mint")
        };
        let Ok(cloakroom_core::Commit::Create(create)) = mint.with(world.entropy()) else {
            panic!("nothing to create")
        };
        let done = create.then(cloakroom_core::Created::Stored, world.now());
        let Ok(cloakroom_core::Commit::Done(outcome)) = done else {
            panic!("not done")
        };
        let token = issued(&outcome).expect("a token");
        assert_eq!(token.len(), 43);
        alphabet[0].extend(token.bytes().take(42));
        alphabet[1].extend(token.bytes().skip(42));
        assert!(tokens.insert(token), "a token came twice");
    }
    assert_eq!(alphabet[0].len(), 64);
    // The last character carries four bits.
    assert_eq!(alphabet[1].len(), 16);
}

// R01: every bit of the randomness counts.
#[test]
fn each_of_256_bits_makes_another_token() {
    let mut seen = BTreeSet::new();
    for bit in 0..256 {
        let mut entropy = [0; 64];
        entropy[bit / 8] = 1 << (bit % 8);
        let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
        exchange
            .session()
            .expect("new")
            .insert("n", 1)
            .expect("good");
        let cloakroom_core::Commit::Mint(mint) = exchange.finish(UnixTime::from_secs(0)) else {
            panic!("nothing to mint")
        };
        let Ok(cloakroom_core::Commit::Create(create)) = mint.with(entropy) else {
            panic!("nothing to create")
        };
        seen.insert(create.key().clone());
    }
    assert_eq!(seen.len(), 256);
}

// R02, invariant 5
#[test]
fn an_unknown_token_is_never_adopted() {
    let mut world = World::new();
    let chosen = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    keeps(
        &world.request(Some(chosen), |session| assert!(session.is_new())),
        Fate::Unchanged,
    );
    assert!(world.records.is_empty(), "a read creates nothing");
    let token = world.issue(Some(chosen), insert("n", 1));
    assert_ne!(token, chosen);
    assert!(!world.lives(chosen) && world.lives(&token));
}

// R03: no store call, no error, and a write yields a good token.
#[test]
fn a_malformed_token_costs_no_store_call() {
    let long = "A".repeat(8_192);
    let good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let mut malformed: Vec<Vec<u8>> = [
        "",
        "a",
        "../../etc/passwd",
        "$ne",
        "{\"$gt\":\"\"}",
        "' OR 1=1 --",
        "null",
        "session:",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    malformed.push(long.into_bytes());
    for at in [0, 20, 42] {
        for byte in [
            0, b'\r', b'\n', b' ', b'/', b'+', b'.', b'$', b'%', b'"', b';', 0x80, 0xff,
        ] {
            let mut token = good.as_bytes().to_vec();
            token[at] = byte;
            malformed.push(token);
        }
    }
    for token in malformed {
        assert_eq!(key_of(&Config::default(), &token), None, "{token:?}");
        let mut world = World::new();
        let exchange = world.open_all([&token[..]]).expect("no error");
        keeps(
            &world.run(exchange.finish(world.now())).expect("no error"),
            Fate::Unchanged,
        );
        assert!(world.calls.is_empty());
    }
}

// R04
#[test]
fn a_token_has_one_spelling() {
    let config = Config::default();
    // The last character has two bits that mean nothing: they must be zero.
    let good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert!(key_of(&config, good.as_bytes()).is_some());
    for (variant, why) in [
        (format!("{good}="), "padded"),
        (format!(" {good}"), "with a space"),
        (format!("\"{good}\""), "quoted"),
        (format!("{}9", &good[..42]), "other trailing bits"),
        (format!("{}_", &good[..42]), "other trailing bits"),
        (format!("{}-", &good[..42]), "other trailing bits"),
        (good[..42].to_owned(), "cut"),
        (format!("{good}A"), "longer"),
    ] {
        assert_eq!(
            key_of(&config, variant.as_bytes()),
            None,
            "{why}: {variant}"
        );
    }
    // Another case is another token.
    let upper = good.to_uppercase();
    assert_ne!(
        key_of(&config, upper.as_bytes()),
        key_of(&config, good.as_bytes())
    );
    let accepted = (0..=255u8).filter(|last| {
        let mut token = good.as_bytes().to_vec();
        token[42] = *last;
        key_of(&config, &token).is_some()
    });
    assert_eq!(accepted.count(), 16);
}

// R04
#[test]
fn a_uuid_has_one_spelling_and_version_4() {
    let mut world = world(Config::builder().token_format(TokenFormat::UuidV4));
    let token = world.issue(None, insert("n", 1));
    assert_eq!(token.len(), 36);
    assert_eq!((token.as_bytes()[14], token.as_bytes()[8]), (b'4', b'-'));
    assert!(matches!(token.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    assert_eq!(world.number(&token, "n"), Some(1));
    for variant in [
        "F81D4FAE-7DEC-41D0-A765-00A0C91E6BF6",
        "f81d4fae7dec41d0a76500a0c91e6bf6",
        "{f81d4fae-7dec-41d0-a765-00a0c91e6bf6}",
        "urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-71d0-a765-00a0c91e6bf6",
        "00000000-0000-0000-0000-000000000000",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    ] {
        assert_eq!(key_of(&world.config, variant.as_bytes()), None, "{variant}");
    }
    let good = key_of(&world.config, b"f81d4fae-7dec-41d0-a765-00a0c91e6bf6");
    assert!(good.is_some());
}

// R10
#[test]
fn keys_do_not_contain_the_token() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let key = world.key(&token);
    assert!(key.as_str().starts_with("__Host-session:"));
    for part in token.as_bytes().windows(8) {
        assert!(!key.as_bytes().windows(8).any(|found| found == part));
    }
    // Nor do records.
    for stored in world.records.values() {
        assert!(
            !stored
                .bytes
                .windows(8)
                .any(|found| found == &token.as_bytes()[..8])
        );
    }
}

#[test]
fn plain_keys_are_the_prefix_and_the_token() {
    let mut world = world(
        Config::builder()
            .key_format(KeyFormat::Plain)
            .key_prefix("s/"),
    );
    let token = world.issue(None, insert("n", 1));
    assert_eq!(world.key(&token).as_str(), format!("s/{token}"));
}

// R48 for tokens: a list of keys, the first signs, all verify.
#[test]
fn with_signing_keys_a_forged_token_never_reaches_the_store() {
    let signer = |byte: u8| SigningKey::new([byte; 32]).expect("long enough");
    let mut before = world(Config::builder());
    let mut first = world(Config::builder().signing_keys([signer(1)]));
    let mut rotated = world(Config::builder().signing_keys([signer(2), signer(1)]));
    let last = world(Config::builder().signing_keys([signer(2)]));

    let unsigned = before.issue(None, insert("n", 1));
    let old = first.issue(None, insert("n", 1));
    rotated.entropy();
    let new = rotated.issue(None, insert("n", 1));
    assert_eq!(old.len(), 43 + 1 + 43);

    for (config, token, recognised) in [
        (&first.config, &unsigned, false),
        (&first.config, &old, true),
        (&first.config, &new, false),
        (&rotated.config, &old, true),
        (&rotated.config, &new, true),
        (&last.config, &old, false),
        (&last.config, &new, true),
        (&before.config, &old, false),
    ] {
        assert_eq!(key_of(config, token.as_bytes()).is_some(), recognised);
    }
    // The key does not depend on which key signed.
    assert_eq!(
        key_of(&first.config, old.as_bytes()),
        key_of(&rotated.config, old.as_bytes())
    );
    for at in 0..old.len() {
        let mut forged = old.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(key_of(&first.config, &forged), None, "at {at}");
    }
    let swapped = format!("{}.{}", &new[..43], &old[44..]);
    assert_eq!(key_of(&rotated.config, swapped.as_bytes()), None);
}

// R48: a wrong key is an error before the first request, if a token is known.
#[test]
fn a_token_of_another_key_is_an_error_when_built() {
    let signer = |byte: u8| SigningKey::new([byte; 32]).expect("long enough");
    let format = |uuid| match uuid {
        true => Config::builder().token_format(TokenFormat::UuidV4),
        false => Config::builder(),
    };
    let lists: [&[u8]; 5] = [&[], &[1], &[2], &[1, 2], &[2, 1]];
    let builder = |(uuid, keys): (bool, &[u8])| {
        format(uuid).signing_keys(keys.iter().map(|key| signer(*key)))
    };
    let all = || {
        [false, true]
            .into_iter()
            .flat_map(|uuid| lists.map(|keys| (uuid, keys)))
    };
    for issuer in all() {
        let token = world(builder(issuer)).issue(None, insert("n", 1));
        for (uuid, keys) in all() {
            let signs = match issuer.1.first() {
                Some(key) => keys.contains(key),
                None => keys.is_empty(),
            };
            let known = uuid == issuer.0 && signs;
            let built = builder((uuid, keys)).known_token(&token).build();
            assert_eq!(built.is_ok(), known, "{issuer:?} {uuid} {keys:?}");
            let settings = serde_json::json!({
                "token_format": if uuid { "uuid_v4" } else { "random256" },
                "signing_keys": keys.iter().map(|key| char::from(*key).to_string().repeat(32))
                    .collect::<Vec<_>>(),
                "known_token": token,
            });
            let read = serde_json::from_value::<Config>(settings);
            assert_eq!(read.is_ok(), known, "{issuer:?} {uuid} {keys:?}");
            for error in [
                built.err().map(|error| error.to_string()),
                read.err().map(|error| error.to_string()),
            ] {
                let Some(error) = error else { continue };
                assert!(error.contains("check that the signing"), "{error}");
                assert!(!error.contains(&token), "the error has the token");
            }
        }
    }
    for other in ["", "x", "\"\"", &"A".repeat(43)[..42]] {
        let error = Config::builder().known_token(other).build().unwrap_err();
        assert_eq!(error.field(), "known_token");
    }
}

#[test]
fn signing_keys_under_32_bytes_are_refused() {
    for (len, good) in [(0, false), (31, false), (32, true), (33, true)] {
        assert_eq!(SigningKey::new(vec![7; len]).is_some(), good);
    }
}

// A key with the quotes or the newline of its env file matches no other system's.
#[test]
fn a_signing_key_in_quotes_is_refused() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    assert!(KEY.parse::<SigningKey>().is_ok());
    for wrapped in [
        format!("\"{KEY}\""),
        format!("'{KEY}'"),
        format!("{KEY}\n"),
        format!("{KEY}\r\n"),
        format!(" {KEY}"),
        format!("\"{KEY}\"\n"),
    ] {
        assert!(SigningKey::new(&wrapped).is_none(), "{wrapped:?}");
        let error = wrapped.parse::<SigningKey>().unwrap_err();
        assert!(error.to_string().contains("; remove"), "{error}");
        assert!(!error.to_string().contains(KEY), "the error has the key");
        let settings = serde_json::json!({ "signing_keys": [KEY, wrapped] });
        let error = serde_json::from_value::<Config>(settings).unwrap_err();
        assert!(error.to_string().contains("; remove"), "{error}");
        assert!(!error.to_string().contains(KEY), "the error has the key");
    }
    let short = "0123456789".parse::<SigningKey>().unwrap_err();
    assert!(short.to_string().contains("at least 32 bytes"), "{short}");
}

// R36, invariants 11 and 12: in any order, with dead ones and duplicates among them.
#[test]
fn of_two_living_tokens_none_is_trusted_in_any_order() {
    let mut world = World::new();
    let one = world.issue(None, insert("n", 1));
    let two = world.issue(None, insert("n", 2));
    let unknown = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned();
    let garbage = "garbage".to_owned();
    for (tokens, expected) in [
        (vec![&one], Some(1)),
        (vec![&one, &one, &one, &one, &one, &one], Some(1)),
        (vec![&one, &unknown], Some(1)),
        (vec![&one, &garbage, &unknown], Some(1)),
        (vec![&two, &unknown, &garbage], Some(2)),
        (vec![&one, &two], None),
        (vec![&one, &two, &unknown], None),
        (vec![&one, &two, &one], None),
        (vec![&unknown, &garbage], None),
    ] {
        for order in orders(&tokens) {
            world.take_calls();
            let tokens = order.iter().map(|token| token.as_bytes());
            let mut exchange = world.open_all(tokens).expect("no error");
            let session = exchange.session().expect("loaded");
            assert_eq!(session.get::<u64>("n"), Ok(expected));
            assert!(world.take_calls().len() <= 4);
        }
    }
}

/// All orders, up to six elements; rotations of more.
fn orders<'t>(tokens: &[&'t String]) -> Vec<Vec<&'t String>> {
    if tokens.len() > 3 {
        return (0..tokens.len())
            .map(|n| [&tokens[n..], &tokens[..n]].concat())
            .collect();
    }
    let Some((first, rest)) = tokens.split_first() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in orders(rest) {
        for at in 0..=order.len() {
            let mut order = order.clone();
            order.insert(at, first);
            all.push(order);
        }
    }
    all
}

// R36: bounded loads. Above the limit of distinct tokens nothing is loaded, in any order.
#[test]
fn many_distinct_tokens_cost_at_most_sixteen_loads() {
    let mut world = World::new();
    let tokens: Vec<_> = (0..18).map(|_| world.issue(None, insert("n", 1))).collect();
    world.records.retain(|_, _| false);
    for (count, loads) in [(1, 1), (4, 4), (16, 16), (17, 0), (18, 0)] {
        world.take_calls();
        let some = tokens.iter().take(count).map(std::string::String::as_bytes);
        let mut exchange = world.open_all(some).expect("no error");
        assert!(exchange.session().expect("loaded").is_new());
        assert_eq!(world.take_calls().len(), loads);
    }
}

// R74
#[test]
fn a_retired_token_with_its_own_successor_is_one_session() {
    let mut world = World::new();
    let old = world.issue(None, insert("n", 1));
    let new = world.issue(Some(&old), rotate);
    for tokens in [[&old, &new], [&new, &old]] {
        let tokens = tokens.map(std::string::String::as_bytes);
        let mut exchange = world.open_all(tokens).expect("no error");
        let mut session = exchange.session().expect("loaded");
        assert_eq!(session.get("n"), Ok(Some(1)));
        session.rotate();
        let outcome = exchange.settled(world.now());
        assert!(
            outcome.is_none(),
            "the newer token was presented, so it may rotate"
        );
    }
}

// Invariant 1, R43: nothing is asked for, nothing is done.
#[test]
fn an_untouched_exchange_costs_nothing() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    world.take_calls();
    let exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
    let outcome = world
        .run(exchange.finish(world.now()))
        .expect("nothing to do");
    keeps(&outcome, Fate::Unchanged);
    assert!(!outcome.accessed);
    assert!(world.calls.is_empty());
}

// Core's part of R58: no key is a key that some store could misread.
#[test]
fn keys_are_printable_ascii_of_250_bytes_at_most() {
    let long = "k".repeat(251);
    for (text, good) in [
        ("", false),
        ("a", true),
        (" ", false),
        ("a b", false),
        ("a\0", false),
        ("a\r\n", false),
        ("\u{7f}", false),
        ("é", false),
        ("!~", true),
        (&long[..250], true),
        (&long, false),
    ] {
        assert_eq!(Key::new(text).is_some(), good, "{text:?}");
    }
}

// R21: a session can be looked at and revoked by its key, as a directory lists it.
#[test]
fn a_session_is_revoked_by_its_key_without_a_cookie() {
    let mut world = World::new();
    let token = world.issue(None, support::sign_in("ada"));
    let key = world.key(&token);
    assert_eq!(world.subjects[&key].as_deref(), Some("ada"));
    let mut exchange = Exchange::open_key(&world.config, key.clone(), world.now());
    let found = world.load(&key);
    exchange.handle_loaded(&key, found).expect("good");
    assert!(exchange.wants_load().is_none());
    let mut session = exchange.session().expect("loaded");
    assert_eq!(session.subject(), Some("ada"));
    session.sign_out();
    let outcome = world.run(exchange.finish(world.now())).expect("revoked");
    keeps(&outcome, Fate::Saved);
    assert!(!world.lives(&token));
}

#[test]
fn a_retired_record_has_no_subject_for_directories() {
    let mut world = World::new();
    let old = world.issue(None, support::sign_in("ada"));
    let new = world.issue(Some(&old), rotate);
    assert_eq!(world.subjects[&world.key(&old)], None);
    assert_eq!(world.subjects[&world.key(&new)].as_deref(), Some("ada"));
}

// R20, invariants 4 and 11: none is trusted, but a sign-out ends all of them.
#[test]
fn a_sign_out_with_several_living_tokens_ends_all_of_them() {
    for retired in [false, true] {
        let mut world = World::new();
        let mut tokens: Vec<_> = (0..3).map(|n| world.issue(None, insert("n", n))).collect();
        if retired {
            tokens.push(world.issue(Some(&tokens[0]), rotate));
        }
        let presented = tokens.iter().map(std::string::String::as_bytes);
        let mut exchange = world.open_all(presented).expect("no error");
        destroy(&mut exchange.session().expect("loaded"));
        let commit = exchange.finish(world.now());
        let outcome = world.run(commit).expect("signed out");
        assert_eq!(outcome.directive, Directive::Clear);
        for token in &tokens {
            assert!(world.see(token, support::is_new));
        }
    }
}

// R67
#[test]
fn the_key_of_another_configuration_is_not_looked_for() {
    let opened = |config: &Config, key: &Key| {
        let exchange = Exchange::open_key(config, key.clone(), UnixTime::from_secs(START));
        exchange.wants_load().is_some()
    };
    let (mut shop, admin) = (
        World::new(),
        Config::builder().key_prefix("__Host-session:a:"),
    );
    let admin = admin.build().expect("good");
    let token = shop.issue(None, insert("n", 1));
    let key = shop.key(&token);
    assert!(opened(&shop.config, &key));
    assert!(!opened(&admin, &key));

    let mut admin = World::with(admin);
    let token = admin.issue(None, insert("n", 1));
    let key = admin.key(&token);
    assert!(opened(&admin.config, &key));
    assert!(
        !opened(&shop.config, &key),
        "its prefix begins like this one"
    );
}

// R67: a subdomain can set a `__Secure-` cookie, and cannot set a `__Host-` one
#[test]
fn cookies_whose_names_differ_in_their_prefix_share_no_session() {
    let names = [
        "__Host-session",
        "__Secure-session",
        "__Http-session",
        "__Host-Http-session",
        "__host-session",
        "session",
    ];
    let configs = names.map(|name| Config::builder().cookie_name(name).build().expect("good"));
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let keys = configs.each_ref().map(|config| {
        let now = UnixTime::from_secs(START);
        let exchange = Exchange::open(config, [token.as_bytes()], now);
        exchange.wants_load().expect("a well-formed token").clone()
    });
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{}", names[index]);
        assert!(key.as_str().starts_with(&format!("{}:", names[index])));
        assert_eq!(*key == world.key(&token), index == 0);
    }
}
