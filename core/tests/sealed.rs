//! Sealed values: what a store holds of them, what a token opens, and what happens without one.

mod opened;
mod support;

use std::collections::BTreeSet;

use cloakroom_core::{
    Commit, Config, ConfigBuilder, Error, Exchange, Fate, Key, KeyFormat, Limits, Session, Stored,
};
use opened::{Opened, open, secret};
use support::{World, count, insert, issued, keeps, rotate, sign_in};

const VALUE: &str = "a value that stands in no dump";

fn sealing() -> ConfigBuilder {
    Config::builder().seal_values(true)
}

fn world() -> World {
    World::with(sealing().build().expect("a good configuration"))
}

fn plant(session: &mut Session<'_>) {
    session.insert("planted", VALUE).expect("a good value");
}

fn planted(session: &mut Session<'_>) -> Result<Option<String>, Error> {
    session.get("planted")
}

fn stored(world: &World, token: &str) -> Stored {
    world.records[&world.key(token)].clone()
}

/// The record as one that holds its key reads it.
fn opened(world: &World, token: &str) -> Opened {
    let key = world.key(token);
    open(&stored(world, token).bytes, &secret(token, &key)).expect("the token opens its record")
}

/// An exchange on a record, as a listing opens it.
fn listed(world: &World, token: &str) -> Exchange {
    let key = world.key(token);
    let mut exchange = Exchange::open_key(&world.config, key.clone(), world.now());
    let loaded = exchange.handle_loaded(&key, Some(stored(world, token)));
    loaded.expect("the head can be read");
    exchange
}

fn holds(record: &[u8], text: &[u8]) -> bool {
    record.windows(text.len()).any(|window| window == text)
}

// R89
#[test]
fn a_sealed_record_holds_no_value_and_its_token_opens_it() {
    let mut world = world();
    let token = world.issue(None, |session| {
        plant(session);
        session.flash("notice", VALUE).expect("a good value");
        session.sign_in("ada").expect("a good subject");
    });
    let record = stored(&world, &token).bytes;
    for text in [VALUE, "planted", "notice", &token] {
        assert!(!holds(&record, text.as_bytes()), "{text}");
    }
    assert!(holds(&record, b"ada"));
    let read = |session: &mut Session<'_>| {
        let planted = planted(session)?;
        Ok::<_, Error>((planted, session.flashed::<String>("notice")?))
    };
    let both = (Some(VALUE.to_owned()), Some(VALUE.to_owned()));
    assert_eq!(world.see(&token, read), Ok(both));
}

// R89
#[test]
fn the_cipher_and_its_key_are_those_of_the_documentation() {
    // `opened` has its own HKDF and reads the layout by itself.
    let mut world = world();
    let token = world.issue(None, plant);
    let opened = opened(&world, &token);
    assert_eq!(opened.names(), ["planted"]);
    assert_eq!(opened.seed.len(), 16);
    assert!(!holds(&stored(&world, &token).bytes, &opened.seed));
}

// R89
#[test]
fn every_damaged_byte_is_an_error_and_never_another_value() {
    let config = sealing().public_values(["device"]).build();
    let mut world = World::with(config.expect("good"));
    let first = world.issue(None, |session| {
        plant(session);
        session.insert("device", "laptop").expect("a good value");
        session.sign_in("ada").expect("a good subject");
        let expiry = cloakroom_core::Expiry::new().persistent();
        session.set_expiry(expiry).expect("a good expiry");
    });
    // A second writer, so that the head has more than one mark.
    world.request(Some(&first), count);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), sign_in("ada"));
    for token in [first, second, third] {
        let (key, record) = (world.key(&token), stored(&world, &token));
        for at in 0..record.bytes.len() {
            for bit in 0..8 {
                let mut bytes = record.bytes.to_vec();
                bytes[at] ^= 1 << bit;
                let damaged = Stored::new(bytes, record.expires_at, record.version);
                let token = [token.as_bytes()];
                let mut exchange = Exchange::open(&world.config, token, world.now());
                let loaded = exchange.handle_loaded(&key, Some(damaged));
                assert!(
                    matches!(loaded, Err(Error::Corrupt | Error::NewerRecord { .. })),
                    "byte {at}, bit {bit}: {loaded:?}"
                );
                assert!(exchange.session().is_err());
            }
        }
        for len in 0..record.bytes.len() {
            let cut = Stored::new(record.bytes.slice(..len), record.expires_at, 1);
            let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
            assert_eq!(exchange.handle_loaded(&key, Some(cut)), Err(Error::Corrupt));
        }
    }
}

// R39, R89: without a token nothing authenticates it.
#[test]
fn a_damaged_record_is_listed_without_a_panic() {
    let config = sealing().public_values(["device"]).build();
    let mut world = World::with(config.expect("good"));
    let token = world.issue(None, |session| {
        session.insert("device", "laptop").expect("a good value");
        session.sign_in("ada").expect("a good subject");
    });
    let (key, record) = (world.key(&token), stored(&world, &token));
    let mut read = 0;
    for at in 0..record.bytes.len() {
        for bit in 0..8 {
            let mut bytes = record.bytes.to_vec();
            bytes[at] ^= 1 << bit;
            let damaged = Stored::new(bytes, record.expires_at, record.version);
            let mut exchange = Exchange::open_key(&world.config, key.clone(), world.now());
            if exchange.handle_loaded(&key, Some(damaged)).is_err() {
                continue;
            }
            let Ok(session) = exchange.session() else {
                continue;
            };
            read += 1;
            let _ = (session.keys().count(), session.get::<String>("device"));
            assert!(session.is_new() || session.get::<String>("planted") == Err(Error::Sealed));
        }
    }
    assert!(read > 100, "{read}");
}

// R89
#[test]
fn a_head_fits_no_other_values_and_a_record_no_other_key() {
    let mut world = world();
    let token = world.issue(None, plant);
    let older = stored(&world, &token).bytes;
    world.request(Some(&token), sign_in_as_nobody);
    let newer = stored(&world, &token).bytes;
    let other = world.issue(None, plant);
    let text = |record: &[u8]| record.len() - opened::text(record).len();
    let (older_text, newer_text) = (text(&older), text(&newer));
    let moved = [&newer[..newer_text], &older[older_text..]].concat();
    for (token, bytes) in [(&token, moved), (&other, older.to_vec())] {
        let key = world.key(token);
        let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
        let loaded = Stored::new(bytes, stored(&world, token).expires_at, 1);
        assert_eq!(
            exchange.handle_loaded(&key, Some(loaded)),
            Err(Error::Corrupt)
        );
    }
}

fn sign_in_as_nobody(session: &mut Session<'_>) {
    session
        .set_subject(Some("a guest"))
        .expect("a good subject");
}

// R78, R89
#[test]
fn the_old_token_opens_what_a_rotation_made_of_its_session() {
    let mut world = world();
    let first = world.issue(None, plant);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), rotate);
    world.request(Some(&third), insert("later", 1));
    for token in [&first, &second, &third] {
        assert_eq!(world.see(token, planted), Ok(Some(VALUE.to_owned())));
        assert_eq!(world.number(token, "later"), Some(1));
    }
    keeps(&world.request(Some(&first), insert("late", 2)), Fate::Saved);
    assert_eq!(world.number(&third, "late"), Some(2));
    world.later(31);
    assert!(world.see(&first, |session| session.is_new()));
    assert_eq!(world.number(&third, "late"), Some(2));
}

// R78, R89
#[test]
fn a_change_in_flight_reaches_the_successor_also_without_a_grace() {
    for grace in [0, 30] {
        let config = sealing().rotation_grace(std::time::Duration::from_secs(grace));
        let mut world = World::with(config.build().expect("good"));
        let first = world.issue(None, plant);
        let flight = world.begin(Some(&first), count);
        let flight = world.until(flight, "replace");
        let second = world.issue(Some(&first), rotate);
        let third = world.issue(Some(&second), rotate);
        keeps(&world.run(flight).expect("it follows"), Fate::Saved);
        assert_eq!(world.number(&third, "n"), Some(1));
        assert_eq!(world.see(&third, planted), Ok(Some(VALUE.to_owned())));
    }
}

// R89
#[test]
fn a_retired_record_has_its_successors_key_only_after_a_plain_rotation() {
    let mut world = world();
    let first = world.issue(None, plant);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), sign_in("ada"));
    world.request(Some(&third), insert("private", 1));
    let carried = opened(&world, &first).value("\u{3}successor");
    assert_eq!(carried, Some(secret(&second, &world.key(&second)).to_vec()));
    assert_eq!(opened(&world, &second).names(), ["planted"]);
    // Neither old key opens what the sign-in made.
    for token in [&first, &second] {
        let old = secret(token, &world.key(token));
        assert!(open(&stored(&world, &third).bytes, &old).is_none());
        assert_eq!(world.see(token, planted), Ok(Some(VALUE.to_owned())));
        assert_eq!(world.number(token, "private"), None);
    }
}

// R89
#[test]
fn no_nonce_is_used_twice() {
    let mut world = world();
    let mut seen = BTreeSet::new();
    let mut token = world.issue(None, plant);
    let mut look = |world: &World| {
        for record in world.records.values() {
            seen.insert((opened::nonce(&record.bytes), record.bytes.to_vec()));
        }
    };
    for round in 0..20 {
        // Two requests that meet, a rotation that is rewritten, and an answer that is lost.
        let first = world.begin(Some(&token), insert("a", round));
        let first = world.until(first, "replace");
        world.request(Some(&token), insert("b", round));
        look(&world);
        keeps(&world.run(first).expect("it is replayed"), Fate::Saved);
        look(&world);
        let rotation = world.begin(Some(&token), rotate);
        let rotation = world.until(rotation, "replace");
        look(&world);
        world.request(Some(&token), insert("c", round));
        look(&world);
        let rotation = world.step(rotation).expect("it has changed");
        let rotation = world.until(rotation, "replace");
        look(&world);
        let rotation = world.lose(rotation, true).expect("it is looked for");
        look(&world);
        token = issued(&world.run(rotation).expect("it is found")).expect("a token");
        look(&world);
    }
    let records = seen.len();
    let nonces: BTreeSet<_> = seen.into_iter().map(|(nonce, _)| nonce).collect();
    assert!(records > 100, "{records}");
    assert_eq!(nonces.len(), records);
}

// R89
#[test]
fn switching_signs_nobody_out_and_the_next_save_follows_the_setting() {
    let mut world = World::new();
    let (off, on) = (world.config.clone(), sealing().build().expect("good"));
    let token = world.issue(None, |session| {
        plant(session);
        session.sign_in("ada").expect("a good subject");
    });
    let is_plain =
        |world: &World, token: &str| holds(&stored(world, token).bytes, VALUE.as_bytes());
    for (config, plain_after) in [(&on, false), (&off, true), (&on, false)] {
        let plain_before = is_plain(&world, &token);
        world.config = config.clone();
        assert_eq!(world.see(&token, planted), Ok(Some(VALUE.to_owned())));
        assert_eq!(is_plain(&world, &token), plain_before);
        world.request(Some(&token), count);
        assert_eq!(is_plain(&world, &token), plain_after);
        assert_eq!(world.see(&token, planted), Ok(Some(VALUE.to_owned())));
    }
    assert_eq!(world.number(&token, "n"), Some(3));
}

// R78, R89
#[test]
fn a_token_that_was_rotated_away_before_the_switch_reads_and_writes_on() {
    let mut world = World::new();
    let (off, on) = (world.config.clone(), sealing().build().expect("good"));
    for (before, after) in [(&off, &on), (&on, &off)] {
        world.config = before.clone();
        let first = world.issue(None, plant);
        let second = world.issue(Some(&first), rotate);
        world.config = after.clone();
        assert_eq!(world.see(&first, planted), Ok(Some(VALUE.to_owned())));
        keeps(&world.request(Some(&first), count), Fate::Saved);
        assert_eq!(world.number(&second, "n"), Some(1));
        world.request(Some(&second), count);
        assert_eq!(world.number(&second, "n"), Some(2));
    }
    // Once its owner has sealed it, the retired record lacks the key. That is an error, not a
    // session without values.
    world.config = off;
    let first = world.issue(None, plant);
    let second = world.issue(Some(&first), rotate);
    world.config = on;
    world.request(Some(&second), count);
    assert_eq!(world.see(&first, planted), Err(Error::Sealed));
    let mut exchange = world.open(Some(&first));
    exchange.session().expect("loaded").clear();
    let commit = exchange.finish(world.now());
    assert_eq!(world.run(commit), Err(Error::Sealed));
    assert_eq!(world.number(&second, "n"), Some(1));
}

// R89
#[test]
fn without_the_token_only_the_head_and_public_values_can_be_read() {
    let config = sealing().public_values(["device", "city"]);
    let mut world = World::with(config.build().expect("good"));
    let token = world.issue(None, |session| {
        plant(session);
        session.insert("device", "laptop").expect("a good value");
        session.sign_in("ada").expect("a good subject");
    });
    let id = world.see(&token, |session| session.id());
    let mut exchange = listed(&world, &token);
    let session = exchange.session().expect("loaded");
    assert!(session.is_sealed());
    assert_eq!((session.subject(), session.id()), (Some("ada"), id));
    assert_eq!(session.get("device"), Ok(Some("laptop".to_owned())));
    assert_eq!(session.keys().collect::<Vec<_>>(), ["device"]);
    assert_eq!(session.get::<String>("city"), Ok(None));
    for name in ["planted", "unheard of"] {
        assert_eq!(session.get::<String>(name), Err(Error::Sealed));
    }
    assert!(
        session
            .typed::<std::collections::BTreeMap<String, String>>()
            .is_err()
    );
}

// R89
#[test]
fn without_the_token_nothing_is_changed_but_a_session_can_be_ended() {
    type Change = fn(&mut Session<'_>) -> Result<(), Error>;
    let changes: [(&str, Change); 14] = [
        ("insert", |session| session.insert("device", "phone")),
        ("remove", |session| {
            session.remove("planted");
            Ok(())
        }),
        ("remove what is public", |session| {
            session.remove("device");
            Ok(())
        }),
        ("take", |session| {
            session.take::<String>("planted").map(drop)
        }),
        ("reset", |session| {
            session.get_or_reset::<u8>("planted");
            Ok(())
        }),
        ("update", |session| {
            session
                .update("n", |n: Option<u8>| n.unwrap_or(0))
                .map(drop)
        }),
        ("clear", |session| {
            session.clear();
            Ok(())
        }),
        ("flash", |session| session.flash("notice", 1)),
        ("flashed", |session| {
            session.flashed::<u8>("notice").map(drop)
        }),
        ("bind", |session| session.set_binding("a key")),
        ("subject", |session| session.set_subject(Some("eve"))),
        ("expiry", |session| {
            session.set_expiry(cloakroom_core::Expiry::new().persistent())
        }),
        ("rotate", |session| {
            session.rotate();
            Ok(())
        }),
        ("sign in", |session| session.sign_in("eve")),
    ];
    let config = sealing().public_values(["device"]).build().expect("good");
    let mut unsealed = World::new();
    let plain = unsealed.issue(None, plant);
    unsealed.config = config.clone();
    let mut sealed = World::with(config);
    let token = sealed.issue(None, |session| {
        plant(session);
        session.insert("device", "laptop").expect("a good value");
    });
    for (what, change) in changes {
        let before = sealed.records.clone();
        let mut exchange = listed(&sealed, &token);
        let changed = change(&mut exchange.session().expect("loaded"));
        let commit = exchange.finish(sealed.now());
        let outcome = changed.and_then(|()| sealed.run(commit).map(drop));
        assert_eq!(outcome, Err(Error::Sealed), "{what}");
        assert!(sealed.records == before, "{what}");
        // Nor is a value written to a record that is only to be sealed.
        let mut exchange = listed(&unsealed, &plain);
        let mut session = exchange.session().expect("loaded");
        if change(&mut session).is_ok() && session.is_modified() {
            let commit = exchange.finish(unsealed.now());
            assert_eq!(unsealed.run(commit), Err(Error::Sealed), "{what}");
        }
        assert_eq!(
            unsealed.see(&plain, planted),
            Ok(Some(VALUE.to_owned())),
            "{what}"
        );
    }
    let mut exchange = listed(&sealed, &token);
    exchange.session().expect("loaded").sign_out();
    let commit = exchange.finish(sealed.now());
    assert_eq!(
        sealed.run(commit).map(|outcome| outcome.fate),
        Ok(Fate::Saved)
    );
    assert!(!sealed.lives(&token));
}

// R89
#[test]
fn a_change_by_key_that_meets_a_sealed_record_is_an_error() {
    let mut world = World::new();
    let token = world.issue(None, plant);
    let mut exchange = listed(&world, &token);
    exchange.in_background();
    count(&mut exchange.session().expect("loaded"));
    let commit = exchange.finish(world.now());
    let commit = world.until(commit, "replace");
    // The visitor's node seals meanwhile.
    let off = std::mem::replace(&mut world.config, sealing().build().expect("good"));
    world.request(Some(&token), insert("later", 1));
    world.config = off;
    assert_eq!(world.run(commit), Err(Error::Sealed));
    assert_eq!(world.number(&token, "later"), Some(1));
    assert_eq!(world.number(&token, "n"), None);
}

// R89
#[test]
fn claims_and_saves_in_the_handler_open_what_they_wrote() {
    let mut world = world();
    let token = world.issue(None, insert("state", 7));
    let mut exchange = world.open(Some(&token));
    let claim = exchange
        .claim("state", world.now())
        .expect("loaded")
        .expect("a value");
    // It follows a rotation on its way.
    let claim = world.until(claim, "replace");
    let second = world.issue(Some(&token), rotate);
    let outcome = world.run(claim).expect("it wins");
    let claimed = outcome.claimed.expect("the value");
    assert_eq!(claimed.get(), Ok(Some(7)));
    let found = world.load(claimed.key());
    exchange.after_claim(&claimed, found);
    let mut session = exchange.session().expect("loaded");
    assert!(!session.contains("state") && !session.is_sealed());
    count(&mut session);
    let commit = exchange.finish(world.now());
    keeps(&world.run(commit).expect("it is saved"), Fate::Saved);
    assert_eq!(world.number(&second, "n"), Some(1));
}

// R89
#[test]
fn a_handler_that_goes_on_after_a_save_opens_what_it_saved() {
    let mut world = world();
    let token = world.issue(None, plant);
    let mut exchange = world.open(Some(&token));
    for change in [count, rotate, count] {
        change(&mut exchange.session().expect("loaded"));
        exchange.will_resume().expect("there is a store");
        let commit = exchange.finish(world.now());
        let outcome = world.run(commit).expect("it is saved");
        exchange = Exchange::resume(&world.config, &outcome, world.now());
        let key = exchange.wants_load().expect("the session").clone();
        let loaded = exchange.handle_loaded(&key, world.load(&key));
        loaded.expect("the values are opened");
        assert_eq!(
            planted(&mut exchange.session().expect("loaded")),
            Ok(Some(VALUE.to_owned()))
        );
    }
    assert_eq!(exchange.session().expect("loaded").get("n"), Ok(Some(2)));
}

// R89
#[test]
fn forms_stay_valid_across_rotations_and_no_record_shows_their_secret() {
    let mut world = world();
    let token = world.issue(None, plant);
    let form = world.see(&token, |session| session.csrf_token([7; 32]));
    let second = world.issue(Some(&token), rotate);
    assert!(world.see(&second, |session| session.verify_csrf(&form)));
    let seed = opened(&world, &second).seed;
    for record in world.records.values() {
        assert!(!holds(&record.bytes, &seed));
    }
}

// R89
#[test]
fn the_call_that_crosses_the_limit_of_a_sealed_record_fails() {
    let limits = Limits {
        record_bytes: 512,
        ..Limits::default()
    };
    let config = sealing().limits(limits).public_values(["b"]);
    let mut world = World::with(config.build().expect("good"));
    for len in 300..512 {
        let outcome = {
            let mut exchange = world.open(None);
            let mut session = exchange.session().expect("new");
            let text = "x".repeat(len);
            if session.insert("a", &text).is_err() {
                return assert!(len > 350, "{len}");
            }
            let commit = exchange.finish(world.now());
            world.run(commit)
        };
        assert!(outcome.is_ok(), "{len}: {outcome:?}");
        let longest = world
            .records
            .values()
            .map(|record| record.bytes.len())
            .max();
        assert!(longest <= Some(512));
    }
    panic!("there is no limit");
}

// R89
#[test]
fn what_sealing_cannot_work_with_is_refused_when_the_configuration_is_built() {
    let refused = |config: ConfigBuilder| config.build().expect_err("refused").to_string();
    assert!(refused(sealing().key_format(KeyFormat::Plain)).contains("seal_values"));
    assert!(refused(sealing().public_values([""])).contains("public_values"));
    let settings = "seal_values = true\npublic_values = [\"device\"]";
    let config: Config = toml::from_str(settings).expect("good settings");
    let mut world = World::with(config);
    let token = world.issue(None, plant);
    assert!(!holds(&stored(&world, &token).bytes, VALUE.as_bytes()));
}

// R89
#[test]
fn signed_tokens_and_uuids_seal_too() {
    let key = cloakroom_core::SigningKey::new([7; 32]).expect("long enough");
    let uuid = cloakroom_core::TokenFormat::UuidV4;
    for config in [sealing().signing_keys([key]), sealing().token_format(uuid)] {
        let mut world = World::with(config.build().expect("good"));
        let token = world.issue(None, plant);
        let second = world.issue(Some(&token), rotate);
        world.request(Some(&second), count);
        assert_eq!(world.see(&token, planted), Ok(Some(VALUE.to_owned())));
        assert!(!holds(&stored(&world, &second).bytes, VALUE.as_bytes()));
    }
}

// R89
#[test]
fn a_save_asks_for_secret_bytes() {
    let mut world = world();
    let token = world.issue(None, plant);
    let Commit::Mint(mint) = world.begin(Some(&token), count) else {
        panic!("it changes something")
    };
    assert!(mint.needs_secrets());
    assert_eq!(
        Key::new(world.key(&token).as_str()),
        Some(world.key(&token))
    );
}
